// A ball that runs downhill, and a cut along a straight line.

function walks(view, slope, exactly, evaluate, redraw, floor) {
  const $ = (id) => document.getElementById(id),
    rate = () => 10 ** +$("rate").value;
  const walk = { path: [], costs: [], running: 0 },
    cut = { a: null, b: null };

  // the largest curvature of the plane at the ball, from exact slopes: above 2 / rate no step can settle there
  function curvature([a, b]) {
    const h = 1e-4 * Math.min(view.w, 1),
      [, ux, uy] = slope(a + h, b),
      [, vx, vy] = slope(a - h, b),
      [, px, py] = slope(a, b + h),
      [, qx, qy] = slope(a, b - h);
    const [xx, yy, xy] = [(ux - vx) / (2 * h), (py - qy) / (2 * h), (uy - vy + (px - qx)) / (4 * h)];
    return (xx + yy) / 2 + Math.hypot((xx - yy) / 2, xy);
  }

  function step() {
    if (!walk.path.length) walk.path.push(view.point);
    const [a, b] = walk.path[walk.path.length - 1],
      [c, da, db] = slope(a, b);
    if (!walk.costs.length) walk.costs.push(c);
    const next = [a - rate() * da, b - rate() * db],
      [reached, ea, eb] = slope(...next);
    walk.path.push(next);
    walk.costs.push(reached);
    const steps = walk.path.length - 1,
      far = Math.hypot(next[0] - view.a, next[1] - view.b) > 400 * Math.max(view.w, 1);
    const still = Math.hypot(ea, eb) * rate() < 1e-7 * Math.max(1, Math.hypot(...next));
    const last = walk.costs.slice(-21),
      up = last.filter((x, i) => i && x > last[i - 1]).length;
    const words =
      !Number.isFinite(reached) || far
        ? "it has left for good: the rate is too large here"
        : still
          ? "it has come to rest: the slope is gone"
          : up > 5
            ? "it jumps up again and again: too large a rate for this valley"
            : steps > 20 && last[0] - reached < 0.02 * Math.abs(last[0])
              ? "it crawls: a larger rate would go faster"
              : "it goes down";
    const bound = curvature(next);
    $("ball").textContent =
      `step ${steps}: C ${short(walk.costs[0])} to ${short(reached)}\n${words}\nrate × largest curvature here = ${short(rate() * bound, 3)}` +
      (rate() * bound > 2 ? ", above 2: no step settles here" : bound <= 0 ? ", no bowl here" : "");
    if (!Number.isFinite(reached) || far || still || steps >= 2000) stop();
    redraw();
  }

  // Newton's steps in the plane, halved until C is lower; downhill where there is no bowl
  function bottom(from) {
    let [a, b] = from,
      [c, da, db] = exactly(a, b);
    for (let step = 0; step < 60 && Math.hypot(da, db) > 1e-13; step++) {
      const h = 1e-4 * Math.min(view.w, 1),
        [, ux, uy] = exactly(a + h, b),
        [, vx, vy] = exactly(a - h, b),
        [, , py] = exactly(a, b + h),
        [, , qy] = exactly(a, b - h);
      const [xx, yy, xy] = [(ux - vx) / (2 * h), (py - qy) / (2 * h), (uy - vy) / (2 * h)],
        det = xx * yy - xy * xy;
      let [x, y] =
        xx > 0 && det > 0
          ? [-(yy * da - xy * db) / det, -(xx * db - xy * da) / det]
          : [-da, -db].map((d) => (d * view.w) / 4 / Math.hypot(da, db));
      let next = exactly(a + x, b + y);
      for (let half = 0; half < 40 && !(next[0] < c); half++) {
        [x, y] = [x / 2, y / 2];
        next = exactly(a + x, b + y);
      }
      if (!(next[0] < c)) break;
      [a, b, c, da, db] = [a + x, b + y, ...next];
    }
    return [a, b];
  }

  function stop() {
    clearInterval(walk.running);
    walk.running = 0;
  }
  function forget() {
    stop();
    walk.path.length = walk.costs.length = 0;
    $("ball").textContent = "";
  }
  function run() {
    forget();
    walk.path.push(view.point);
    step();
    walk.running = setInterval(step, 60);
  }

  async function drawCut() {
    const canvas = $("cut");
    canvas.style.display = cut.a && cut.b ? "block" : "none";
    if (!cut.a || !cut.b) {
      $("cut-said").textContent = cut.a || cut.b ? "Now set the other end." : "";
      return;
    }
    const count = 201,
      points = Float64Array.from({ length: 2 * count }, (_, i) => {
        const t = (i >> 1) / (count - 1);
        return cut.a[i % 2] * (1 - t) + cut.b[i % 2] * t;
      });
    const values = await evaluate(points),
      finite = Array.from(values).filter(Number.isFinite);
    const low = Math.min(...finite),
      high = Math.max(...finite),
      start = values[0],
      end = values[count - 1],
      barrier = Math.max(...Array.from(values, (v, i) => v - start - ((end - start) * i) / (count - 1)));
    const ratio = window.devicePixelRatio || 1,
      box = canvas.getBoundingClientRect(),
      context = canvas.getContext("2d");
    [canvas.width, canvas.height] = [box.width * ratio, box.height * ratio];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const ink = getComputedStyle(canvas).getPropertyValue("--ink").trim(),
      [left, top, wide, tall] = [56, 10, box.width - 68, box.height - 40];
    const scale = { low: low - 0.04 * (high - low || 1e-12), high: high + 0.04 * (high - low || 1e-12) },
      y = (v) => top + (tall * (scale.high - v)) / (scale.high - scale.low);
    Object.assign(context, {
      fillStyle: ink,
      strokeStyle: ink,
      font: "12px system-ui, sans-serif",
      textAlign: "right",
      textBaseline: "middle",
      lineWidth: 1,
    });
    context.strokeRect(left, top, wide, tall);
    for (const { x, text } of ticks(scale.low, scale.high, 4)) {
      context.fillRect(left - 4, y(x) - 0.5, 4, 1);
      context.fillText(text.length > 7 ? short(x, 4) : text, left - 6, y(x));
    }
    context.textAlign = "center";
    ["A", "", "half-way", "", "B"].forEach((words, i) =>
      context.fillText(words, left + (wide * i) / 4, top + tall + 13),
    );
    context.fillText("C", 8, top + tall / 2);
    context.beginPath();
    values.forEach((v, i) => Number.isFinite(v) && context.lineTo(left + (wide * i) / (count - 1), y(v)));
    Object.assign(context, { strokeStyle: getComputedStyle(canvas).getPropertyValue("--key").trim(), lineWidth: 2 });
    context.stroke();
    const noise = floor();
    const words =
      `C from ${short(start)} at A to ${short(end)} at B, lowest ${short(low)}, highest ${short(high)}; barrier ${short(barrier > 1e-12 * high ? barrier : 0, 3)}` +
      (noise ? `; differences below ${noise.toExponential(0)} are rounding` : "");
    $("cut-said").textContent = words;
    canvas.ariaLabel = words;
  }

  const end = (name) => () => {
    cut[name] = view.point;
    redraw();
    drawCut();
  };
  $("rate").oninput = () => {
    $("rate-value").textContent = short(rate(), 3);
  };
  $("rate").oninput();
  [$("run").onclick, $("step").onclick, $("stop").onclick] = [run, step, stop];
  [$("cut-a").onclick, $("cut-b").onclick] = [end("a"), end("b")];
  $("cut-off").onclick = () => {
    cut.a = cut.b = null;
    redraw();
    drawCut();
  };
  return {
    walk,
    cut,
    run,
    forget,
    bottom,
    drawCut,
    end,
    step,
    reset: () => {
      forget();
      cut.a = cut.b = null;
      drawCut();
    },
  };
}
