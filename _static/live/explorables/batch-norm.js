"use strict";
// One channel of a batch of four pictures: what batch normalisation makes of it in training mode and in eval mode.

{
const [LOWEST, HIGHEST] = [-6, 14]; // of the axes
const TICKS = [-5, 0, 5, 10];
const ROW = 100;
const PARTS = { numbers: [0, 8], shift: [-4, 4], spread: [0, 2], gamma: [0, 2], beta: [-4, 10], momentum: [0, 1] };
const round = (number) => Live.fixed(number, 2);
const plain = (number) => String(number).replace("-", "−");
const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
const within = ([low, high]) => (number) => number >= low && number <= high;

Live.explorable("batch-norm", (box, { start, eps: choices }, state) => {
  const get = (key) => state.get(key, start[key], within(PARTS[key]));
  const numbers = start.numbers.map((number, k) => state.get(`x${k + 1}`, number, within(PARTS.numbers)));
  const now = Object.fromEntries(["shift", "spread", "gamma", "beta", "momentum"].map((key) => [key, get(key)]));
  let eps = state.get("eps", start.eps, (number) => choices.includes(number));
  let running = {
    passes: state.get("passes", 0, (count) => Number.isInteger(count) && count >= 0),
    mean: state.get("mean", 0),
    variance: state.get("variance", 1, (number) => number >= 0),
  };

  const width = Math.min(box.clientWidth || 300, 620);
  const drawing = Live.drawing(box, width, 3 * ROW + 8);
  const readout = Live.readout(box);
  const buttons = box.appendChild(Live.make("div", { class: "row" }));
  for (const [label, count] of [["Pass once in training mode", 1], ["Pass 10 times", 10]]) {
    Live.button(buttons, label, () => pass(count));
  }
  const slide = (into, key, label, step, put, value) => Live.slider(into, label,
    { min: PARTS[key][0], max: PARTS[key][1], step, value, show: plain },
    (moved) => { put(moved); draw(); });
  const one = (into, key, label, step) =>
    slide(into, key, label, step, (value) => { now[key] = value; state.set(key, value); }, now[key]);
  one(box, "shift", "Add to all", 0.5);
  one(box, "spread", "Multiply all by", 0.1);
  numbers.forEach((number, k) => slide(box, "numbers", `Picture ${k + 1}`, 0.5, (value) => {
    numbers[k] = value;
    state.set(`x${k + 1}`, value);
  }, number));
  const more = box.appendChild(Live.make("details", {}, Live.make("summary", {}, "γ, β, momentum and ε")));
  one(more, "gamma", "γ", 0.1);
  one(more, "beta", "β", 0.5);
  one(more, "momentum", "momentum", 0.05);
  Live.choice(more, "ε", choices.map((value) => [String(value), String(value)]), String(eps),
    (chosen) => { eps = Number(chosen); state.set("eps", eps); draw(); });
  const sides = box.appendChild(Live.make("div", { class: "row" }));
  const values = Live.table(sides, "One number of each picture", [[]]);
  const statistics = Live.table(sides, "Statistics", [[]]);

  const batch = () => {
    const x = numbers.map((number) => now.spread * number + now.shift);
    const middle = mean(x);
    const squares = x.reduce((sum, number) => sum + (number - middle) ** 2, 0);
    return { x, mean: middle, variance: squares / x.length, unbiased: squares / (x.length - 1) };
  };
  const pass = (count) => {
    const { mean: middle, unbiased } = batch();
    const kept = (1 - now.momentum) ** count;
    running = {
      passes: running.passes + count,
      mean: kept * running.mean + (1 - kept) * middle,
      variance: kept * running.variance + (1 - kept) * unbiased,
    };
    for (const [key, value] of Object.entries(running)) state.set(key, value);
    draw();
  };
  const normalised = (x, { mean: middle, variance }) =>
    x.map((number) => now.gamma * (number - middle) / Math.sqrt(variance + eps) + now.beta);

  const at = (value) => 16 + (width - 32) * (Math.min(Math.max(value, LOWEST), HIGHEST) - LOWEST) / (HIGHEST - LOWEST);
  // Dots that lie on one another are piled up; one beyond the axis is a triangle at its end.
  const line = (row, label, found) => {
    const y = ROW * row + 84;
    drawing.add("text", { x: 0, y: y - 68 }, label);
    drawing.add("path", { class: "axis", d: `M4 ${y}H${width - 4}` });
    for (const tick of TICKS) drawing.add("path", { class: "axis", d: `M${at(tick)} ${y - 4}v8` });
    found.forEach((value, k) => {
      const below = found.slice(0, k).filter((other) => Math.abs(at(other) - at(value)) < 16).length;
      const [x, up] = [at(value), y - 9 - 16 * below];
      const beyond = Math.sign(Math.min(value - LOWEST, 0) + Math.max(value - HIGHEST, 0));
      if (beyond) drawing.add("path", { class: "dot first", d: `M${x + 12 * beyond} ${up}l${-14 * beyond} -9v18z` });
      else drawing.add("circle", { class: "dot first", cx: x, cy: up, r: 8 });
      drawing.add("text", { class: beyond ? "tick" : "on", x: x - 10 * beyond, y: up + 5 }, String(k + 1));
    });
    return y;
  };
  const span = (kind, y, { mean: middle, variance }) => {
    const spread = Math.sqrt(variance);
    drawing.add("path", {
      class: `line ${kind}`, d: `M${at(middle)} ${y - 4}v8M${at(middle - spread)} ${y}H${at(middle + spread)}`,
    });
  };

  const draw = () => {
    const { x, ...found } = batch();
    const [train, evaluated] = [normalised(x, found), normalised(x, running)];
    drawing.replaceChildren();
    const first = line(0, "in, and mean ± spread", x);
    span("first", first + 7, found);
    span("second", first + 14, running);
    line(1, "out in training mode, by the solid line", train);
    const last = line(2, "out in eval mode, by the dashed line", evaluated);
    for (const tick of TICKS) drawing.add("text", { class: "tick", x: at(tick), y: last + 20 }, plain(tick));
    values.fill([["", ...x.map((_, k) => String(k + 1))], ["in", ...x.map(round)],
      ["out, training", ...train.map(round)], ["out, eval", ...evaluated.map(round)]]);
    statistics.fill([["", "mean", "variance"], ["batch, ÷ m", round(found.mean), round(found.variance)],
      ["batch, ÷ (m − 1)", round(found.mean), round(found.unbiased)],
      [`running, ${running.passes} passes`, round(running.mean), round(running.variance)]]);
    const said = (outputs) => outputs.map(round).join(", ");
    drawing.describe(`Three axes with four dots each. Batch: ${said(x)}. Training mode: ${said(train)}. `
      + `Eval mode: ${said(evaluated)}.`);
    readout.say(`The four numbers become ${said(train)} in training mode, and after ${running.passes} passes `
      + `${said(evaluated)} in eval mode.`);
  };
  draw();
});
}
