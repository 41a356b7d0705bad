"use strict";
// The base of the explorables, figures with controls: their beginning, their state, their parts.

globalThis.Live ??= {};
{
const folder = new URL(".", document.currentScript.src);
const known = new Map();

// An element with its attributes (an attribute that is true stands alone, one that is false is left out).
const make = Live.make = (tag, attributes = {}, ...content) => filled(document.createElement(tag), attributes, content);
const filled = (element, attributes, content) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...content);
  return element;
};
// A number with so many digits, with a real minus, and without one before zero.
Live.fixed = (number, digits) => number.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−");

let made = 0;
const newId = () => `live-${made += 1}`;

// ---- What the address says of an explorable: #explore-NAME&key=value&…

const PREFIX = "explore-";
const addressed = () => {
  const query = new URLSearchParams(location.hash.slice(1));
  const [first = ""] = query.keys();
  query.delete(first);
  return first.startsWith(PREFIX) ? { name: first.slice(PREFIX.length), query } : { name: "", query };
};
let writing = 0;
const write = (hash) => {
  clearTimeout(writing); // browsers refuse to have it changed too often
  writing = setTimeout(() => history.replaceState(history.state, "", hash), 200);
};

// Values have the type of the fallback, which stands in for what is not valid.
const stateOf = (name, query) => ({
  get(key, fallback, allowed = () => true) {
    const said = query.get(key);
    if (said === null) return fallback;
    const value = { number: Number, boolean: (text) => text === "true" }[typeof fallback]?.(said) ?? said;
    const sound = typeof value !== "number" || (said.trim() !== "" && Number.isFinite(value));
    return sound && allowed(value) ? value : fallback;
  },
  set(key, value) {
    query.set(key, value);
    write(`#${PREFIX}${name}&${query}`);
  },
});

// ---- When an explorable begins: near the window, or when the address names it

Live.data = (name, value) => known.set(name, value);

Live.explorable = (name, setup) => {
  const figure = document.getElementById(PREFIX + name);
  if (!figure) return;
  const begin = (query) => {
    watch.disconnect();
    const box = make("div", { class: "live" });
    figure.querySelector(":scope > .live")?.remove();
    figure.querySelector(":scope > .static").after(box);
    for (const picture of figure.querySelectorAll(".static img")) picture.loading = "eager"; // for paper
    figure.classList.add("begun"); // now the box has a width
    try {
      setup(box, known.get(name), stateOf(name, query));
    } catch (error) {
      figure.classList.remove("begun"); // the static figure stays
      throw error;
    }
    const again = Live.button(box, "Start again", () => {
      write(`#${PREFIX}${name}`);
      begin(new URLSearchParams());
      figure.querySelector(".again").focus();
    });
    again.classList.add("again");
  };
  const watch = new IntersectionObserver(
    (entries) => entries.some((entry) => entry.isIntersecting) && begin(new URLSearchParams()),
    { rootMargin: "600px" },
  );
  const restore = () => {
    const { name: goal, query } = addressed();
    if (goal !== name) return false;
    if ([...query].length || !figure.classList.contains("begun")) begin(query);
    // Sections above may yet change their height.
    let frames = 10;
    const go = () => { figure.scrollIntoView(); if (frames--) requestAnimationFrame(go); };
    requestAnimationFrame(go);
    return true;
  };
  addEventListener("hashchange", restore);
  if (!restore()) watch.observe(figure);
};

// ---- Controls: native inputs with their labels

const labelled = (box, label, input, ...more) => {
  input.id = newId();
  box.append(make("div", { class: "control" }, make("label", { for: input.id }, label), input, ...more));
  return input;
};

