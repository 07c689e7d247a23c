// Colours, ticks, levels and level lines: numbers in, numbers out.

function ticks(low, high, count = 5) {
  const rough = (high - low) / count,
    power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((k) => k * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9),
    last = Math.floor(high / step + 1e-9);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const text = (x) => (Math.abs(x) < step / 2 ? 0 : x).toFixed(Math.min(digits, 17));
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step).map((x) => ({
    x,
    text: text(x),
  }));
}

// round numbers on a logarithmic bar
function logTicks(low, high) {
  const decades = Math.log10(high / low),
    digits = decades < 1 ? [1, 2, 3, 5, 7] : decades < 3 ? [1, 2, 5] : [1];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const digit of digits) found.push(digit * 10 ** power);
  return found
    .filter((x) => x >= low * 0.999 && x <= high * 1.001)
    .map((x) => ({ x, text: String(+x.toPrecision(2)) }));
}

// logarithmic where the low ground would be lost otherwise, and never finer than what is rounding
// `floor`: what is not to be told apart by colour
function scaleOf(values, floor = 0) {
  const finite = Array.from(values)
    .filter(Number.isFinite)
    .sort((x, y) => x - y);
  let low = finite[0] ?? 0,
    high = finite[finite.length - 1] ?? 1;
  const log = low > 0 && high / low > 20 && finite[finite.length >> 1] < high / 2;
  if (high - low < 10 * floor) {
    const middle = (low + high) / 2;
    low = middle - 5 * floor;
    high = middle + 5 * floor;
  }
  if (!(high > low)) {
    const half = Math.max(Math.abs(low) * 1e-12, 1e-300);
    low -= half;
    high += half;
  }
  const place = log ? (v) => Math.log(v / low) / Math.log(high / low) : (v) => (v - low) / (high - low);
  const value = log ? (t) => low * (high / low) ** t : (t) => low + t * (high - low);
  const named = log ? logTicks(low, high) : ticks(low, high);
  return { low, high, log, place: (v) => Math.min(Math.max(place(v), 0), 1), value, ticks: named, ...common(named) };
}

// level lines at round values, at least two floors apart
function levelsOf(scale, floor = 0, count = 9) {
  if (scale.log) {
    const dense = logTicks(scale.low, scale.high);
    return dense.length > 4
      ? dense
      : Array.from({ length: count }, (_, i) => scale.value((i + 1) / (count + 1))).map((x) => ({
          x,
          text: String(+x.toPrecision(2)),
        }));
  }
  return ticks(scale.low, scale.high, Math.max(1, Math.min(count, (scale.high - scale.low) / (2 * floor || 1e-300))));
}

// of numbers that differ late: what they have in common, and what is left, so that ticks are short
function common(found) {
  if (found.length < 2 || found.every(({ text }) => text.length < 8)) return { base: 0, words: ({ text }) => text };
  const base = found[found.length >> 1].x,
    unit = Math.floor(Math.log10(found[1].x - found[0].x) + 1e-9);
  return { base, unit, words: ({ x }) => String(+((x - base) / 10 ** unit).toFixed(1)) };
}

// marching squares: pieces [x0, y0, x1, y1] of the line of a level, in steps of the grid, values[i * side + j] at (i, j)
function contour(values, side, level) {
  const pieces = [],
    cross = (p, q) => (level - p) / (q - p);
  for (let i = 0; i < side - 1; i++)
    for (let j = 0; j < side - 1; j++) {
      const [p, q, r, s] = [
        values[i * side + j],
        values[(i + 1) * side + j],
        values[(i + 1) * side + j + 1],
        values[i * side + j + 1],
      ];
      if (!Number.isFinite(p + q + r + s)) continue;
      const ends = [];
      if (p < level !== q < level) ends.push([i + cross(p, q), j]);
      if (q < level !== r < level) ends.push([i + 1, j + cross(q, r)]);
      if (s < level !== r < level) ends.push([i + cross(s, r), j + 1]);
      if (p < level !== s < level) ends.push([i, j + cross(p, s)]);
      if (ends.length === 4 && (p + q + r + s) / 4 < level !== p < level) ends.unshift(ends.pop()); // a saddle: by its middle
      for (let e = 0; e + 1 < ends.length; e += 2) pieces.push([...ends[e], ...ends[e + 1]]);
    }
  return pieces;
}

// a number in a few digits, as a power of ten where it is very large or small
const short = (x, digits = 4) =>
  Number.isFinite(x)
    ? Math.abs(x) >= 1e5 || (x && Math.abs(x) < 1e-3)
      ? x.toExponential(digits - 1)
      : String(+x.toPrecision(digits))
    : "not finite";
