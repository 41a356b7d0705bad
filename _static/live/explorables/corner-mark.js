"use strict";
// The network that cheats, and the repaired one, run in the page: a mark on a digit, the answer, and its heat map.

{
const SIDE = 12;
const MARGIN = 2;
const MARK = 2;
const LAST = SIDE - MARK;
const CHANNELS = [1, 8, 8, 16];
const [ODD, EVEN] = [0, 1];
const LARGE = 276; // pixels of a sheet
const round = (share) => share.toFixed(2);

// The weights, one after another as they are stored: kernels and biases of three layers, then V and b.
const unpack = (text) => {
  const numbers = new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  let start = 0;
  const take = (count) => numbers.subarray(start, start += count);
  const layer = (n) => ({ kernels: take(9 * CHANNELS[n - 1] * CHANNELS[n]), biases: take(CHANNELS[n]) });
  const layers = [1, 2, 3].map(layer);
  return { layers, v: take(2 * CHANNELS[3]), b: take(2) };
};

// A convolution of 3 × 3 with padding 1, and ReLU. (The batch normalisation is folded into the kernels.)
const convolve = (maps, { kernels, biases }) => [...biases].map((bias, out) => {
  const result = new Float64Array(SIDE * SIDE).fill(bias);
  maps.forEach((map, into) => {
    const kernel = kernels.subarray(9 * (out * maps.length + into));
    for (let y = 0; y < SIDE; y += 1) for (let x = 0; x < SIDE; x += 1) {
      for (let k = 0; k < 9; k += 1) {
        const [row, column] = [y + Math.floor(k / 3) - 1, x + (k % 3) - 1];
        if (row < 0 || column < 0 || row >= SIDE || column >= SIDE) continue;
        result[SIDE * y + x] += kernel[k] * map[SIDE * row + column];
      }
    }
  });
  return result.map((value) => Math.max(value, 0));
});

// The probability of "even", and the Grad-CAM map of "even": behind the last map come a mean and a linear layer.
const ask = ({ layers, v, b }, sheet) => {
  const maps = layers.reduce(convolve, [sheet]);
  const mean = (map) => map.reduce((sum, value) => sum + value, 0) / map.length;
  const logit = (answer) => maps.reduce((sum, map, c) => sum + v[answer * maps.length + c] * mean(map), b[answer]);
  const weights = maps.map((_, c) => v[EVEN * maps.length + c] / sheet.length);
  const evidence = (_, place) => maps.reduce((sum, map, c) => sum + weights[c] * map[place], 0);
  const cam = Array.from(sheet, evidence).map((value) => Math.max(value, 0));
  return { even: 1 / (1 + Math.exp(logit(ODD) - logit(EVEN))), cam };
};

const sheetWith = (pixels, mark) => {
  const sheet = new Float64Array(SIDE * SIDE);
  pixels.forEach((ink, k) => (sheet[SIDE * (MARGIN + Math.floor(k / 8)) + MARGIN + (k % 8)] = ink / 16));
  if (mark) for (const i of [0, 1]) for (const j of [0, 1]) sheet[SIDE * (mark[0] + i) + mark[1] + j] = 1;
  return sheet;
};

Live.explorable("corner-mark", (box, { networks, digits, top }, state) => {
  const within = (low, high) => (number) => Number.isInteger(number) && number >= low && number <= high;
  let digit = state.get("digit", 3, within(0, 9));
  let name = state.get("network", "cheat", (known) => Object.hasOwn(networks, known));
  let marked = state.get("mark", true);
  let place = [state.get("row", 0, within(0, LAST)), state.get("column", 0, within(0, LAST))];
  const unpacked = Object.fromEntries(Object.entries(networks).map(([key, { weights }]) => [key, unpack(weights)]));

  const row = box.appendChild(Live.make("div", { class: "row" }));
  const column = (title) => row.appendChild(Live.make("div", {}, Live.make("p", { class: "title" }, title)));
  const sheet = Live.map(sheetWith([]), { width: SIDE, height: SIDE, palette: "ink", size: LARGE });
  const handle = Live.make("div", {
    class: "corner", role: "slider", tabindex: 0, "aria-label": "The mark", "aria-valuemin": 0,
    "aria-valuemax": (LAST + 1) ** 2 - 1,
  });
  const desk = Live.laid(column("Sheet"), sheet, handle);
  const map = Live.map(sheetWith([]), { width: SIDE, height: SIDE, high: top, size: LARGE });
  column(`Evidence for “even”, 0 to ${top.toFixed(2)} logits`).append(map);
  const bars = Live.drawing(box, 256, 76);
  const readout = Live.readout(box);
  const pick = (key, value) => { state.set(key, value); draw(); };
  Live.choice(box, "Network", Object.entries(networks).map(([key, { label }]) => [key, label]), name,
    (chosen) => { name = chosen; pick("network", name); });
  Live.choice(box, "Digit", digits.map((_, k) => [String(k), `${k}, ${k % 2 ? "odd" : "even"}`]), String(digit),
    (chosen) => { digit = Number(chosen); pick("digit", digit); });
  Live.toggle(box, "The mark is on the sheet", marked, (on) => { marked = on; pick("mark", on); });

  const move = (to) => {
    place = to.map((at) => Math.min(Math.max(at, 0), LAST));
    state.set("row", place[0]);
    pick("column", place[1]);
  };
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    move(place.map((at, axis) => at + step[axis]));
  });
  // A press elsewhere on the sheet brings the mark there; from then on it follows the pointer.
  const follow = ({ clientX, clientY }) => {
    const { left, top: upper, width, height } = desk.getBoundingClientRect();
    const at = (share) => Math.round(SIDE * share - MARK / 2);
    move([at((clientY - upper) / height), at((clientX - left) / width)]);
  };
  for (const part of [desk, handle]) {
    part.addEventListener("pointermove", (event) => handle.hasPointerCapture(event.pointerId) && follow(event));
  }
  desk.addEventListener("pointerdown", (event) => {
    if (!marked) return;
    follow(event);
    handle.setPointerCapture(event.pointerId);
  });

  const bar = (y, label, share) => {
    bars.add("text", { x: 0, y: y + 15 }, label);
    bars.add("rect", { x: 100, y, width: 118, height: 20, class: "axis" });
    bars.add("rect", { x: 100, y, width: 118 * share, height: 20, class: "dot first" });
    bars.add("text", { x: 224, y: y + 15 }, round(share));
  };
  const draw = () => {
    const network = unpacked[name];
    const shown = sheetWith(digits[digit], marked && place);
    const without = ask(network, sheetWith(digits[digit]));
    const withMark = ask(network, sheetWith(digits[digit], place));
    const now = marked ? withMark : without;
    const where = `row ${place[0] + 1}, column ${place[1] + 1}`;
    sheet.draw(shown);
    map.draw(now.cam);
    handle.hidden = !marked;
    handle.style.translate = `${50 * place[1]}% ${50 * place[0]}%`;
    handle.setAttribute("aria-valuenow", (LAST + 1) * place[0] + place[1]);
    handle.setAttribute("aria-valuetext", where);
    bars.replaceChildren();
    bars.add("text", { x: 0, y: 13 }, "Probability of “even”");
    bar(22, "with the mark", withMark.even);
    bar(50, "without it", without.even);
    bars.describe(`Probability of even: ${round(now.even)} as shown, ${round(without.even)} without the mark.`);
    sheet.describe(`A handwritten ${digit}${marked ? ` with the mark in ${where} of the sheet` : ", no mark"}.`);
    const most = Math.max(...now.cam);
    const at = now.cam.indexOf(most);
    map.describe(`Heat map of even: at most ${round(most)} logits, in row ${Math.floor(at / SIDE) + 1}, `
      + `column ${(at % SIDE) + 1}.`);
    const answer = now.even > 0.5 ? "even" : "odd";
    const compared = marked ? `, without the mark ${round(without.even)}` : "";
    readout.say(`${marked ? `With the mark in ${where}` : "Without the mark"} the network calls this ${digit} `
      + `${answer}: the probability of “even” is ${round(now.even)}${compared}.`);
  };
  draw();
});
}
