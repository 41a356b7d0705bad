"use strict";
// Integrated gradients: the logit on the way from a baseline to the photo, its slope, and sums in steps.

Live.explorable("completeness", (box, data, state) => {
  const LAST = 600; // logits and slopes are known at each 600th of the way
  // The middles of the steps must be among these: 300 divided by the number of steps is whole.
  const STEPS = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 25, 30, 50, 60, 75, 100, 150, 300];
  const upTo = (last) => [...Array(last + 1).keys()];
  const said = (value) => Live.fixed(value, 1);

  let from = state.get("from", "grey", (name) => Object.hasOwn(data, name));
  let steps = state.get("steps", 10, (number) => STEPS.includes(number));
  let early = state.get("early", false);

  const middles = (number) => upTo(number - 1).map((k) => ((2 * k + 1) * LAST) / (2 * number));
  const sumOf = (number) => middles(number).reduce((sum, place) => sum + data[from].slopes[place], 0) / number;
  const toShare = () => data[from].logits[LAST] - data[from].logits[0];
  const errorOf = (number) => sumOf(number) - toShare();

  // ---- Controls

  const chosen = (key, take) => (value) => { take(value); state.set(key, value); draw(); };
  const names = Object.keys(data).map((name) => [name, name]);
  Live.choice(box, "Baseline", names, from, chosen("from", (value) => (from = value)));
  const counted = (place) => (place ? `${STEPS[place]} steps` : "1 step");
  const slider = Live.slider(
    box, "Steps", { min: 0, max: STEPS.length - 1, step: 1, value: STEPS.indexOf(steps), show: counted },
    (place) => { steps = STEPS[place]; state.set("steps", steps); draw(); },
  );
  slider.nextElementSibling.style.minWidth = "5rem"; // so that the slider keeps its length
  Live.toggle(box, "Only the first tenth of the way", early, chosen("early", (value) => (early = value)));

  // ---- Three drawings: what is to be added up, what is added, and how far the sum is off

  const [WIDTH, HEIGHT] = [Math.min(312, box.clientWidth), 190];
  const [LEFT, RIGHT, TOP, BOTTOM] = [44, WIDTH - 12, 12, HEIGHT - 40];
  const row = box.appendChild(Live.make("div", { class: "row" }));
  const panel = (title) =>
    Live.drawing(row.appendChild(Live.make("div", {}, Live.make("p", { class: "title" }, title))), WIDTH, HEIGHT);
  const way = panel("The logit on the way");
  const slopes = panel("Its slope: logits for the whole way");
  const errors = panel("Error of the sum, in logits");

  // Axes with round numbers; gives the functions from values to places.
  const axes = (drawing, last, values, words, ticks) => {
    const [low, high] = [Math.min(...values, -1), Math.max(...values, 1)];
    const x = (value) => LEFT + ((RIGHT - LEFT) * value) / last;
    const y = (value) => BOTTOM - ((BOTTOM - TOP) * (value - low)) / (high - low);
    const write = (text, left, height, anchor = "middle") =>
      drawing.add("text", { x: left, y: height, "text-anchor": anchor }, `${text}`.replace("-", "−"));
    drawing.replaceChildren();
    const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((size) => (high - low) / size < 6);
    for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
      drawing.add("path", { class: "axis", opacity: value ? 0.25 : 1, d: `M${LEFT} ${y(value)}H${RIGHT}` });
      write(value, LEFT - 6, y(value) + 4, "end");
    }
    for (const [value, text] of ticks) write(text, x(value), BOTTOM + 17);
    write(words, (LEFT + RIGHT) / 2, HEIGHT - 6);
    return [x, y];
  };
  const curve = (drawing, points, width) => {
    const d = `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;
    drawing.add("path", { class: "first", fill: "none", stroke: "var(--line)", "stroke-width": width, d });
  };

  const alongTheWay = (drawing, values) => {
    const last = early ? LAST / 10 : LAST;
    const ticks = (early ? [0, 5, 10] : [0, 50, 100]).map((percent) => [(percent * LAST) / 100, percent]);
    return [...axes(drawing, last, values, "part of the way, %", ticks), last];
  };
  const drawWay = ({ logits }) => {
    const [x, y, last] = alongTheWay(way, logits);
    curve(way, upTo(last).map((place) => [x(place), y(logits[place])]), 2.5);
    const seen = steps > 60 ? [] : middles(steps).filter((place) => place <= last);
    for (const place of seen) way.add("circle", { class: "dot second", cx: x(place), cy: y(logits[place]), r: 3.5 });
    const told = [0, 5, 10, 50, 100].map((percent) => `${said(logits[(percent * LAST) / 100])} at ${percent} %`);
    way.describe(`The logit along the way from ${from}: ${told.join(", ")}.`);
  };
  const drawSlopes = ({ slopes: known }) => {
    const [x, y, last] = alongTheWay(slopes, known);
    for (const place of middles(steps)) {
      const [left, right] = [-1, 1].map((side) => x(Math.min(place + (side * LAST) / (2 * steps), last)));
      const [top, bottom] = [y(Math.max(known[place], 0)), y(Math.min(known[place], 0))];
      const shape = { x: left, y: top, width: right - left, height: bottom - top };
      if (right > left) slopes.add("rect", { class: "dot second", opacity: 0.45, ...shape });
    }
    curve(slopes, upTo(last).map((place) => [x(place), y(known[place])]), 1);
    const heights = middles(steps).map((place) => known[place]);
    slopes.describe(
      `The slope along the way, and a bar for each of ${counted(STEPS.indexOf(steps))}, `
      + `from ${said(Math.min(...heights))} to ${said(Math.max(...heights))} high.`,
    );
  };
  const drawErrors = () => {
    const found = STEPS.map(errorOf);
    const ticks = [1, 10, 100].map((number) => [STEPS.indexOf(number), number]);
    const [x, y] = axes(errors, STEPS.length - 1, found, "number of steps", ticks);
    curve(errors, found.map((error, n) => [x(n), y(error)]), 1);
    found.forEach((error, n) => {
      const [kind, r] = STEPS[n] === steps ? ["second", 7] : ["first", 3];
      errors.add("circle", { class: `dot ${kind}`, cx: x(n), cy: y(error), r });
    });
    const told = STEPS.map((number, n) => `${said(found[n])} with ${number}`);
    errors.describe(`Error of the sum from ${from}: ${told.join(", ")} steps.`);
  };

  const table = Live.table(row, "In logits", [[""]]);
  const readout = Live.readout(box);
  const draw = () => {
    drawWay(data[from]);
    drawSlopes(data[from]);
    drawErrors();
    table.fill([
      [`from ${from}`, counted(STEPS.indexOf(steps))],
      ["sum of the shares", said(sumOf(steps))],
      ["to share out", said(toShare())],
      ["error of the sum", said(errorOf(steps))],
    ]);
    const rise = (data[from].logits[LAST / 10] - data[from].logits[0]) / toShare();
    const there = middles(steps).filter((place) => place <= LAST / 10).length;
    readout.say(
      `${Math.round(100 * rise)} % of the rise lie in the first tenth of the way, `
      + `with ${there} of ${counted(STEPS.indexOf(steps))}. The sum is off by ${said(errorOf(steps))}.`,
    );
  };
  draw();
});
