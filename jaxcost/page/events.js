// Fingers, keys, buttons, and the view in the address.

function write() {
  const told = {
    plane: page.planes[view.plane].name,
    a: view.a,
    b: view.b,
    w: view.w,
    point: view.point.join(","),
    bits: view.single ? 32 : 64,
    points: view.side,
    off: [...view.off].join("."),
    without: [...view.without].join("."),
  };
  const address = "#" + new URLSearchParams(Object.entries(told).filter(([, value]) => value !== ""));
  $("link").href = address;
  clearTimeout(write.later); // browsers refuse to change it many times a second
  write.later = setTimeout(() => {
    try {
      history.replaceState(null, "", address);
    } catch {
      /* a page within another has no address */
    }
  }, 250);
}

function read() {
  const told = new URLSearchParams(location.hash.slice(1)),
    number = (name, other) => (Number.isFinite(parseFloat(told.get(name))) ? parseFloat(told.get(name)) : other);
  const index = page.planes.findIndex((plane) => plane.name === told.get("plane"));
  toPlane(Math.max(index, 0));
  const whole = (name) =>
    new Set((told.get(name) || "").split(".").filter(Boolean).map(Number).filter(Number.isInteger));
  Object.assign(view, {
    a: number("a", view.a),
    b: number("b", view.b),
    w: number("w", view.w),
    single: page.live && told.get("bits") === "32",
    off: whole("off"),
    without: whole("without"),
  });
  const point = (told.get("point") || "").split(",").map(Number);
  if (point.length === 2 && point.every(Number.isFinite)) view.point = point;
  if ([...$("grid").options].some((option) => option.value === told.get("points"))) view.side = +told.get("points");
  $("grid").value = view.side;
  $("bits").value = view.single ? "32" : "64";
  images.classes();
  changed();
}

function listen() {
  const canvas = $("surface"),
    fingers = new Map(),
    place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
  let moved = 0,
    later = 0;
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    moved = 0;
  };
  canvas.onpointermove = (event) => {
    const now = place(event),
      before = fingers.get(event.pointerId);
    if (before === undefined) {
      hover(now);
      return;
    }
    const [from, to] = [surface.fromPixel(view, ...before), surface.fromPixel(view, ...now)];
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1],
        far = ([x, y]) => Math.max(10, Math.hypot(x - other[0], y - other[1]));
      fingers.set(event.pointerId, now);
      zoom(far(before) / far(now), surface.fromPixel(view, ...other));
      return;
    }
    fingers.set(event.pointerId, now);
    if (moved < 4) return;
    Object.assign(view, { a: view.a + from[0] - to[0], b: view.b + from[1] - to[1] });
    redraw();
    clearTimeout(later);
    later = setTimeout(changed, 40);
  };
  canvas.onpointerup = canvas.onpointercancel = (event) => {
    if (fingers.delete(event.pointerId) && moved < 4 && surface.inside(...place(event)))
      choose(surface.fromPixel(view, ...place(event)));
  };
  canvas.addEventListener(
    "wheel",
    (event) => {
      // within another page the wheel scrolls that one, until the picture is clicked
      if (window !== window.top && document.activeElement !== canvas) return;
      event.preventDefault();
      zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 300))), surface.fromPixel(view, ...place(event)));
    },
    { passive: false },
  );
  canvas.onkeydown = keyed;
  if (window !== window.top) $("keys").textContent += " The wheel zooms once the picture is clicked.";

  function hover(at) {
    // the cost under the pointer, without choosing the point
    if (!surface.inside(...at)) return;
    const point = surface.fromPixel(view, ...at);
    cancelAnimationFrame(hover.frame);
    hover.frame = requestAnimationFrame(() => {
      $("under").textContent =
        `C = ${short(costAt().at(...point, images.on()), 6)} under the pointer, (${short(point[0])}, ${short(point[1])})`;
    });
  }
}

function choose(point) {
  view.point = point;
  walking.forget();
  redraw();
  pointed(true);
  write();
}

