// The state of the page, what changes it, and how it is drawn.

const $ = (id) => document.getElementById(id);
function bytes(text) {
  const letters = atob(text),
    made = new Uint8Array(letters.length);
  for (let i = 0; i < made.length; i++) made[i] = letters.charCodeAt(i);
  return made;
}
const doubles = (text) => new Float64Array(bytes(text).buffer),
  singles = (text) => new Float32Array(bytes(text).buffer);

const page = JSON.parse($("data").textContent),
  colours = page.colours;
const WIDEST = Math.max(100, ...page.planes.map((plane) => 4 * plane.half_width)),
  NARROWEST = 1e-6;
const view = { plane: 0, a: 0, b: 0, w: 1, point: [0, 0], single: false, off: new Set(), without: new Set(), side: 61 };
let shown = null,
  floor = 0,
  drawn = { scale: null, levels: [] };
const STRIDES = { 31: [6, 2, 1], 61: [12, 4, 2, 1], 121: [12, 4, 2, 1], 241: [24, 8, 4, 2, 1] }; // coarse, then finer
window.timings = { first: null, full: null }; // of the first picture, and of the first full one, ms since the page was asked for

let costAt, points;
if (page.live) {
  const numbers = (plane) => ({ points: doubles(plane.points), images: doubles(plane.images) });
  const begin = {
    driver: page.driver,
    cost: page.cost,
    details: page.details,
    n: page.n,
    planes: page.planes.map(numbers),
    ofPoint: doubles(page.of_point),
    ofImages: doubles(page.of_images),
  };
  points = pool(begin, `"use strict";\n${compiled}\n${page.worker}`);
  costAt = () => points.cost(view.plane, view.single);
} else {
  const ladders = page.planes.map((plane) =>
    ladderOn(
      plane.rungs.map((rung) => ({ ...rung, values: singles(rung.values) })),
      plane.middle,
      page.counts,
    ),
  );
  costAt = () => ladders[view.plane];
  points = {
    cost: costAt,
    async evaluate(plane, single, at, on, each) {
      each(0, ladders[plane].evaluate(at, on));
    },
  };
  document.body.classList.add("ladder");
}

const surface = drawing($("surface"), colours),
  images = imagePanels(page, view, costAt, changed);
const slope = (a, b) => Array.from(costAt().slope(a, b, images.on()));
const exactly = (a, b) => (page.live ? points.cost(view.plane, false) : costAt()).slope(a, b, images.on());
const walking = walks(view, slope, exactly, evaluateAll, redraw, () => floor);

async function evaluateAll(at) {
  // all at once, beside the picture that may be in the making
  const which = images.on(),
    cost = costAt();
  if (!page.live) return cost.evaluate(at, which);
  return Float64Array.from({ length: at.length / 2 }, (_, i) => cost.at(at[2 * i], at[2 * i + 1], which));
}

// -- the picture: coarse, then finer ---------------------------------------------------------------------

function measuredFloor() {
  // float32 against float64 here, at 16 points of the picture, as the kit measures it
  if (!page.live) return costAt().floor([view.a - view.w, view.b - view.w, view.a + view.w, view.b + view.w]);
  if (!view.single) return 0;
  const which = images.on(),
    [one, other] = [true, false].map((single) => points.cost(view.plane, single));
  let worst = 0,
    largest = 0;
  for (let k = 0; k < 16; k++) {
    const at = [view.a + view.w * (2 * ((k * 0.618034) % 1) - 1), view.b + view.w * (2 * ((k + 0.5) / 16) - 1)];
    const [narrow, wide] = [one.at(...at, which), other.at(...at, which)];
    worst = Math.max(worst, Math.abs(narrow - wide));
    largest = Math.max(largest, Math.abs(wide));
  }
  return Math.max(4 * worst, 2 ** -23 * largest);
}