// `slider.put(value)` moves it without a call of `oninput`.
Live.slider = (box, label, { min, max, step, value, show = String }, oninput) => {
  const shown = make("span", { class: "value", "aria-hidden": "true" });
  const input = labelled(box, label, make("input", { type: "range", min, max, step, value }), shown);
  const tell = () => {
    shown.textContent = show(input.valueAsNumber);
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  input.put = (moved) => { input.value = moved; tell(); };
  input.addEventListener("input", () => { tell(); oninput(input.valueAsNumber); });
  tell();
  return input;
};

// A few options are all seen at once; more are folded into a list.
Live.choice = (box, label, options, value, onchange) => {
  if (options.length > 5) {
    const items = options.map(([name, text]) => make("option", { value: name, selected: name === value }, text));
    const list = labelled(box, label, make("select", {}, ...items));
    list.addEventListener("change", () => onchange(list.value));
    return list;
  }
  const buttons = make("div", { class: "options" });
  const group = make("fieldset", { class: "control" }, make("legend", {}, label), buttons);
  const shared = newId();
  for (const [name, text] of options) {
    const input = make("input", { type: "radio", name: shared, value: name, checked: name === value });
    input.addEventListener("change", () => onchange(name));
    buttons.append(make("label", {}, input, make("span", {}, text)));
  }
  box.append(group);
  return group;
};

Live.toggle = (box, label, value, onchange) => {
  const input = make("input", { type: "checkbox", checked: value });
  input.addEventListener("change", () => onchange(input.checked));
  box.append(make("label", { class: "control toggle" }, input, make("span", {}, label)));
  return input;
};

Live.button = (box, label, onclick) => {
  const button = make("button", { type: "button" }, label);
  button.addEventListener("click", onclick);
  box.append(button);
  return button;
};

// ---- Results

// `readout.say(text)` shows a sentence at once and has it read aloud when the reader rests; not the first one.
Live.readout = (box) => {
  const shown = make("p", { class: "readout" });
  const heard = make("p", { class: "visually-hidden", role: "status" });
  let timer = 0;
  shown.say = (text) => {
    clearTimeout(timer);
    if (shown.textContent && text !== shown.textContent) timer = setTimeout(() => (heard.textContent = text), 700);
    shown.textContent = text;
  };
  box.append(shown, heard);
  return shown;
};

// Rows of texts, the first of them the head; `table.fill(rows)` replaces them all.
Live.table = (box, caption, rows) => {
  const table = make("table", { class: "numbers" });
  table.fill = ([head, ...body]) => table.replaceChildren(
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...head.map((text) => (text ? make("th", { scope: "col" }, text) : make("td"))))),
    make("tbody", {}, ...body.map(([first, ...others]) => make("tr", {},
      make("th", { scope: "row" }, first), ...others.map((text) => make("td", {}, text))))),
  );
  table.fill(rows);
  box.append(make("div", { class: "table-frame" }, table));
  return table;
};

// `canvas.pen` draws in CSS pixels; `canvas.describe(text)` says what is to be seen.
Live.canvas = (box, width, height) => {
  const canvas = make("canvas", { class: "drawn", role: "img", width: 2 * width, height: 2 * height });
  canvas.style.width = `${width}px`;
  canvas.pen = canvas.getContext("2d");
  canvas.pen.scale(2, 2);
  canvas.describe = (text) => canvas.setAttribute("aria-label", text);
  box?.append(canvas);
  return canvas;
};

// `drawing.add(tag, attributes, text)` adds a shape, `drawing.replaceChildren()` removes all; colours come from CSS.
Live.drawing = (box, width, height) => {
  const shape = (tag, attributes, ...content) =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, content);
  const drawing = shape("svg", { class: "drawn", role: "img", viewBox: `0 0 ${width} ${height}` });
  drawing.style.width = `${width}px`;
  drawing.add = (...parts) => drawing.appendChild(shape(...parts));
  drawing.describe = (text) => drawing.setAttribute("aria-label", text);
  box.append(drawing);
  return drawing;
};

