"use strict";
// A kernel on a small picture, number by number: the window of one place, its nine products and their sum.

{
const CELL = 28;
const KERNEL = 3;
const sign = (number) => String(number).replace("-", "−");
const factor = (number) => (number < 0 ? `(${sign(number)})` : String(number));
const within = (low, high) => (number) => Number.isInteger(number) && number >= low && number <= high;
const parse = (text) => {
  const weights = text.split(",").map(Number);
  return weights.length === 9 && weights.every(within(-9, 9)) ? weights : null;
};

// Pixel (row, column) of the picture with its frame of zeros: its value, and whether it belongs to the frame.
const pixel = (picture, row, column) => picture[row]?.[column] ?? 0;

// The nine places that lie under the kernel for one place of the result, rows after rows.
const under = ([row, column], { stride, padding, dilation }) => Array.from({ length: 9 }, (_, k) => [
  row * stride - padding + Math.floor(k / KERNEL) * dilation,
  column * stride - padding + (k % KERNEL) * dilation,
]);

const convolve = (picture, weights, place, how) =>
  under(place, how).reduce((sum, [row, column], k) => sum + weights[k] * pixel(picture, row, column), 0);

// A colour over white, and the ink that can be read on it.
const paint = (element, share) => {
  const [red, green, blue, opacity] = Live.colour("signed", share);
  const [r, g, b] = [red, green, blue].map((part) => Math.round(255 + opacity * (part - 255)));
  element.style.background = `rgb(${r}, ${g}, ${b})`;
  element.style.color = 0.3 * r + 0.59 * g + 0.11 * b > 128 ? "#000" : "#fff";
};

Live.explorable("kernel", (box, { pictures, kernels }, state) => {
  const names = (given) => Object.entries(given).map(([name, { label }]) => [name, label]);
  const knows = (given) => (name) => Object.hasOwn(given, name);
  let shown = state.get("picture", "edge", knows(pictures));
  let weights = parse(state.get("weights", "")) ?? kernels.vertical.weights;
  const how = {
    stride: state.get("stride", 1, within(1, 3)),
    padding: state.get("padding", 0, within(0, 2)),
    dilation: state.get("dilation", 1, within(1, 2)),
  };
  let place = [state.get("row", 0, within(0, 8)), state.get("column", 0, within(0, 8))];

  const part = (place, title) => {
    const held = Live.make("div", {}, Live.make("p", { class: "title" }, title));
    place.append(held);
    return held;
  };
  const row = () => box.appendChild(Live.make("div", { class: "row" }));
  const maps = row();
  const drawing = Live.drawing(part(maps, "Picture"), CELL, CELL);
  const places = Live.make("table", { class: "places", role: "grid", "aria-label": "Result, a place by arrow keys" });
  part(maps, "Result").append(places);
  const readout = Live.readout(box);
  const size = box.appendChild(Live.make("p", { class: "size" }));
  const sliders = [["stride", "Stride", 1, 3], ["padding", "Padding", 0, 2], ["dilation", "Dilation", 1, 2]];
  for (const [key, label, min, max] of sliders) {
    Live.slider(box, label, { min, max, step: 1, value: how[key] }, (value) => {
      how[key] = value;
      state.set(key, value);
      draw();
    });
  }
  Live.choice(box, "Picture", names(pictures), shown, (name) => { shown = name; state.set("picture", name); draw(); });
  const kernelNow = () => Object.keys(kernels).find((name) => String(kernels[name].weights) === String(weights));
  const choice = Live.choice(box, "Kernel", names(kernels), kernelNow(), (name) => {
    weights = kernels[name].weights;
    fields.forEach((field, k) => (field.value = weights[k]));
    changed();
  });
  const sides = row();
  const grid = part(sides, "Kernel").appendChild(Live.make("div", { class: "weights" }));
  const sums = Live.table(part(sides, "Weight · pixel"), "", [[]]);
  const fields = weights.map((weight, k) => {
    const label = `Weight in row ${Math.floor(k / 3) + 1}, column ${(k % 3) + 1}`;
    const field = Live.make("input", { type: "number", min: -9, max: 9, step: 1, value: weight, "aria-label": label });
    field.addEventListener("input", () => {
      const typed = parse(fields.map((one) => one.value || "?").join(","));
      if (!typed) return;
      weights = typed;
      changed();
    });
    grid.append(field);
    return field;
  });
  const changed = () => {
    state.set("weights", weights);
    for (const input of choice.querySelectorAll("input")) input.checked = input.value === kernelNow();
    draw();
  };

  const go = (to) => {
    place = to;
    [["row", to[0]], ["column", to[1]]].forEach(([key, value]) => state.set(key, value));
    draw();
  };
  places.addEventListener("click", ({ target: { dataset } }) => {
    if (dataset.place) go(dataset.place.split(",").map(Number));
  });
  places.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const last = places.rows.length - 1;
    go(place.map((at, axis) => Math.min(Math.max(at + step[axis], 0), last)));
  });

  // There is always room for a frame of one pixel, so that the picture keeps its place when the frame comes.
  const drawPicture = (picture, seen) => {
    const [n, { padding }] = [picture.length, how];
    const rim = Math.max(padding, 1);
    const side = CELL * (n + 2 * rim) + 2;
    drawing.setAttribute("viewBox", `0 0 ${side} ${side}`);
    drawing.style.width = `${side}px`;
    drawing.replaceChildren();
    const top = Math.max(...picture.flat());
    for (let i = -padding; i < n + padding; i += 1) {
      for (let j = -padding; j < n + padding; j += 1) {
        const framed = i < 0 || j < 0 || i >= n || j >= n;
        const [x, y, value] = [CELL * (j + rim) + 1, CELL * (i + rim) + 1, pixel(picture, i, j)];
        const [level] = Live.colour("grey", 0.15 + 0.85 * value / top);
        const kind = framed ? "frame" : level > 127 ? "bright" : "dim";
        const cell = drawing.add("rect", { x, y, width: CELL, height: CELL, class: `pixel ${kind}` });
        if (!framed) cell.style.fill = `rgb(${level}, ${level}, ${level})`;
        drawing.add("text", { x: x + CELL / 2, y: y + CELL / 2 + 5, class: kind }, String(value));
      }
    }
    for (const [i, j] of seen) {
      const corner = { x: CELL * (j + rim) + 3, y: CELL * (i + rim) + 3 };
      drawing.add("rect", { ...corner, width: CELL - 4, height: CELL - 4, class: "window" });
    }
  };

  const drawResult = (results, chosen) => {
    const focused = places.contains(document.activeElement);
    const top = Math.max(1, ...results.flat().map(Math.abs));
    places.replaceChildren(...results.map((numbers, i) => Live.make("tr", {}, ...numbers.map((number, j) => {
      const here = i === chosen[0] && j === chosen[1];
      const about = { "data-place": `${i},${j}`, tabindex: here ? 0 : -1, "aria-selected": String(here) };
      const cell = Live.make("td", about, sign(number));
      paint(cell, number / top);
      return cell;
    }))));
    if (focused) places.querySelector("[tabindex='0']").focus();
  };

  const tellSize = (n, count) => {
    const { stride, padding, dilation } = how;
    const k = dilation * (KERNEL - 1) + 1;
    const spans = dilation > 1 ? `With dilation ${dilation} the kernel spans k = ${k} pixels. ` : "";
    const filledIn = `⌊(${n} + 2·${padding} − ${k}) / ${stride}⌋ + 1 = ${count}`;
    size.textContent = `${spans}Size: ⌊(n + 2p − k) / s⌋ + 1 = ${filledIn}`;
  };

  const draw = () => {
    const picture = pictures[shown].pixels;
    const n = picture.length;
    const count = Math.floor((n + 2 * how.padding - how.dilation * (KERNEL - 1) - 1) / how.stride) + 1;
    const chosen = place.map((at) => Math.min(at, count - 1));
    place = chosen;
    const indices = [...Array(count).keys()];
    const results = indices.map((i) => indices.map((j) => convolve(picture, weights, [i, j], how)));
    const seen = under(chosen, how);
    const products = seen.map(([i, j], k) => [weights[k], pixel(picture, i, j)]);
    const sum = results[chosen[0]][chosen[1]];
    drawPicture(picture, seen);
    drawResult(results, chosen);
    tellSize(n, count);
    const at = `row ${chosen[0] + 1}, column ${chosen[1] + 1}`;
    sums.fill([["", "left", "middle", "right", "sum"], ...["top", "middle", "bottom"].map((name, i) => {
      const three = products.slice(3 * i, 3 * i + 3);
      const added = three.reduce((total, [weight, value]) => total + weight * value, 0);
      return [name, ...three.map(([weight, value]) => `${factor(weight)}·${value}`), sign(added)];
    }), ["all", "", "", "", sign(sum)]]);
    sums.caption.textContent = `of the result's ${at}`;
    drawing.describe(`Picture of ${n} by ${n} pixels with a frame of ${how.padding} zeros; `
      + `nine pixels are marked, from row ${seen[0][0] + 1}, column ${seen[0][1] + 1} to row ${seen[8][0] + 1}, `
      + `column ${seen[8][1] + 1}.`);
    readout.say(`The result has ${count} × ${count} places. The one in ${at} is ${sign(sum)}.`);
  };
  draw();
});
}
