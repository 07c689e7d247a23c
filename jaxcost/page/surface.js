// The picture: C as colour, level lines, axes, colour bar, marks. `drawing(canvas, colours)` gives functions that draw.

function drawing(canvas, colours) {
  const context = canvas.getContext("2d"),
    css = (name) => getComputedStyle(canvas).getPropertyValue(name).trim();
  const picture = document.createElement("canvas");
  let width = 0,
    height = 0,
    plot = {};

  function fit() {
    // margins in CSS pixels: left for beta, below for alpha, right for the colour bar
    const ratio = window.devicePixelRatio || 1,
      left = 62,
      right = 74;
    width = Math.max(canvas.parentElement.clientWidth, 220);
    const side = Math.min(width - left - right, Math.max(window.innerHeight - 150, 260));
    height = side + 26 + 46;
    canvas.style.height = `${height}px`;
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    plot = { x: left, y: 26, side };
  }

  const toX = (view, a) => plot.x + ((a - view.a + view.w) / (2 * view.w)) * plot.side;
  const toY = (view, b) => plot.y + ((view.b + view.w - b) / (2 * view.w)) * plot.side;
  const fromPixel = (view, x, y) => [
    view.a - view.w + ((x - plot.x) / plot.side) * 2 * view.w,
    view.b + view.w - ((y - plot.y) / plot.side) * 2 * view.w,
  ];

  function paint({ values, side }, scale) {
    // a cell about each point, as coarse as what is known
    picture.width = picture.height = side;
    const pixels = new ImageData(side, side),
      grey = [128, 128, 128];
    for (let i = 0; i < side; i++)
      for (let j = 0; j < side; j++) {
        const value = values[i * side + j],
          at = 4 * ((side - 1 - j) * side + i);
        const colour = Number.isFinite(value) ? colours[Math.round(255 * scale.place(value))] : grey;
        pixels.data.set([...colour, 255], at);
      }
    picture.getContext("2d").putImageData(pixels, 0, 0);
  }

  function text(words, x, y, align = "center", baseline = "middle", halo = null) {
    Object.assign(context, { textAlign: align, textBaseline: baseline });
    if (halo) {
      Object.assign(context, { strokeStyle: halo, lineWidth: 3, lineJoin: "round" });
      context.strokeText(words, x, y);
    }
    context.fillText(words, x, y);
  }

  function axes(view) {
    Object.assign(context, {
      fillStyle: css("--ink"),
      strokeStyle: css("--ink"),
      lineWidth: 1,
      font: "12px system-ui, sans-serif",
    });
    context.strokeRect(plot.x, plot.y, plot.side, plot.side);
    const down = plot.y + plot.side,
      count = plot.side < 320 ? 3 : 5;
    for (const { x, text: words } of ticks(view.a - view.w, view.a + view.w, count)) {
      const at = toX(view, x);
      context.fillRect(at - 0.5, down, 1, 4);
      text(words, Math.min(at, plot.x + plot.side - 8), down + 13);
    }
    for (const { x, text: words } of ticks(view.b - view.w, view.b + view.w, count)) {
      const at = toY(view, x);
      context.fillRect(plot.x - 4, at - 0.5, 4, 1);
      if (words.length < 8) text(words, plot.x - 6, at, "right");
      else {
        context.save();
        context.translate(plot.x - 14, at);
        context.rotate(-Math.PI / 2);
        text(words, 0, 0);
        context.restore();
      }
    }
    text("α, along the first direction", plot.x + plot.side / 2, down + 32);
    context.save();
    context.translate(9, plot.y + plot.side / 2);
    context.rotate(-Math.PI / 2);
    text("β, along the second", 0, 0);
    context.restore();
  }

  function bar(scale, levels) {
    const x = plot.x + plot.side + 14,
      tall = plot.side;
    for (let p = 0; p < tall; p++) {
      context.fillStyle = `rgb(${colours[Math.round(255 * (1 - p / tall))]})`;
      context.fillRect(x, plot.y + p, 14, 1.5);
    }
    context.fillStyle = css("--ink");
    let last = Infinity;
    for (const tick of scale.ticks) {
      const value = tick.x,
        words = scale.words(tick);
      const at = plot.y + tall * (1 - scale.place(value));
      if (last - at < 14) continue;
      last = at;
      context.fillRect(x + 14, at - 0.5, 4, 1);
      text(words, x + 20, at, "left");
    }
    if (scale.base) text(`C = ${short(scale.base, 10)} + 1e${scale.unit} ×`, width - 2, plot.y - 12, "right");
    else text("C", x + 7, plot.y - 12);
    Object.assign(context, { strokeStyle: "#fff", lineWidth: 1 });
    for (const { x: value } of levels) {
      const at = plot.y + tall * (1 - scale.place(value));
      context.beginPath();
      context.moveTo(x, at);
      context.lineTo(x + 14, at);
      context.stroke();
    }
  }

  function lines(shown, scale, levels, view) {
    const { values, side, view: of } = shown,
      step = (2 * of.w) / (side - 1);
    const at = (x, y) => [toX(view, of.a - of.w + x * step), toY(view, of.b - of.w + y * step)];
    const named = [];
    Object.assign(context, { strokeStyle: "rgba(255,255,255,.75)", lineWidth: 0.8 });
    levels.forEach((one, index) => {
      const level = one.x,
        words = scale.words(one),
        pieces = contour(values, side, level);
      context.beginPath();
      for (const [x0, y0, x1, y1] of pieces) {
        context.moveTo(...at(x0, y0));
        context.lineTo(...at(x1, y1));
      }
      context.stroke();
      const angle = 0.6 + index * 2.4; // names turn about the middle, so that they do not meet
      const far = ([x, y]) => (x - side / 2) * Math.cos(angle) + (y - side / 2) * Math.sin(angle);
      const inside = pieces.filter(([x, y]) => Math.min(x, y, side - 1 - x, side - 1 - y) > side / 20);
      if (inside.length)
        named.push([words, ...at(...inside.reduce((best, piece) => (far(piece) > far(best) ? piece : best)))]);
    });
    Object.assign(context, { fillStyle: "#fff", font: "11px system-ui, sans-serif" });
    const placed = [];
    for (const [words, x, y] of named) {
      if (placed.some(([u, v]) => Math.hypot(u - x, v - y) < 34)) continue;
      placed.push([x, y]);
      text(words, x, y, "center", "middle", "rgba(0,0,0,.55)");
    }
  }

  function dot(view, [a, b], size, fill, edge = "#fff") {
    context.beginPath();
    context.arc(toX(view, a), toY(view, b), size, 0, 7);
    Object.assign(context, { fillStyle: fill, strokeStyle: edge, lineWidth: 1.5 });
    context.fill();
    context.stroke();
  }

  function polyline(view, points, colour, wide) {
    context.beginPath();
    points.forEach(([a, b], i) => context[i ? "lineTo" : "moveTo"](toX(view, a), toY(view, b)));
    Object.assign(context, { strokeStyle: colour, lineWidth: wide });
    context.stroke();
  }

  // everything; `shown` is {values, side, view}, maybe of an older view, `marks` a function that draws over it
  function draw(shown, view, scale, levels, marks) {
    context.clearRect(0, 0, width, height);
    context.save();
    context.beginPath();
    context.rect(plot.x, plot.y, plot.side, plot.side);
    context.clip();
    if (shown) {
      paint(shown, scale);
      const of = shown.view,
        half = of.w / (shown.side - 1);
      const x = toX(view, of.a - of.w - half),
        y = toY(view, of.b + of.w + half);
      context.imageSmoothingEnabled = false;
      context.drawImage(picture, x, y, toX(view, of.a + of.w + half) - x, toY(view, of.b - of.w - half) - y);
      lines(shown, scale, levels, view);
    }
    marks({
      dot: (...rest) => dot(view, ...rest),
      line: (...rest) => polyline(view, ...rest),
      name: (words, [a, b]) => {
        context.fillStyle = "#fff";
        context.font = "bold 12px system-ui, sans-serif";
        text(words, toX(view, a) + 9, toY(view, b) - 10, "left", "middle", "rgba(0,0,0,.7)");
      },
    });
    context.restore();
    axes(view);
    if (shown) bar(scale, levels);
  }

  return {
    fit,
    draw,
    fromPixel,
    inside: (x, y) => x >= plot.x && x <= plot.x + plot.side && y >= plot.y && y <= plot.y + plot.side,
  };
}
