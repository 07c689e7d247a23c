// The cost of each plane in either precision, made when it is first asked for; the page and its workers use it alike.

function compiled({ driver, cost, details, planes, ofPoint, ofImages, n }) {
  const made = new Map();
  return (plane, single) => {
    const name = `${plane} ${single}`;
    if (!made.has(name)) {
      const rounded = (text) => text.replaceAll("$F(", single ? "Math.fround(" : "(");
      const A = single ? Float32Array : Float64Array;
      const program = (text) => new Function("A", rounded(text))(A);
      const costOn = new Function(`${rounded(driver)}; return costOn;`)();
      made.set(name, costOn(A, program(cost), program(details), { ...planes[plane], ofPoint, ofImages, n }));
    }
    return made.get(name);
  };
}

// Points go to the workers in small parts, so that a new picture need not wait for an old one.
function pool(begin, source, part = 24) {
  const count = Math.max(1, Math.min(navigator.hardwareConcurrency || 2, 8)),
    own = compiled(begin);
  let job = 0,
    waiting = [],
    got = () => {},
    left = 0,
    done = () => {};
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const workers = Array.from({ length: count }, () => {
    const worker = new Worker(address);
    worker.postMessage({ begin });
    worker.idle = true;
    worker.onmessage = ({ data }) => {
      worker.idle = true;
      if (data.job === job) {
        got(data.first, data.values);
        left -= data.values.length;
        if (!left) done();
      }
      next();
    };
    return worker;
  });
  function next() {
    for (const worker of workers) {
      if (!worker.idle || !waiting.length) continue;
      worker.idle = false;
      worker.postMessage(waiting.shift());
    }
  }
  return {
    cost: own,
    // all points `[2 n]`; `each(first, values)` as parts come, resolved when all have come; a later call ends it
    evaluate(plane, single, points, on, each) {
      job += 1;
      [waiting, got, left] = [[], each, points.length / 2];
      for (let first = 0; first < left; first += part)
        waiting.push({ job, first, plane, single, on, points: points.slice(2 * first, 2 * (first + part)) });
      return new Promise((resolve) => {
        done = resolve;
        next();
      });
    },
  };
}
