"use strict";
// The live lab. All settings are the inputs of one form, which the address repeats; the photo is kept apart. Each change
// asks the network about the photo as it is shown, and about the photo without its cover.

globalThis.Live ??= {};
addEventListener("DOMContentLoaded", () => {
const form = document.getElementById("lab");
if (!form) return;
const { SIDE, PLACES } = Live;
const MOST = 400; // points of a stroke that the address keeps
const NUMBER = { logit: 2, probability: 3 };
const UNITS = { turn: "°", radius: " px", hill: "" }; // of sliders, else per cent
const NETWORKS = { head: "The last layer is drawn by lot.", network: "All layers are drawn by lot." };

const $ = (id) => document.getElementById(`lab-${id}`);
const field = (name) => form.elements[name];
const number = (name) => Number(field(name).value);
const say = (text) => ($("message").textContent = text);
const element = (tag, text = "", attributes = {}) => {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
const signed = (value, digits) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
const plain = (value, digits = 0) => Number(value).toFixed(digits).replace("-", "−");

let engine = null;
let photo = null; // {picture, canvas, name, credit}
let strokes = [];
let asked = {}; // what was asked about: square, cover, filled, pixels
let answers = null; // {before, now}: what the network said to the square, and to the covered square
let tries = []; // what the reader's covers did: {part, score}
let lines = null; // the curves, once drawn
let tried = []; // what was noted, in words

// ---- The address ------------------------------------------------------------------------------------------------

const controls = () => [...form.elements].filter((one) => one.name);
const isBox = (one) => one.type === "radio" || one.type === "checkbox";
const initial = (one) =>
  one.tagName === "SELECT" ? one.options[0].value : one.type === "hidden" ? (one.name === "place" ? "24" : "") : one.defaultValue;

const toAddress = () => {
  const kept = new URLSearchParams();
  for (const one of controls()) {
    if (isBox(one) ? one.checked && !one.defaultChecked : one.value !== initial(one)) kept.set(one.name, one.value);
  }
  history.replaceState(null, "", `#${kept}`);
};
// Browsers refuse an address that changes too often.
let addressing;
const toAddressSoon = () => {
  clearTimeout(addressing);
  addressing = setTimeout(toAddress, 250);
};

const fromAddress = () => {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const named = controls().filter((one) => one.name === name);
    for (const one of named) {
      if (isBox(one)) one.checked = one.value === value;
      else if (one.tagName !== "SELECT" || [...one.options].some((option) => option.value === value)) one.value = value;
    }
  }
  strokes = Live.strokesFrom(field("strokes").value);
  tellSliders();
};

// ---- Photos -----------------------------------------------------------------------------------------------------

const take = async (blob, name = "") => {
  try {
    const picture = await Live.decode(blob);
    const known = Live.photos.find((one) => one.name === name);
    photo = { picture, canvas: Live.stage.onCanvas(picture), name, known };
  } catch (error) {
    say(error.message);
    return;
  }
  say("");
  field("photo").value = $("photos").value = name;
  $("credit").textContent = name ? `Photo: ${photo.known?.credit ?? ""}.` : "Your photo. It stays on this device.";
  asked = {};
  tries = [];
  forgetLines();
  change();
};

const own = async (blob) => {
  if (!blob) return;
  if (!(await ready())) return;
  strokes = [];
  field("class").value = field("minus").value = "";
  await take(blob);
};

const packaged = async (name) => {
  try {
    await take(await Live.loadPhoto(form.dataset.base, name), name);
  } catch (error) {
    say(error.message);
  }
};

const camera = async () => {
  try {
    await own(await Live.shoot($("shutter"), $("shoot"), $("close")));
  } catch (error) {
    say(error.message);
  }
};

// ---- The network ------------------------------------------------------------------------------------------------

let loading = null;
const ready = () => (loading ??= load());
const load = async () => {
  $("load").disabled = true;
  $("progress").hidden = false;
  try {
    engine = await Live.start({
      base: form.dataset.base,
      onprogress: (done, total) => ($("progress").value = done / total),
    });
  } catch (error) {
    say(error.message);
    $("load").disabled = false;
    $("progress").hidden = true;
    loading = null;
    return false;
  }
  $("start").hidden = true;
  $("work").hidden = false;
  form.dataset.kernels = engine.kernels;
  $("slow").hidden = engine.kernels !== "js";
  say("");
  return true;
};

const classNamed = (text) => {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return -1;
  const found = titles.findIndex((title) => title.toLowerCase() === wanted);
  return found >= 0 ? found : Live.model.categories.findIndex((name) => name.toLowerCase() === wanted);
};

// Two classes of one name carry their number.
const named = (names) => names.map((name, k) => (names.indexOf(name) === names.lastIndexOf(name) ? name : `${name} (${k})`));
const titles = named(Live.model.categories);

// The square that the network would see without a cover.
const square = () => {
  const { picture } = photo;
  const [left, top, right, bottom] = crop();
  const whole = left === 0 && top === 0 && right === picture.width && bottom === picture.height;
  let shown = picture;
  let box = whole ? null : [left, top, right, bottom];
  if (field("mirror").checked) {
    shown = Live.mirrored(picture);
    box = box && [picture.width - right, top, picture.width - left, bottom];
  }
  const pixels = Live.resize(shown, box);
  return Object.values(move()).some(Boolean) ? Live.moved(pixels, move(), (bottom - top) / (right - left)) : pixels;
};
const move = () => ({ angle: number("turn"), across: number("across") / 100, down: number("down") / 100 });
const crop = () => {
  const { width, height } = photo.picture;
  const at = (name, length) => Math.round((number(name) / 100) * length);
  return [at("left", width), at("top", height), width - at("right", width), height - at("bottom", height)];
};

const coverOf = (drawn) => (field("edge").value === "soft" ? Live.softened(drawn) : drawn);
const settings = (...names) => names.map((name) => (isBox(field(name)) ? field(name).checked : field(name).value)).join();

// Ask anew what has changed; answers to older questions are not waited for.
let wanted = false;
let working = null;
const change = () => {
  if (!engine || !photo) return;
  wanted = true;
  working ??= work().finally(() => (working = null));
};
const work = async () => {
  while (wanted) {
    wanted = false;
    const turned = settings("left", "top", "right", "bottom", "turn", "across", "down", "mirror");
    const drawn = `${field("network").value},${field("lot").value}`;
    try {
      if (asked.drawn !== drawn) {
        await engine.randomise(field("network").value, number("lot"));
        asked = { ...asked, drawn, before: null };
      }
      if (asked.turned !== turned || asked.photo !== photo) {
        asked = { ...asked, turned, photo, square: square(), before: null };
        forgetLines();
      }
      prepare();
      const before = asked.before ?? (await engine.run(asked.square));
      const now = asked.pixels === asked.square ? before : await engine.run(asked.pixels);
      if (asked.photo !== photo) continue; // another one has come meanwhile
      asked.before = before;
      answers = { before, now };
    } catch (error) {
      say(error.message);
      return;
    }
    show();
  }
};

// Cover, fill and covered square, of what is painted now.
const prepare = () => {
  const drawn = Live.painted(strokes);
  const cover = coverOf(drawn);
  const filled = Live.fill(field("fill").value, asked.square, cover);
  const pixels = strokes.length ? Live.covered(asked.square, cover, filled) : asked.square;
  asked = { ...asked, drawn, cover, filled, pixels };
};

// ---- What follows from an answer --------------------------------------------------------------------------------

const chosen = () => {
  const k = classNamed(field("class").value);
  return k >= 0 ? k : Live.largest(answers.before.logits, 1)[0];
};
const lift = () => Live.hill(number("hill") / 10 / 9); // a hill of nine places that adds so much to every logit

const mapOf = (answer, k) => {
  const hill = lift();
  return Float64Array.from(Live.classMap(engine.head, answer.activations, k), (vote, place) => vote + hill[place]);
};

// The map that is shown, and its bias: of a class, or of a class rather than another.
const shownBill = (answer) => {
  const [k, other] = [chosen(), classNamed(field("minus").value)];
  const map = mapOf(answer, k);
  if (other < 0) return { map, bias: engine.head.bias[k], title: titles[k] };
  const less = mapOf(answer, other);
  return {
    map: map.map((vote, place) => vote - less[place]),
    bias: engine.head.bias[k] - engine.head.bias[other],
    title: `${titles[k]} rather than ${titles[other]}`,
  };
};

const score = (answer) => {
  const k = chosen();
  return field("measure").value === "logit" ? answer.logits[k] : Live.softmax(answer.logits)[k];
};

const range = (map) => {
  const size = (values) => values.reduce((top, value) => Math.max(top, field("sign").value === "signed" ? Math.abs(value) : value), 0);
  if (field("scale").value === "own") return size(map);
  return Math.max(...Live.largest(answers.now.logits, 5).map((k) => size(mapOf(answers.now, k))));
};

// ---- Drawing ----------------------------------------------------------------------------------------------------

const canvas = $("canvas");
let views = null; // the photo as it stands there, and for which square
let colours = null; // the map

const smooth = () => field("look").value === "smooth";
const palette = () => (field("sign").value === "signed" ? "signed" : "evidence");

const drawOn = (target, map) => {
  const cover = strokes.length ? [asked.cover, asked.filled] : null;
  Live.stage.drawAll(target, views, { cover, map, opacity: number("opacity") / 100, smooth: smooth() });
};
const draw = () => {
  if (!asked.square) return;
  if (views?.square !== asked.square) {
    views = { square: asked.square, ...Live.stage.views(photo.canvas, crop(), move(), field("mirror").checked) };
  }
  drawOn(canvas, colours);
  drawMark();
};

const drawMark = () => {
  const mark = $("mark");
  const painting = field("tool").value === "paint";
  const size = painting ? (2 * number("radius")) / SIDE : 1 / 7;
  const [x, y] = painting ? [cursor[0] / SIDE - size / 2, cursor[1] / SIDE - size / 2] : [(place() % 7) / 7, Math.floor(place() / 7) / 7];
  const { clientWidth, clientHeight, offsetLeft, offsetTop } = canvas;
  mark.hidden = false;
  mark.classList.toggle("round", painting);
  Object.assign(mark.style, {
    left: `${offsetLeft + x * clientWidth}px`, top: `${offsetTop + y * clientHeight}px`,
    width: `${size * clientWidth}px`, height: `${size * clientHeight}px`,
  });
  $("stage").classList.toggle("paint", painting);
};

// ---- Words and numbers ------------------------------------------------------------------------------------------

const place = () => Math.min(Math.max(Math.round(number("place")) || 0, 0), PLACES - 1);
const at = (n) => `row ${Math.floor(n / 7) + 1}, column ${(n % 7) + 1}`;

const show = () => {
  const { map } = shownBill(answers.now);
  colours = Live.stage.mapLayer(map, { palette: palette(), top: range(map), smooth: smooth() });
  draw();
  tellGuesses();
  tellBar();
  tellBill();
  tellEffect();
  tellDoubt();
  toAddressSoon();
};

const tellGuesses = () => {
  const { logits } = answers.now;
  const lifted = number("hill") / 10;
  const p = Live.softmax(logits);
  const k = chosen();
  const list = $("guesses");
  const focused = [...list.children].findIndex((item) => item.contains(document.activeElement));
  list.replaceChildren(...Live.largest(logits, 5).map((n) => {
    const item = element("li");
    const button = element("button", "", { type: "button", "aria-pressed": n === k });
    button.style.setProperty("--part", `${100 * p[n]}%`);
    button.append(element("span", titles[n]), element("span", p[n].toFixed(3)), element("span", plain(logits[n] + lifted, 2)));
    button.addEventListener("click", () => {
      field("class").value = titles[n];
      show();
    });
    item.append(button);
    return item;
  }));
  list.children[focused]?.firstChild.focus();
  const best = Live.largest(logits, 1)[0];
  const { map, title } = shownBill(answers.now);
  tell(`${titles[best]}, ${p[best].toFixed(2)}. The map of ${title} ${Math.max(...map) > 0 ? `is highest ${at(Live.largest(map, 1)[0])}` : "is zero everywhere"}.`);
  canvas.setAttribute("aria-label", `The photo${strokes.length ? ", partly covered," : ""} with the map of ${title}: ${
    Math.max(...map) > 0 ? `highest in the part "${Live.region(map)}", ${at(Live.largest(map, 1)[0])}` : "nothing speaks for it"}.`);
};

// A live region that speaks once the reader rests.
let telling;
const tell = (text) => {
  clearTimeout(telling);
  telling = setTimeout(() => ($("status").textContent = text), 400);
};

const tellBar = () => {
  const { map } = shownBill(answers.now);
  const top = range(map);
  const two = field("sign").value === "signed";
  $("low").textContent = two ? `−${top.toFixed(2)}` : "0";
  $("high").textContent = `${top.toFixed(2)} logits a place`;
  const stops = Array.from({ length: 17 }, (_, n) => {
    const [red, green, blue, alpha] = Live.colour(palette(), two ? n / 8 - 1 : n / 16);
    return `rgb(${red} ${green} ${blue} / ${alpha})`;
  });
  $("bar").querySelector("i").style.backgroundImage = `linear-gradient(to right, ${stops.join(", ")})`;
};

const row = (name, ...values) => {
  const made = element("tr");
  made.append(element("th", name, { scope: "row" }), ...values.map((value) => element("td", value)));
  return made;
};

const tellBill = () => {
  const { map, bias, title } = shownBill(answers.now);
  const here = place();
  const others = map.reduce((sum, vote, n) => sum + (n === here ? 0 : vote), 0);
  const short = Live.addingUp([map[here], others, bias], 2);
  $("bill-of").textContent = `What adds up for ${title}`;
  const total = row("logit" + (title.includes(" rather than ") ? ", difference" : ""), plain(short.sum, 2));
  total.className = "sum";
  $("sum").replaceChildren(
    row(`the place in ${at(here)}`, signed(short.parts[0], 2)),
    row("the other 48 places", signed(short.parts[1], 2)),
    row("bias", signed(short.parts[2], 2)),
    total,
  );
  const hill = lift()[here];
  const votes = Float64Array.from(Live.votes(engine.head, answers.now.activations, here), (vote) => vote + hill);
  $("votes-of").textContent = `What ${at(here)} votes for: its five strongest classes`;
  $("votes").replaceChildren(...Live.largest(votes, 5).map((k) => row(titles[k], signed(votes[k], 2))));
  const all = Live.addingUp([...map, bias], 2);
  $("all-of").textContent = `Votes for ${title}; with the bias ${plain(all.parts[PLACES], 2)} they add up to ${plain(all.sum, 2)}, as printed`;
  $("all").replaceChildren(...Array.from({ length: 7 }, (_, line) => {
    const made = element("tr");
    made.append(...all.parts.slice(7 * line, 7 * line + 7).map((vote, column) =>
      element("td", plain(vote, 2), 7 * line + column === here ? { class: "here" } : {})));
    return made;
  }));
};

const tellEffect = () => {
  const [before, now, digits] = [score(answers.before), score(answers.now), NUMBER[field("measure").value]];
  const part = Live.area(asked.cover);
  const name = `${field("measure").value} of ${titles[chosen()]}`;
  $("effect").textContent = strokes.length
    ? `${(100 * part).toFixed(1)} % covered: the ${name} goes from ${plain(before, digits)} to ${plain(now, digits)} (${signed(now - before, digits)}).`
    : `Nothing is covered: the ${name} is ${plain(before, digits)}.`;
  if (strokes.length && !stroke) {
    tries.push({ part, score: now, key: raceKey() });
    tellRace();
  }
};

const tellDoubt = () => {
  const drawn = field("network").value;
  $("random").textContent = drawn === "none" ? "" : `${NETWORKS[drawn]} Such a network knows no classes. Does its map look reasonable all the same?`;
  const height = number("hill") / 10;
  if (!height) {
    $("hill").textContent = "";
    return;
  }
  const p = Live.softmax(answers.now.logits);
  const lifted = Live.softmax(Float64Array.from(answers.now.logits, (logit) => logit + height));
  const most = p.reduce((top, one, k) => Math.max(top, Math.abs(one - lifted[k])), 0);
  $("hill").textContent = `Nine places at the lower right add ${height.toFixed(1)} to every logit. The largest change of a probability is ${
    most < 1e-9 ? "below 0.000000001" : most.toExponential(0)}. The map is highest in the part "${Live.region(shownBill(answers.now).map)}".`;
};

// ---- Can you beat the map? --------------------------------------------------------------------------------------

const raceKey = () => [chosen(), settings("fill", "edge", "measure"), asked.turned, asked.drawn].join();
const forgetLines = () => {
  lines = null;
  $("chart").toggleAttribute("hidden", true);
  $("verdict").textContent = "";
};

const race = async () => {
  const key = raceKey();
  const { square } = asked;
  const map = mapOf(answers.before, chosen());
  $("race").disabled = true;
  $("racing").hidden = false;
  const ask = async (places) => {
    if (!places.length) return score(answers.before);
    const cover = coverOf(Live.ofPlaces(places));
    const answer = await engine.run(Live.covered(square, cover, Live.fill(field("fill").value, square, cover)));
    return score(answer);
  };
  try {
    const found = await Live.beat.curves(map, ask, (done, total) => {
      if (raceKey() !== key) throw new Error("The settings have changed meanwhile: draw the lines again.");
      $("racing").value = done / total;
    });
    lines = { key, ...found };
    tellRace();
  } catch (error) {
    $("verdict").textContent = error.message;
  }
  $("race").disabled = false;
  $("racing").hidden = true;
};

const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

const tellRace = () => {
  if (!lines) return;
  if (lines.key !== raceKey()) {
    forgetLines();
    return;
  }
  const { COUNTS, DRAWS, between } = Live.beat;
  const mine = tries.filter((one) => one.key === lines.key && one.part <= COUNTS.at(-1) / PLACES);
  const middle = COUNTS.map((_, n) => mean(lines.lots.map((lot) => lot[n])));
  const digits = NUMBER[field("measure").value];
  $("chart").toggleAttribute("hidden", false);
  Live.beat.chart($("chart"), { ...lines, middle, mine, digits, title: `The ${field("measure").value} of ${titles[chosen()]}` });
  const best = mine.at(-1);
  const part = best?.part ?? 5 / PLACES;
  const say = (scores) => plain(between(scores, part), digits);
  const others = `Grad-CAM's order ${say(lines.gradCam)}, the occlusion map's ${say(lines.occlusion)}, the mean of ${DRAWS} lots ${say(middle)}`;
  $("verdict").textContent = best
    ? `At ${(100 * part).toFixed(1)} % covered: your cover leaves ${plain(best.score, digits)}, ${others}.`
    : `At ${(100 * part).toFixed(1)} % covered: ${others}. Now paint.`;
};

// ---- The brush --------------------------------------------------------------------------------------------------

let cursor = [SIDE / 2, SIDE / 2];
let stroke = null;

const position = (event) => {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [(event.clientX - left) / width, (event.clientY - top) / height].map((part) =>
    Math.min(Math.max(Math.round(part * SIDE), 0), SIDE - 1));
};

const begin = ([x, y]) => {
  stroke = { radius: number("radius"), points: [x, y] };
  strokes.push(stroke);
};
const go = ([x, y]) => {
  const [lastX, lastY] = stroke.points.slice(-2);
  const far = Math.hypot(x - lastX, y - lastY) >= Math.max(2, stroke.radius / 3);
  if (far && stroke.points.length < 2 * MOST) stroke.points.push(x, y);
};
const strokesChanged = () => {
  field("strokes").value = Live.textOf(strokes);
  if (asked.square) prepare();
  drawSoon();
  change();
};
let frame = 0;
const drawSoon = () => (frame ||= requestAnimationFrame(() => {
  frame = 0;
  draw();
}));

const stage = $("stage");
stage.addEventListener("pointerdown", (event) => {
  if (!answers || event.button > 0) return;
  if (field("tool").value === "look") {
    const [x, y] = position(event);
    moveTo(Math.floor((y * 7) / SIDE) * 7 + Math.floor((x * 7) / SIDE));
    return;
  }
  stage.setPointerCapture(event.pointerId);
  cursor = position(event);
  begin(cursor);
  strokesChanged();
});
stage.addEventListener("pointermove", (event) => {
  if (field("tool").value !== "paint") return;
  cursor = position(event);
  if (stroke) {
    for (const one of event.getCoalescedEvents?.() ?? []) go(position(one));
    go(cursor);
    strokesChanged();
  } else drawMark();
});
const lifted = () => {
  if (!stroke) return;
  stroke = null;
  change();
};
stage.addEventListener("pointerup", lifted);
stage.addEventListener("pointercancel", lifted);

const moveTo = (n) => {
  field("place").value = n;
  drawMark();
  tellBill();
  tell(`${at(n)}: ${$("sum").firstChild.lastChild.textContent} of ${$("sum").lastChild.lastChild.textContent}.`);
  toAddressSoon();
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
stage.addEventListener("keydown", (event) => {
  const step = ARROWS[event.key];
  if (!answers || (!step && event.key !== " ")) return;
  event.preventDefault();
  if (field("tool").value === "look") {
    if (!step) return;
    const [column, line] = [(place() % 7) + step[0], Math.floor(place() / 7) + step[1]];
    if (column >= 0 && column < 7 && line >= 0 && line < 7) moveTo(7 * line + column);
    return;
  }
  if (step) {
    cursor = cursor.map((part, n) => Math.min(Math.max(part + 8 * step[n], 0), SIDE - 1));
    drawMark();
    return;
  }
  begin(cursor);
  stroke = null;
  strokesChanged();
});

$("undo").addEventListener("click", () => {
  strokes.pop();
  strokesChanged();
});
$("clear").addEventListener("click", () => {
  strokes = [];
  strokesChanged();
});
$("upright").addEventListener("click", () => {
  for (const name of ["left", "right", "top", "bottom", "turn", "across", "down"]) field(name).value = 0;
  field("mirror").checked = false;
  tellSliders();
  change();
});

// ---- A report ---------------------------------------------------------------------------------------------------

const FORM = [
  ["1. It said", "said"], ["2. It is", "truth"], ["3. The maps", "maps"], ["4. Hypothesis", "hypothesis"],
  ["5. Test", "test"], ["5. Control", "control"], ["6. Verdict", "verdict"],
];

const described = () => {
  const parts = [
    `fill ${field("fill").selectedOptions[0].text}, ${field("edge").value} edge`,
    `${field("scale").value} scale`,
    field("sign").value === "signed" ? "for and against" : "for the class only",
  ];
  for (const name of ["left", "right", "top", "bottom", "turn", "across", "down", "hill"]) {
    if (number(name)) parts.push(`${name} ${number(name) / (name === "hill" ? 10 : 1)}`);
  }
  if (field("mirror").checked) parts.push("mirrored");
  if (field("network").value !== "none") parts.push(`${NETWORKS[field("network").value]} Lot ${number("lot")}`);
  return `${parts.join("; ")}.`;
};

const picture = (map) => {
  const drawn = element("canvas");
  drawOn(drawn, map);
  return drawn;
};

const sheet = () => {
  const { map, title } = shownBill(answers.now);
  const p = Live.softmax(answers.now.logits);
  const guesses = Live.largest(answers.now.logits, 5).map((k) => `${titles[k]} ${p[k].toFixed(3)} (${plain(answers.now.logits[k], 2)})`);
  return Live.report({
    title: "A case in six steps",
    pictures: [
      { canvas: picture(null), caption: strokes.length ? "The photo with its cover." : "The photo." },
      { canvas: picture(colours), caption: `The map of ${title}; its highest place votes ${signed(Math.max(...map), 2)}.` },
    ],
    rows: [
      ["Guesses", `${guesses.join("; ")}. Probabilities, logits in brackets.`],
      ...FORM.map(([name, key]) => [name, field(key).value || "—"]),
      ["Tried", [...new Set([...tried, $("effect").textContent])].join("\n")],
      ["Settings", described()],
      ["Photo", photo.name ? `${photo.name}, ${photo.known?.credit ?? ""}` : "the author's own"],
    ],
    ending:
      "One photo, one network, one layer. The map shows what each of 49 places adds to a logit; it does not show what in the place did it, nor why. " +
      "A cover is a picture of its own: it brings a colour and an edge. Seeing what a CNN sees, EfficientNet-Lite0, weights in half precision.",
  });
};

const save = () =>
  sheet().toBlob((blob) => {
    const link = element("a", "", { download: "case.png", href: URL.createObjectURL(blob) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }, "image/png");

$("note").addEventListener("click", () => {
  if (!answers) return;
  tried.push($("effect").textContent);
  $("tried").append(element("li", tried.at(-1)));
});
$("save").addEventListener("click", () => answers && save());
$("link").addEventListener("click", async () => {
  toAddress();
  try {
    await navigator.clipboard.writeText(location.href);
    $("link").textContent = "Copied";
  } catch {
    $("link").textContent = "Copy it from the address bar";
  }
  setTimeout(() => ($("link").textContent = "Copy a link to all settings"), 3000);
});

// ---- All together -----------------------------------------------------------------------------------------------

const REDRAWN = new Set(["scale", "sign", "look", "opacity", "class", "minus", "hill", "measure"]);
form.addEventListener("input", ({ target }) => {
  if (!target.name) return;
  tellSliders();
  if (target.name === "class" || target.name === "minus") {
    const unknown = target.value.trim() && classNamed(target.value) < 0;
    target.setCustomValidity(unknown ? "No class of this name" : "");
    target.setAttribute("aria-invalid", Boolean(unknown));
    if (unknown) return;
  }
  if (!answers) return;
  if (REDRAWN.has(target.name)) show();
  else if (target.name === "tool" || target.name === "radius") drawMark();
  else if (FORM.some(([, key]) => key === target.name)) toAddressSoon();
  else change();
});
form.addEventListener("submit", (event) => event.preventDefault());

$("file").addEventListener("change", ({ target }) => {
  own(target.files[0]);
  target.value = "";
});
$("camera").addEventListener("click", camera);
$("race").addEventListener("click", () => answers && race());
$("photos").addEventListener("change", async ({ target }) => {
  if (!target.value) return;
  strokes = [];
  field("strokes").value = field("class").value = field("minus").value = "";
  await packaged(target.value);
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  stage.classList.add("over");
});
for (const ending of ["dragleave", "dragend", "drop"]) addEventListener(ending, () => stage.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  own(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])][0];
  if (file) own(file);
});
addEventListener("resize", () => answers && drawMark());
addEventListener("hashchange", () => {
  if (!engine || !location.hash.includes("=")) return;
  form.reset();
  restore();
});

const restore = async () => {
  fromAddress();
  const name = field("photo").value;
  if (Live.photos.some((one) => one.name === name)) await packaged(name);
  else if (photo) change();
};

$("load").addEventListener("click", async () => {
  if (!(await ready()) || photo) return;
  fromAddress();
  await packaged(Live.photos.some(({ name }) => name === field("photo").value) ? field("photo").value : "mastiff");
});

// Each slider says its number.
const sliders = [...form.querySelectorAll("input[type=range]")];
for (const slider of sliders) slider.after(element("output"));
const tellSliders = () => {
  for (const slider of sliders) {
    slider.nextSibling.textContent = `${plain(slider.name === "hill" ? number("hill") / 10 : slider.value)}${UNITS[slider.name] ?? " %"}`;
  }
};
tellSliders();

$("size").textContent = `${((0.75 * Live.model.characters) / 1e6).toFixed(1)} MB`; // four letters for three bytes
$("photos").append(...Live.photos.map(({ name }) => element("option", name.replaceAll("_", " "), { value: name })));
$("classes").append(...titles.map((title) => element("option", "", { value: title })));
});
