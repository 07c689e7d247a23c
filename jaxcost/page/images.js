// Which images make up C, one of them, and the worst. `page` is the data, `view` the state, `changed()` draws anew.

function imagePanels(page, view, cost, changed) {
  const $ = (id) => document.getElementById(id),
    pixels = page.pixels && bytes(page.pixels),
    { labels, names } = page;
  let current = 0;

  function on() {
    // of images in a live page, of classes in a ladder
    if (!page.live) return Uint8Array.from(names ?? [0], (_, c) => !view.off.has(c));
    return Uint8Array.from({ length: page.n }, (_, i) => !view.without.has(i) && !(labels && view.off.has(labels[i])));
  }

  function show(i, canvas) {
    const [tall, wide, colours] = page.shape,
      data = new ImageData(wide, tall),
      size = tall * wide * colours;
    [canvas.width, canvas.height] = [wide, tall];
    for (let p = 0; p < tall * wide; p++)
      for (let c = 0; c < 3; c++) {
        const value = pixels[i * size + p * colours + (colours === 3 ? c : 0)];
        data.data[4 * p + c] = colours === 3 ? value : 255 - value;
        data.data[4 * p + 3] = 255;
      }
    canvas.getContext("2d").putImageData(data, 0, 0);
    return canvas;
  }

  const element = (name, properties = {}, ...inside) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...inside);
    return made;
  };
  const called = (i) => (labels ? `${names[labels[i]]}` : `image ${i}`);
  const largest = (values) => values.indexOf(Math.max(...values));

  function one(point) {
    const { cost: c, outputs } = cost().one(current, ...point),
      box = $("image"),
      most = Math.max(1e-12, ...outputs.map(Math.abs));
    const rows = outputs.slice(0, 20).map((value, j) => {
      const wanted = labels && labels[current] === j;
      const bar = element("span", { className: "bar" });
      bar.style.width = `${(100 * Math.abs(value)) / most}%`;
      return element(
        "tr",
        { className: wanted ? "wanted" : "" },
        element("th", { textContent: names ? names[j] : j }),
        element("td", {}, bar),
        element("td", { textContent: short(value, 3) }),
        element("td", { textContent: labels ? (wanted ? "1" : "0") : "" }),
      );
    });
    const head = element(
      "tr",
      {},
      ...["", "output", "", labels ? "target" : ""].map((textContent) => element("th", { textContent })),
    );
    const guess = labels ? `, the guess is ${names[largest(outputs)]}` : "";
    const words = `image ${page.chosen[current].toLocaleString()} of the set, ${labels ? `a ${called(current)}${guess}; ` : ""}its cost ${short(c)}`;
    box.replaceChildren(
      element(
        "div",
        {},
        ...(pixels ? [show(current, element("canvas", { role: "img", ariaLabel: words }))] : []),
        element("p", { className: "small", textContent: words }),
      ),
      element("table", {}, head, ...rows),
    );
    $("leave").textContent = view.without.has(current) ? "take it in again" : "leave it out";
  }

  function worst(point) {
    const costs = cost().each(...point),
      which = on();
    const order = Array.from(costs.keys())
      .filter((i) => which[i])
      .sort((i, j) => costs[j] - costs[i]);
    const whole = order.reduce((sum, i) => sum + costs[i], 0),
      part = order.slice(0, 10).reduce((sum, i) => sum + costs[i], 0);
    $("worst").replaceChildren(
      ...order.slice(0, 10).map((i) =>
        element(
          "button",
          {
            onclick: () => {
              current = i;
              one(point);
            },
            ariaLabel: `show image ${i}, a ${called(i)}, cost ${short(costs[i], 3)}`,
          },
          ...(pixels ? [show(i, element("canvas", { ariaHidden: "true" }))] : []),
          `${labels ? called(i) : i}: ${short(costs[i], 3)}`,
        ),
      ),
      element("p", {
        className: "small",
        textContent: `these ${Math.min(10, order.length)} carry ${Math.round((100 * part) / whole)} % of C here`,
      }),
    );
  }

  function update(point) {
    if (!page.live) return;
    one(point);
    worst(point);
  }

  function classes() {
    if (!names) {
      $("classes").replaceChildren();
      return;
    }
    $("classes").replaceChildren(
      ...names.map((name, c) => {
        const box = element("input", { type: "checkbox", checked: !view.off.has(c) });
        box.onchange = () => {
          box.checked ? view.off.delete(c) : view.off.add(c);
          changed();
        };
        return element("label", {}, box, ` ${name}`);
      }),
      element("button", {
        textContent: "all",
        onclick: () => {
          view.off.clear();
          view.without.clear();
          classes();
          changed();
        },
      }),
      element("button", {
        textContent: "none but one",
        onclick: () => {
          const kept = names.findIndex((_, c) => !view.off.has(c)),
            next = view.off.size === names.length - 1 ? (kept + 1) % names.length : Math.max(kept, 0);
          names.forEach((_, c) => (c === next ? view.off.delete(c) : view.off.add(c)));
          classes();
          changed();
        },
      }),
    );
  }

  const turn = (by) => () => {
    current = (current + by + page.n) % page.n;
    one(view.point);
  };
  $("before").onclick = turn(-1);
  $("after").onclick = turn(1);
  $("leave").onclick = () => {
    view.without.has(current) ? view.without.delete(current) : view.without.add(current);
    changed();
  };
  classes();
  return { on, update, classes };
}