async function compute(then) {
  // `then` follows the first picture, for which it would be in the way
  const { side, plane, single } = view,
    of = { a: view.a, b: view.b, w: view.w },
    which = images.on();
  const known = new Float64Array(side * side).fill(NaN),
    done = new Uint8Array(side * side);
  const at = (middle, i) => middle - of.w + (2 * of.w * i) / (side - 1),
    mine = (compute.latest = {});
  document.body.dataset.picture = "in the making";
  floor = measuredFloor();
  for (const stride of STRIDES[side]) {
    const places = [];
    for (let i = 0; i < side; i += stride)
      for (let j = 0; j < side; j += stride) if (!done[i * side + j]) places.push(i * side + j);
    const asked = Float64Array.from({ length: 2 * places.length }, (_, k) =>
      k % 2 ? at(of.b, places[k >> 1] % side) : at(of.a, Math.floor(places[k >> 1] / side)),
    );
    const keep = (first, values) =>
      values.forEach((value, k) => {
        known[places[first + k]] = value;
        done[places[first + k]] = 1;
      });
    // the very first is made here, while the workers are still starting
    if (window.timings.first === null) keep(0, await evaluateAll(asked));
    else await points.evaluate(plane, single, asked, which, keep);
    if (compute.latest !== mine) return;
    const coarse = (side - 1) / stride + 1,
      values = new Float64Array(coarse * coarse);
    for (let i = 0; i < coarse; i++)
      for (let j = 0; j < coarse; j++) values[i * coarse + j] = known[i * stride * side + j * stride];
    shown = { values, side: coarse, view: of };
    const least = $("hide").checked ? floor : 0,
      scale = scaleOf(values, least);
    drawn = { scale, levels: levelsOf(scale, least) };
    redraw();
    window.timings.first ??= performance.now();
    if (stride === STRIDES[side][0]) then();
    if (stride === 1) {
      window.timings.full ??= performance.now();
      settled();
    }
  }
}

function redraw() {
  const plane = page.planes[view.plane];
  surface.draw(shown, view, drawn.scale, drawn.levels, ({ dot, line, name }) => {
    if (plane.path) {
      line(plane.path, "#fff", 1);
      const far = Math.max(...(plane.off || [0]));
      plane.path.forEach((at, i) => dot(at, 2.5 + (far ? (4 * plane.off[i]) / far : 0), "#d55e00"));
      name("start", plane.path[0]);
      name("end", plane.path[plane.path.length - 1]);
    }
    for (const [words, at] of plane.marks) {
      dot(at, 4.5, "#000");
      name(words, at);
    }
    if (walking.cut.a && walking.cut.b) line([walking.cut.a, walking.cut.b], "#fff", 2);
    for (const end of ["a", "b"])
      if (walking.cut[end]) {
        dot(walking.cut[end], 4, "#fff", "#000");
        name(end.toUpperCase(), walking.cut[end]);
      }
    if (walking.walk.path.length) {
      line(walking.walk.path, "#e69f00", 2);
      walking.walk.path.slice(0, -1).forEach((at) => dot(at, 2, "#e69f00", "#000"));
      dot(walking.walk.path[walking.walk.path.length - 1], 6, "#e69f00", "#000");
    }
    dot(view.point, 5, "rgba(0,0,0,0)", "#000");
    dot(view.point, 6.5, "rgba(0,0,0,0)", "#fff");
  });
  $("width").textContent = short(view.w, 3);
  $("zoom").value = Math.log10(view.w);
}