// A packaged photo, as the build puts it beside the pages; a map laid over it, where "NAME-grey" shows it best.
Live.photo = (name, alt) => make("img", { src: new URL(`photos/${name}.webp`, folder).href, alt });
Live.laid = (box, photo, map) => {
  const both = make("div", { class: "laid" }, photo, map);
  both.style.width = map.style.width || photo.style.width;
  box.append(both);
  return both;
};

// A panel of a row: a title, and a map laid over two photos that stand side by side, each as the square it is.
Live.overPair = (row, title, photos, map) => {
  const pair = make("div", { class: "pair" }, ...photos.map((name) => Live.photo(name, "")));
  const panel = make("div", { class: "panel" }, title);
  Live.laid(panel, pair, map);
  row.append(panel);
};

// ---- Colours: Matplotlib's, 25 of each; over a photo, as opaque as there is to show (helpers/plotting.py)

const PALETTES = {
  grey: "000000ffffff",
  ink: "ffffff000000",
  inferno: "000004050417110a30210c4a320a5e450a6957106e67166e781c6d8a226a9a2865ab2f5ebc3754"
    + "ca404ad84c3ee45a31ed6925f57b17f98e09fca108fbb61af9cb35f4df53f2f27dfcffa4",
  plasma: "0d08872605913a049a4c02a15c01a66e00a87e03a88d0ba59c179eaa2395b52f8cc13b82cc4778"
    + "d5536fde5f65e66c5ced7953f3874af89540fca338fdb42ffdc527fbd524f6e826f0f921",
};
const OPACITY = 0.8;
const ABOVE = [216.75, 25.5, 25.5];
const BELOW = [25.5, 102, 229.5];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const between = (stops, share) => {
  const place = share * (stops.length / 6 - 1);
  const lower = Math.min(Math.floor(place), stops.length / 6 - 2);
  const part = (stop, k) => parseInt(stops.slice(6 * stop + 2 * k, 6 * stop + 2 * k + 2), 16);
  return [0, 1, 2].map((k) => part(lower, k) + (place - lower) * (part(lower + 1, k) - part(lower, k)));
};

// Red, green, blue (0 to 255) and opacity of a share from 0 to 1; "signed" takes one from -1 to 1.
Live.colour = (palette, share) => {
  if (palette === "signed") {
    const signed = clamp(share, -1, 1);
    return [...(signed > 0 ? ABOVE : BELOW), OPACITY * Math.abs(signed)];
  }
  const held = clamp(share, 0, 1);
  if (palette === "evidence") return [...between(PALETTES.plasma, held), OPACITY * held];
  return [...between(PALETTES[palette], held), 1];
};

// A matrix (rows after rows in one list) as squares, with its numbers where they fit. `map.draw(values)` draws others.
// Under a signed map lies white, or a photo.
Live.map = (values, { width, height, low = 0, high = 1, palette = "inferno", size = 280, show }) => {
  const side = size / width;
  const canvas = Live.canvas(null, size, side * height);
  const { pen } = canvas;
  pen.font = `${clamp(0.36 * side, 12, 18)}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  canvas.draw = (numbers) => {
    pen.clearRect(0, 0, size, side * height);
    numbers.forEach((number, place) => {
      const [x, y] = [side * (place % width), side * Math.floor(place / width)];
      const share = palette === "signed" ? number / high : (number - low) / (high - low);
      const [red, green, blue, opacity] = Live.colour(palette, share);
      pen.fillStyle = `rgb(${red} ${green} ${blue} / ${opacity})`;
      pen.fillRect(x, y, side, side);
      const text = show?.(number);
      if (!text || pen.measureText(text).width > side - 4) return;
      const light = 1 - opacity + opacity * (0.3 * red + 0.59 * green + 0.11 * blue) / 255;
      pen.fillStyle = light > 0.5 ? "#000" : "#fff";
      pen.fillText(text, x + side / 2, y + side / 2);
    });
  };
  canvas.draw(values);
  return canvas;
};
}
