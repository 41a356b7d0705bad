"use strict";
// Can you beat the map? A score as more and more of the 49 places are covered, in the order of a map, of an occlusion
// map, and of lots.

globalThis.Live ??= {};
{
const COUNTS = [0, 1, 2, 3, 5, 7, 10, 14, 20]; // places covered
const DRAWS = 5;

const shuffled = (seed) => {
  const draw = Live.lot(seed);
  return [...Array(Live.PLACES).keys()]
    .map((place) => [draw(), place])
    .sort(([a], [b]) => a - b)
    .map(([, place]) => place);
};

// The scores of one order of places. `asked(places)` gives the score of the photo with these places covered.
const curve = async (order, asked) => {
  const scores = [];
  for (const count of COUNTS) scores.push(await asked(order.slice(0, count)));
  return scores;
};

// All curves, one after the other: {name: scores}; of the lots an array of scores.
const curves = async (map, asked, progress) => {
  let done = 0;
  const total = Live.PLACES + COUNTS.length * (2 + DRAWS);
  const counted = async (places) => {
    const score = await asked(places);
    progress(++done, total);
    return score;
  };
  const all = [...Array(Live.PLACES).keys()];
  const gradCam = await curve(Live.largest(map, Live.PLACES), counted);
  const single = [];
  for (const place of all) single.push(-(await counted([place])));
  const occlusion = await curve(Live.largest(single, Live.PLACES), counted);
  const lots = [];
  for (let seed = 1; seed <= DRAWS; seed++) lots.push(await curve(shuffled(seed), counted));
  return { gradCam, occlusion, lots };
};

// A curve between its steps, at a part of the area.
const between = (scores, part) => {
  const at = Math.min(part * Live.PLACES, COUNTS.at(-1));
  const next = Math.max(1, COUNTS.findIndex((count) => count >= at));
  const [low, high] = [COUNTS[next - 1], COUNTS[next]];
  return scores[next - 1] + ((at - low) / (high - low)) * (scores[next] - scores[next - 1]);
};

const SVG = "http://www.w3.org/2000/svg";
// The curves, and the reader's covers as dots.
const chart = (svg, { gradCam, occlusion, lots, middle, mine, digits, title }) => {
  const all = [...gradCam, ...occlusion, ...lots.flat(), ...mine.map((one) => one.score)];
  const [low, high] = [Math.min(...all, 0), Math.max(...all)];
  const x = (part) => 44 + (300 * part * Live.PLACES) / COUNTS.at(-1);
  const y = (value) => 180 - (165 * (value - low)) / (high - low || 1);
  const add = (tag, attributes, text = "") => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    svg.append(made);
  };
  const points = (scores) => COUNTS.map((count, n) => `${x(count / Live.PLACES)},${y(scores[n])}`);
  const path = (scores) => `M${points(scores).join("L")}`;
  svg.replaceChildren();
  const edges = [Math.min, Math.max].map((which) => COUNTS.map((_, n) => which(...lots.map((lot) => lot[n]))));
  add("path", { class: "band", d: `M${[...points(edges[0]), ...points(edges[1]).reverse()].join("L")}Z` });
  add("path", { class: "lots", d: path(middle) });
  add("path", { class: "occlusion", d: path(occlusion) });
  add("path", { class: "gradCam", d: path(gradCam) });
  mine.forEach((one) => add("circle", { class: "mine", cx: x(one.part), cy: y(one.score), r: 4 }));
  add("line", { x1: 44, x2: 344, y1: 180, y2: 180 });
  add("line", { x1: 44, x2: 44, y1: 15, y2: 180 });
  for (const part of [0, 0.1, 0.2, 0.3, 0.4]) add("text", { x: x(part), y: 195, "text-anchor": "middle" }, `${Math.round(100 * part)}`);
  add("text", { x: 194, y: 212, "text-anchor": "middle" }, "covered, %");
  for (const value of [low, (low + high) / 2, high]) add("text", { x: 40, y: y(value) + 4, "text-anchor": "end" }, Live.fixed(value, digits - 1));
  add("text", { x: 344, y: 10, "text-anchor": "end" }, title.replace("The ", ""));
  const key = [["gradCam", "Grad-CAM"], ["occlusion", "occlusion map"], ["lots", "by lot, and range"], ["", "your covers"]];
  key.forEach(([name, text], n) => {
    const [left, top] = [44 + 160 * (n % 2), 232 + 18 * Math.floor(n / 2)];
    if (name) add("line", { class: name, x1: left, x2: left + 28, y1: top, y2: top });
    else add("circle", { cx: left + 14, cy: top, r: 4 });
    add("text", { x: left + 36, y: top + 4 }, text);
  });
  svg.setAttribute("aria-label", `${title} as more is covered. With 5, 10 and 20 of 49 places covered: ${[
    ["Grad-CAM", gradCam], ["occlusion", occlusion], ["by lot", middle]].map(([name, scores]) =>
    `${name} ${[5, 10, 20].map((count) => Live.fixed(scores[COUNTS.indexOf(count)], digits)).join(", ")}`).join("; ")}.`);
};

Object.assign(Live, { beat: { COUNTS, DRAWS, shuffled, curves, between, chart } });
}