function settled() {
  document.body.dataset.picture = "whole";
  const finite = Array.from(shown.values).filter(Number.isFinite),
    gone = shown.values.length - finite.length;
  const spacing = (2 * view.w) / (shown.side - 1);
  $("state").textContent =
    `${shown.side} × ${shown.side} points, ${short(spacing, 3)} apart: nothing narrower is seen. C from ${short(Math.min(...finite))} to ${short(Math.max(...finite))}` +
    (gone ? `, ${gone} points not finite (grey)` : "") +
    `. ${page.live ? (floor ? "float32:" : "float64.") : `Interpolated; the points of this rung lie ${short(costAt().spacing(view.a + view.w, view.b + view.w), 3)} apart;`}` +
    (floor
      ? ` differences below ${floor.toExponential(1)} are rounding, ${$("hide").checked ? "and neither colour nor level lines show them" : "shown here as if they were C's"}.`
      : "");
  $("surface").ariaLabel =
    `C on the plane ${page.planes[view.plane].name}, about (${short(view.a)}, ${short(view.b)}), half-width ${short(view.w, 3)}. ${$("state").textContent}`;
}

// -- what changes it --------------------------------------------------------------------------------------

function changed({ said = false } = {}) {
  view.w = Math.min(Math.max(view.w, NARROWEST), WIDEST);
  redraw();
  compute(() => {
    pointed(said);
    walking.drawCut();
    write();
  });
}

function pointed(said) {
  const [a, b] = view.point,
    which = images.on(),
    count = which.reduce((sum, x) => sum + x, 0),
    [c, da, db] = slope(a, b);
  let words = `(α, β) = (${short(a)}, ${short(b)})\nC = ${short(c, 8)}\nslope (${short(da)}, ${short(db)}), ${short(Math.hypot(da, db))} at its steepest`;
  if (page.live) {
    const costs = costAt()
        .each(a, b)
        .filter((_, i) => which[i]),
      spread = Math.sqrt(costs.reduce((sum, x) => sum + (x - c) ** 2, 0) / Math.max(1, count - 1) / count);
    words += `\nover these ${count.toLocaleString()} images; over another ${count.toLocaleString()} of the kind it would be another by ${short(1.4 * spread, 2)} or so`;
  } else words += `\ninterpolated between points ${short(costAt().spacing(a, b), 3)} apart`;
  if (!count) words = "no image is taken in: there is no C";
  $("point").textContent = words;
  const plane = page.planes[view.plane],
    near = nearest(plane);
  if (near !== null) $("point").textContent += `\n${near}`;
  $("left-out").textContent = page.live
    ? `${count.toLocaleString()} of ${page.n.toLocaleString()} taken in`
    : page.names
      ? `${count} of ${page.names.length} classes taken in`
      : page.total
        ? "C of all images: their classes are not known"
        : "C is one number of the whole, no mean over images";
  images.update(view.point);
  if (said) $("said").textContent = `C ${short(c, 5)} at ${short(a)}, ${short(b)}`;
}

function nearest(plane) {
  // the step of the path at the point, and how far it lies off the plane
  if (!plane.path) return null;
  const far = plane.path.map(([a, b]) => Math.hypot(a - view.point[0], b - view.point[1])),
    i = far.indexOf(Math.min(...far));
  if (far[i] > view.w / 15) return null;
  const off = plane.off ? `, ${short(plane.off[i], 3)} off this plane` : "",
    cost = plane.costs ? `; its true C over all images is ${short(plane.costs[i])}` : "";
  return `here passes record ${i} of the path${off}${cost}`;
}

function toPlane(index) {
  const plane = page.planes[index];
  Object.assign(view, {
    plane: index,
    a: plane.middle[0],
    b: plane.middle[1],
    w: plane.half_width,
    point: [...plane.middle],
  });
  $("plane").value = index;
  $("note").textContent =
    plane.note +
    (plane.off
      ? ` Dots are as large as they lie far off this plane, at most ${short(Math.max(...plane.off), 3)}.`
      : "");
  shown = null;
  walking.reset();
}

function zoom(factor, at = [view.a, view.b]) {
  const w = Math.min(Math.max(view.w * factor, NARROWEST), WIDEST),
    by = w / view.w;
  Object.assign(view, { a: at[0] + (view.a - at[0]) * by, b: at[1] + (view.b - at[1]) * by, w });
  changed();
}
