// The view as files: PNG, SVG, CSV.

function save(name, type, content) {
  const link = Object.assign(document.createElement("a"), {
    download: name,
    href: URL.createObjectURL(new Blob([content], { type })),
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function asCsv({ values, side, view }, about) {
  const at = (middle, i) => middle - view.w + (2 * view.w * i) / (side - 1);
  const rows = Array.from(values, (value, k) => `${at(view.a, Math.floor(k / side))},${at(view.b, k % side)},${value}`);
  return [...about.map((line) => `# ${line}`), "alpha,beta,C", ...rows, ""].join("\n");
}

// vectors throughout: a square a point, level lines, axes, bar; readable by any editor
function asSvg({ values, side, view }, scale, levels, colours, about) {
  const size = 600,
    cell = size / (side - 1),
    [left, top] = [70, 20],
    told = (words) => words.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size + 180} ${size + 80}" font-family="sans-serif" font-size="14">`,
    `<title>${told(about[0])}</title><desc>${told(about.join("; "))}</desc>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<clipPath id="p"><rect x="${left}" y="${top}" width="${size}" height="${size}"/></clipPath><g clip-path="url(#p)" shape-rendering="crispEdges">`,
  ];
  const x = (i) => left + i * cell,
    y = (j) => top + size - j * cell;
  values.forEach((value, k) => {
    const [i, j] = [Math.floor(k / side), k % side],
      colour = Number.isFinite(value) ? colours[Math.round(255 * scale.place(value))] : [128, 128, 128];
    parts.push(
      `<rect x="${(x(i) - cell / 2).toFixed(2)}" y="${(y(j) - cell / 2).toFixed(2)}" width="${cell.toFixed(2)}" height="${cell.toFixed(2)}" fill="rgb(${colour})"/>`,
    );
  });
  parts.push(`</g><g clip-path="url(#p)" stroke="#fff" fill="none">`);
  for (const { x: level, text } of levels) {
    const pieces = contour(values, side, level).map(
      ([a, b, c, d]) => `M${x(a).toFixed(1)} ${y(b).toFixed(1)}L${x(c).toFixed(1)} ${y(d).toFixed(1)}`,
    );
    parts.push(`<path d="${pieces.join("")}"><title>C = ${text}</title></path>`);
  }
  parts.push(`</g><rect x="${left}" y="${top}" width="${size}" height="${size}" fill="none" stroke="#000"/>`);
  for (const { x: a, text } of ticks(view.a - view.w, view.a + view.w))
    parts.push(
      `<text x="${left + ((a - view.a + view.w) / (2 * view.w)) * size}" y="${top + size + 20}" text-anchor="middle">${text}</text>`,
    );
  for (const { x: b, text } of ticks(view.b - view.w, view.b + view.w))
    parts.push(
      `<text x="${left - 6}" y="${top + size - ((b - view.b + view.w) / (2 * view.w)) * size + 5}" text-anchor="end">${text}</text>`,
    );
  parts.push(
    `<text x="${left + size / 2}" y="${top + size + 45}" text-anchor="middle">α</text><text x="14" y="${top + size / 2}">β</text><text x="${left + size + 40}" y="${top + size + 20}" text-anchor="middle">C</text>`,
  );
  for (let k = 0; k < 100; k++)
    parts.push(
      `<rect x="${left + size + 30}" y="${top + size - ((k + 1) * size) / 100}" width="20" height="${size / 100 + 0.5}" fill="rgb(${colours[Math.round(k * 2.56)]})"/>`,
    );
  for (const { x: c, text } of scale.ticks)
    parts.push(`<text x="${left + size + 56}" y="${top + size * (1 - scale.place(c)) + 5}">${text}</text>`);
  return [...parts, "</svg>"].join("\n");
}
