// A ball that runs downhill, and a cut along a straight line.

function walks(view, slope, exactly, evaluate, redraw, floor) {
  const $ = (id) => document.getElementById(id),
    rate = () => 10 ** +$("rate").value;
  const walk = { path: [], costs: [], running: 0 },
    cut = { a: null, b: null };

  // second derivatives in the plane, by central differences of exact slopes in float64; the largest curvature of
  // these; and Newton's step downhill from a slope, null where there is no bowl
  function bend([a, b]) {
    const h = 1e-4 * Math.min(view.w, 1);
    const [right, left, up, down] = [exactly(a + h, b), exactly(a - h, b), exactly(a, b + h), exactly(a, b - h)];
    const xx = (right[1] - left[1]) / (2 * h),
      yy = (up[2] - down[2]) / (2 * h),
      xy = (right[2] - left[2] + up[1] - down[1]) / (4 * h),
      det = xx * yy - xy * xy;
    const newton = (da, db) => (xx > 0 && det > 0 ? [(xy * db - yy * da) / det, (xy * da - xx * db) / det] : null);
    return { largest: (xx + yy) / 2 + Math.hypot((xx - yy) / 2, xy), newton };
  }

  // how a walk goes, in words, from its costs and what is there to fall
  function manner(costs, here, slopes, far) {
    const reached = costs[costs.length - 1],
      last = costs.slice(-21),
      jumps = last.filter((x, i) => i && x > last[i - 1]).length,
      ahead = here.newton(...slopes),
      left = ahead && -(ahead[0] * slopes[0] + ahead[1] * slopes[1]) / 2;
    if (!Number.isFinite(reached) || far) return "it has left for good: the rate is too large here";
    if (jumps > 5) return "it jumps up again and again: too large a rate for this valley";
    if (left !== null && left < 1e-3 * Math.abs(reached)) return "it has come to the bottom";
    if (last.length > 20 && last[0] - reached < 0.02 * Math.abs(last[0]))
      return "it crawls: a larger rate would go faster";
    return "it goes down";
  }

  function step() {
    if (!walk.path.length) walk.path.push(view.point);
    const [a, b] = walk.path[walk.path.length - 1],
      [c, da, db] = slope(a, b);
    if (!walk.costs.length) walk.costs.push(c);
    const next = [a - rate() * da, b - rate() * db],
      [reached, ...slopes] = slope(...next),
      here = bend(next),
      bound = rate() * here.largest;
    walk.path.push(next);
    walk.costs.push(reached);
    const far = Math.hypot(next[0] - view.a, next[1] - view.b) > 400 * Math.max(view.w, 1),
      still = rate() * Math.hypot(...slopes) < 1e-7 * Math.max(1, Math.hypot(...next)),
      told = bound > 2 ? ", above 2: no step settles here" : bound <= 0 ? ", no bowl here" : "";
    $("ball").textContent =
      `step ${walk.path.length - 1}: C ${short(walk.costs[0])} to ${short(reached)}\n` +
      `${manner(walk.costs, here, slopes, far)}\nrate × largest curvature here = ${short(bound, 3)}${told}`;
    if (!Number.isFinite(reached) || far || still || walk.path.length > 2000) stop();
    redraw();
  }

  // Newton's steps in the plane, halved until C is lower; downhill where there is no bowl
  function bottom(from) {
    let [a, b] = from,
      [c, ...slopes] = exactly(a, b);
    for (let step = 0; step < 60 && Math.hypot(...slopes) > 1e-13; step++) {
      const downhill = slopes.map((d) => (-d * view.w) / 4 / Math.hypot(...slopes));
      let [x, y] = bend([a, b]).newton(...slopes) ?? downhill,
        next = exactly(a + x, b + y);
      for (let half = 0; half < 40 && !(next[0] < c); half++) {
        [x, y] = [x / 2, y / 2];
        next = exactly(a + x, b + y);
      }
      if (!(next[0] < c)) break;
      [a, b, c, ...slopes] = [a + x, b + y, ...next];
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
