// What a worker does: C at points of a plane. It is given the texts of the programs and the numbers once.

let costs = null;

onmessage = ({ data }) => {
  if (data.begin) {
    costs = compiled(data.begin);
    return;
  }
  const { job, first, plane, single, points, on } = data,
    cost = costs(plane, single);
  const values = new Float64Array(points.length / 2);
  for (let i = 0; i < values.length; i++) values[i] = cost.at(points[2 * i], points[2 * i + 1], on);
  postMessage({ job, first, values });
};
