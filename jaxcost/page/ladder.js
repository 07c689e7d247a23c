// C from planes computed beforehand, one a rung: between their points it is interpolated, and finest near the middle.
// A rung is {halfWidth, side, floor, values: [side, side, classes]}; the rungs rise.

function ladderOn(rungs, middle, counts) {
  const covering = (a, b) =>
    rungs.find((r) => Math.max(Math.abs(a - middle[0]), Math.abs(b - middle[1])) <= r.halfWidth * (1 + 1e-9));

  function meanOfClasses(values, first, on) {
    let sum = 0,
      count = 0;
    for (let c = 0; c < counts.length; c++)
      if (on[c] && counts[c]) {
        sum += counts[c] * values[first + c];
        count += counts[c];
      }
    return sum / count;
  }

  // bilinear, on the rung given or the smallest that holds the point; NaN beyond the largest
  function at(a, b, on, rung = covering(a, b)) {
    if (!rung) return NaN;
    const { halfWidth, side, values } = rung,
      place = (x) => ((x / halfWidth + 1) / 2) * (side - 1);
    const x = Math.min(Math.max(place(a - middle[0]), 0), side - 1),
      y = Math.min(Math.max(place(b - middle[1]), 0), side - 1);
    const i = Math.min(Math.floor(x), side - 2),
      j = Math.min(Math.floor(y), side - 2),
      s = x - i,
      t = y - j;
    const value = (i, j) => meanOfClasses(values, (i * side + j) * counts.length, on);
    return (
      (1 - s) * ((1 - t) * value(i, j) + t * value(i, j + 1)) +
      s * ((1 - t) * value(i + 1, j) + t * value(i + 1, j + 1))
    );
  }

  function spacing(a, b) {
    const rung = covering(a, b);
    return rung ? (2 * rung.halfWidth) / (rung.side - 1) : NaN;
  }

  // the smallest rung that holds all points, [a, b, a, b, ...], so that no seam runs through what is drawn of them
  function rungOf(points) {
    const far = [0, 1].map((side) =>
      points.reduce(
        (most, x, k) => (k % 2 === side && Math.abs(x - middle[side]) > Math.abs(most - middle[side]) ? x : most),
        middle[side],
      ),
    );
    return covering(...far);
  }

  return {
    at,
    spacing,
    evaluate(points, on) {
      const rung = rungOf(points);
      return Float64Array.from({ length: points.length / 2 }, (_, i) => at(points[2 * i], points[2 * i + 1], on, rung));
    },
    floor: (points) => rungOf(points)?.floor ?? 0,
    slope(a, b, on) {
      // by central differences over a spacing of the grid
      const h = spacing(a, b);
      return [
        at(a, b, on),
        (at(a + h, b, on) - at(a - h, b, on)) / (2 * h),
        (at(a, b + h, on) - at(a, b - h, on)) / (2 * h),
      ];
    },
  };
}