function keyed(event) {
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  const keys = {
    "+": () => zoom(1 / 1.5),
    "=": () => zoom(1 / 1.5),
    "-": () => zoom(1.5),
    0: home,
    m: bottom,
    b: walking.run,
    a: walking.end("a"),
    z: walking.end("b"),
  };
  if (event.ctrlKey || event.metaKey || event.altKey || (!arrows && !keys[event.key.toLowerCase()])) return;
  event.preventDefault();
  if (!arrows) keys[event.key.toLowerCase()]();
  else if (event.shiftKey)
    choose([view.point[0] + (arrows[0] * view.w) / 20, view.point[1] + (arrows[1] * view.w) / 20]);
  else {
    view.a += (arrows[0] * view.w) / 5;
    view.b += (arrows[1] * view.w) / 5;
    changed();
  }
}

function bottom() {
  // of the basin of the chosen point, in the plane
  const point = walking.bottom(view.point);
  Object.assign(view, { point, a: point[0], b: point[1] });
  changed({ said: true });
}

function home() {
  const { point } = view;
  toPlane(view.plane);
  view.point = point;
  changed();
}

function about() {
  const plane = page.planes[view.plane];
  return [
    `C on the plane ${plane.name}: ${page.title}`,
    `${images.on().reduce((sum, x) => sum + x, 0)} ${page.live ? "images" : "classes"}, ${page.live ? (view.single ? "float32" : "float64") : "interpolated"}, made by jaxcost ${page.version}`,
    `middle (${view.a}, ${view.b}), half-width ${view.w}`,
    plane.note,
  ];
}

$("plane").replaceChildren(...page.planes.map(({ name }, i) => new Option(name, i)));
Object.assign($("zoom"), { min: Math.log10(NARROWEST), max: Math.log10(WIDEST) });
$("zoom").oninput = () => {
  view.w = 10 ** +$("zoom").value;
  changed();
};
$("plane").onchange = () => {
  toPlane(+$("plane").value);
  changed();
};
$("grid").onchange = () => {
  view.side = +$("grid").value;
  changed();
};
$("bits").onchange = () => {
  view.single = $("bits").value === "32";
  changed();
};
[$("in").onclick, $("out").onclick, $("home").onclick, $("bottom").onclick] = [
  () => zoom(1 / 1.5),
  () => zoom(1.5),
  home,
  bottom,
];
$("hide").onchange = () => changed();
$("png").onclick = () => $("surface").toBlob((blob) => save("surface.png", "image/png", blob));
$("svg").onclick = () =>
  save("surface.svg", "image/svg+xml", asSvg(shown, drawn.scale, drawn.levels, colours, about()));
$("csv").onclick = () => save("surface.csv", "text/csv", asCsv(shown, about()));

// -- the page tests itself: what it computes against numbers that python left here -----------------------

function tested() {
  const many = (x) => x.toLocaleString(),
    over = page.total ? `over ${many(page.n)} of ${many(page.total)} images` : "one number of the whole, of no images";
  if (!page.live)
    return (
      `Not computed here: this is a ladder of planes made beforehand (${page.reason}). C is ${over}; ` +
      `between the points it is interpolated, and the ball runs on that.`
    );
  const every = new Uint8Array(page.n).fill(1),
    off = page.planes.flatMap((plane, index) =>
      plane.checks.map(([a, b, c]) => Math.abs(points.cost(index, false).at(a, b, every) - c) / (Math.abs(c) || 1)),
    ),
    worst = Math.max(0, ...off),
    right = off.length && worst < 1e-6;
  $("kind").classList.toggle("warning", !right);
  const told = off.length ? `largest relative difference ${worst.toExponential(0)}` : "C was finite at no point tried";
  return (
    `Live: your browser computes C of all ${many(page.parameters)} parameters, exactly, at every point, ${over}. ` +
    `${right ? "Checked" : off.length ? "WRONG" : "Not checked"} against float64 in python: ${told}.`
  );
}

window.addEventListener("hashchange", read);
window.addEventListener("resize", () => {
  surface.fit();
  redraw();
  walking.drawCut();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
surface.fit();
listen();
read();
setTimeout(() => {
  $("kind").textContent = tested();
}, 0);
