"use strict";
// The live lab. All settings are the inputs of one form, which the address repeats; the photo is kept apart. Each change
// asks the network about the photo as it is shown, and about the photo without its cover.

globalThis.Live ??= {};
addEventListener("DOMContentLoaded", () => {
const form = document.getElementById("lab");
if (!form) return;
const { SIDE, PLACES, make, fixed } = Live;
const OWN = "own"; // a photo that no address holds
const FIRST = "mastiff";
const MOST = 400; // points of a stroke that the address keeps
const NUMBER = { logit: 2, probability: 3 };
const UNITS = { turn: "°", radius: " px", hill: "" }; // of sliders, else per cent
const NETWORKS = { head: "The last layer is drawn by lot.", network: "All layers are drawn by lot." };

const $ = (id) => document.getElementById(`lab-${id}`);
const field = (name) => form.elements[name];
const number = (name) => Number(field(name).value);
const say = (text) => ($("message").textContent = text);
const signed = (value, digits) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

let engine = null;
let photo = null; // {picture, canvas, name, known}: a known one stands in the catalogue
let strokes = [];
let asked = {}; // what was asked about: photo, turned, lot, square
let covered = null; // what is painted now: {plane, filled}
let answers = null; // {before, now, covered, part}: what the network said to the square, and to the covered one
let tries = []; // what the reader's covers did: {part, score, key, covered}
let lines = null; // the curves, once drawn
let tried = []; // what was noted, in words

// ---- The address ------------------------------------------------------------------------------------------------

const controls = () => [...form.elements].filter((one) => one.name);
const isBox = (one) => one.type === "radio" || one.type === "checkbox";
const initial = (one) =>
  one.tagName === "SELECT" ? one.options[0].value : one.type === "hidden" ? (one.dataset.initial ?? "") : one.defaultValue;

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
  form.reset();
  for (const one of controls()) if (one.type === "hidden") one.value = initial(one); // a form leaves these as they are
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const named = controls().filter((one) => one.name === name);
    const fitting = named.find((one) => isBox(one) && one.value === value);
    if (fitting) fitting.checked = true;
    const [one] = named;
    if (!one || isBox(one)) continue;
    if (one.tagName !== "SELECT" || [...one.options].some((option) => option.value === value)) one.value = value;
  }
  strokes = Live.strokesFrom(field("strokes").value);
  tellSliders();
};

// ---- Photos -----------------------------------------------------------------------------------------------------

// The newest choice wins, whatever arrives first. `get` gives the file; a photo that the reader chooses begins anew.
let choices = 0;
const choose = async (get, name = "", anew = true) => {
  const mine = ++choices;
  try {
    if (!(await ready())) return;
    const blob = await get();
    if (!blob || mine !== choices) return;
    const picture = await Live.decode(blob);
    if (mine !== choices) return;
    photo = { picture, canvas: Live.stage.onCanvas(picture), name, known: Live.photos.find((one) => one.name === name) };
  } catch (error) {
    if (mine === choices) say(error.message);
    return;
  }
  if (anew) {
    strokes = [];
    for (const kept of ["strokes", "class", "minus"]) field(kept).value = "";
    tried = [];
    $("tried").replaceChildren();
  }
  say("");
  field("photo").value = name || OWN;
  $("photos").value = name;
  $("credit").textContent = name ? `Photo: ${photo.known.credit}.` : "Your photo. It stays on this device.";
  answers = covered = null;
  tries = [];
  forgetLines();
  change();
};
const own = (blob) => blob && choose(() => blob);
const packaged = (name, anew) => choose(() => Live.loadPhoto(form.dataset.base, name), name, anew);
const camera = () => choose(() => Live.shoot($("shutter"), $("shoot"), $("close")));

// The photo that the address names.
const restore = async () => {
  fromAddress();
  const name = field("photo").value;
  if (Live.photos.some((one) => one.name === name)) {
    await packaged(name, false);
    return;
  }
  if (photo && name === OWN && !photo.name) {
    change();
    return;
  }
  await packaged(FIRST);
  if (name === OWN) say("This link was made with a photo that is not in it: choose that photo, or go on with this one.");
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
  $("work").hidden = $("case").hidden = false;
  form.dataset.kernels = engine.kernels;
  $("slow").hidden = engine.kernels !== "js";
  $("drop").prepend($("message")); // where it is seen from everywhere
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
    const lot = `${field("network").value},${lotNumber()}`;
    try {
      if (asked.lot !== lot) {
        await engine.randomise(field("network").value, lotNumber());
        asked = { ...asked, lot, before: null };
      }
      if (asked.turned !== turned || asked.photo !== photo) {
        asked = { lot, turned, photo, square: square(), before: null };
      }
      const mine = prepare();
      const { square: whole } = asked;
      const before = asked.before ?? (await engine.run(whole));
      const now = strokes.length ? await engine.run(Live.covered(whole, mine.plane, mine.filled)) : before;
      if (asked.photo !== photo) continue; // another one has come meanwhile
      asked.before = before;
      answers = { before, now, covered: mine, part: Live.area(mine.plane) };
    } catch (error) {
      say(error.message);
      return;
    }
    show();
  }
};
const lotNumber = () => Math.min(Math.max(Math.round(number("lot")) || 1, 1), 999);

// Cover and fill, of what is painted now. Finished strokes are not painted again.
let finished = { count: 0, plane: null };
const paintedNow = () => {
  const last = strokes.length - 1;
  if (last < 1) return Live.painted(strokes);
  if (finished.last !== strokes[last - 1] || finished.count !== last) {
    finished = { count: last, last: strokes[last - 1], plane: Live.painted(strokes.slice(0, last)) };
  }
  return Live.painted([strokes[last]], finished.plane.slice());
};
const prepare = () => {
  const plane = coverOf(paintedNow());
  const filled = Live.fill(field("fill").value, asked.square, plane);
  covered = { plane, filled };
  return covered;
};

// ---- What follows from an answer --------------------------------------------------------------------------------

const chosen = () => {
  const k = classNamed(field("class").value);
  return k >= 0 ? k : Live.largest(answers.before.logits, 1)[0];
};
const height = () => number("hill") / 10; // what the hill adds to every logit
const lift = () => Live.hill(height() / 9); // by nine places

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
  return field("measure").value === "logit" ? answer.logits[k] + height() : Live.softmax(answer.logits)[k];
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
  const cover = strokes.length && covered ? [covered.plane, covered.filled] : null;
  Live.stage.drawAll(target, views, { cover, map, opacity: number("opacity") / 100, smooth: smooth() });
};
const draw = () => {
  if (!asked.square || asked.photo !== photo) return;
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
  const bill = shownBill(answers.now);
  const top = range(bill.map);
  colours = Live.stage.mapLayer(bill.map, { palette: palette(), top, smooth: smooth() });
  draw();
  tellGuesses(bill);
  tellBar(top);
  tellBill(bill);
  tellEffect();
  tellDoubt(bill);
  toAddressSoon();
};

const tellGuesses = ({ map, title }) => {
  const { logits } = answers.now;
  const p = Live.softmax(logits);
  const k = chosen();
  const list = $("guesses");
  const focused = [...list.children].findIndex((item) => item.contains(document.activeElement));
  const five = Live.largest(logits, 5);
  list.replaceChildren(...five.map((n) => {
    const item = make("li");
    const button = make("button", { type: "button", "aria-pressed": `${n === k}` });
    button.style.setProperty("--part", `${100 * p[n]}%`);
    button.append(...[titles[n], p[n].toFixed(3), fixed(logits[n] + height(), 2)].map((text) => make("span", {}, text)));
    button.addEventListener("click", () => {
      field("class").value = titles[n];
      show();
    });
    item.append(button);
    return item;
  }));
  list.children[focused]?.firstChild.focus();
  const [best] = five;
  const [highest] = Live.largest(map, 1);
  tell(`${titles[best]}, ${p[best].toFixed(2)}. The map of ${title} ${map[highest] > 0 ? `is highest ${at(highest)}` : "is zero everywhere"}.`);
  canvas.setAttribute("aria-label", `The photo${strokes.length ? ", partly covered," : ""} with the map of ${title}: ${
    map[highest] > 0 ? `highest in the part "${Live.region(map)}", ${at(highest)}` : "nothing speaks for it"}.`);
};

// A live region that speaks once the reader rests.
let telling;
const tell = (text) => {
  clearTimeout(telling);
  telling = setTimeout(() => ($("status").textContent = text), 400);
};

const tellBar = (top) => {
  const two = field("sign").value === "signed";
  $("low").textContent = two ? `−${top.toFixed(2)}` : "0";
  $("high").textContent = `${top.toFixed(2)} logits a place`;
  const stops = Array.from({ length: 17 }, (_, n) => {
    const [red, green, blue, alpha] = Live.colour(palette(), two ? n / 8 - 1 : n / 16);
    return `rgb(${red} ${green} ${blue} / ${alpha})`;
  });
  $("bar").querySelector("i").style.backgroundImage = `linear-gradient(to right, ${stops.join(", ")})`;
};

const row = (name, ...values) =>
  make("tr", {}, make("th", { scope: "row" }, name), ...values.map((value) => make("td", {}, value)));

const tellBill = ({ map, bias, title }) => {
  const here = place();
  const all = Live.addingUp([...map, bias], 2);
  const others = all.parts.reduce((sum, vote, n) => sum + (n === here || n === PLACES ? 0 : vote), 0);
  $("bill-of").textContent = `What adds up for ${title}`;
  const total = row("logit" + (title.includes(" rather than ") ? ", difference" : ""), fixed(all.sum, 2));
  total.className = "sum";
  $("sum").replaceChildren(
    row(`the place in ${at(here)}`, signed(all.parts[here], 2)),
    row("the other 48 places", signed(others, 2)),
    row("bias", signed(all.parts[PLACES], 2)),
    total,
  );
  const hill = lift()[here];
  const votes = Float64Array.from(Live.votes(engine.head, answers.now.activations, here), (vote) => vote + hill);
  $("votes-of").textContent = `What ${at(here)} votes for: its five strongest classes`;
  $("votes").replaceChildren(...Live.largest(votes, 5).map((k) => row(titles[k], signed(votes[k], 2))));
  $("all-of").textContent = `Votes for ${title}; with the bias ${fixed(all.parts[PLACES], 2)} they add up to ${fixed(all.sum, 2)}, as printed`;
  const cells = all.parts.slice(0, PLACES).map((vote, n) => make("td", { class: n === here && "here" }, fixed(vote, 2)));
  $("all").replaceChildren(...Array.from({ length: 7 }, (_, line) => make("tr", {}, ...cells.slice(7 * line, 7 * line + 7))));
};

// What the cover did; the printed change is that of the printed numbers.
const effect = () => {
  const digits = NUMBER[field("measure").value];
  const [before, now] = [answers.before, answers.now].map((answer) => Number(score(answer).toFixed(digits)));
  const name = `${field("measure").value} of ${titles[chosen()]}`;
  if (!strokes.length) return `Nothing is covered: the ${name} is ${fixed(before, digits)}.`;
  const soft = field("edge").value === "soft" ? ", soft edges counted by their opacity" : "";
  return `${(100 * answers.part).toFixed(1)} % covered${soft}: the ${name} goes from ${fixed(before, digits)} to ${
    fixed(now, digits)} (${signed(now - before, digits)}).`;
};

const tellEffect = () => {
  $("effect").textContent = effect();
  const key = raceKey();
  const known = tries.some((one) => one.key === key && one.covered === answers.covered);
  if (strokes.length && !stroke && !known) {
    tries.push({ part: answers.part, score: score(answers.now), key, covered: answers.covered });
  }
  tellRace();
};

const tellDoubt = ({ map }) => {
  const drawn = field("network").value;
  $("random").textContent = drawn === "none" ? "" : `${NETWORKS[drawn]} Such a network knows no classes. Does its map look reasonable all the same?`;
  if (!height()) {
    $("hill").textContent = "";
    return;
  }
  const p = Live.softmax(answers.now.logits);
  const lifted = Live.softmax(Float64Array.from(answers.now.logits, (logit) => logit + height()));
  const most = p.reduce((top, one, k) => Math.max(top, Math.abs(one - lifted[k])), 0);
  $("hill").textContent = `Nine places at the lower right add ${height().toFixed(1)} to every logit. The largest change of a probability is ${
    most < 1e-9 ? "below 0.000000001" : most.toExponential(0)}. The map is highest in the part "${Live.region(map)}".`;
};

// ---- Can you beat the map? --------------------------------------------------------------------------------------

const raceKey = () => [chosen(), settings("fill", "edge", "measure", "hill"), asked.turned, asked.lot].join();
const forgetLines = () => {
  lines = null;
  $("chart").toggleAttribute("hidden", true);
  $("verdict").textContent = "";
};

const race = async () => {
  const key = raceKey();
  const { square } = asked;
  const map = Live.classMap(engine.head, answers.before.activations, chosen()); // without a hill
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
      if (!answers || raceKey() !== key) throw new Error("The settings have changed meanwhile: draw the lines again.");
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
  if (!lines || !answers) return;
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
  const beyond = strokes.length && answers.part > COUNTS.at(-1) / PLACES;
  const part = best?.part ?? 5 / PLACES;
  const say = (scores) => fixed(between(scores, part), digits);
  const others = `Grad-CAM's order ${say(lines.gradCam)}, the occlusion map's ${say(lines.occlusion)}, the mean of ${DRAWS} lots ${say(middle)}`;
  $("verdict").textContent = beyond
    ? "Your cover is larger than the lines go."
    : best
    ? `At ${(100 * part).toFixed(1)} % covered: your cover leaves ${fixed(best.score, digits)}, ${others}.`
    : `At ${(100 * part).toFixed(1)} % covered: ${others}. Now paint.`;
};

// ---- The brush --------------------------------------------------------------------------------------------------

let cursor = [SIDE / 2, SIDE / 2];
let stroke = null;
let finger = 0;

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
  if (far) stroke.points.push(x, y);
  if (stroke.points.length >= 2 * MOST) begin([x, y]); // the stroke goes on as another one
};
const strokesChanged = () => {
  field("strokes").value = Live.textOf(strokes);
  drawSoon();
  change();
};
let frame = 0;
const drawSoon = () => (frame ||= requestAnimationFrame(() => {
  frame = 0;
  if (asked.square && asked.photo === photo) prepare();
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
  if (stroke) return; // a second finger
  stage.setPointerCapture(event.pointerId);
  finger = event.pointerId;
  cursor = position(event);
  begin(cursor);
  strokesChanged();
});
stage.addEventListener("pointermove", (event) => {
  if (field("tool").value !== "paint" || (stroke && event.pointerId !== finger)) return;
  cursor = position(event);
  if (stroke) {
    for (const one of event.getCoalescedEvents?.() ?? []) go(position(one));
    go(cursor);
    strokesChanged();
  } else drawMark();
});
const lifted = ({ pointerId }) => {
  if (!stroke || pointerId !== finger) return;
  stroke = null;
  change();
};
stage.addEventListener("pointerup", lifted);
stage.addEventListener("pointercancel", lifted);

const moveTo = (n) => {
  field("place").value = n;
  drawMark();
  tellBill(shownBill(answers.now));
  tell(`${at(n)}: ${$("sum").firstChild.lastChild.textContent} of ${$("sum").lastChild.lastChild.textContent}.`);
  toAddressSoon();
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
stage.addEventListener("keydown", (event) => {
  const step = ARROWS[event.key];
  const painting = field("tool").value === "paint";
  if (!answers || event.altKey || event.ctrlKey || event.metaKey) return;
  if (!step && !(painting && event.key === " ")) return;
  event.preventDefault();
  if (!painting) {
    const [column, line] = [(place() % 7) + step[0], Math.floor(place() / 7) + step[1]];
    if (column >= 0 && column < 7 && line >= 0 && line < 7) moveTo(7 * line + column);
    return;
  }
  if (step) {
    cursor = cursor.map((part, n) => Math.min(Math.max(part + 8 * step[n], 0), SIDE - 1));
    drawMark();
    tell(`The brush: ${at(7 * Math.floor((cursor[1] * 7) / SIDE) + Math.floor((cursor[0] * 7) / SIDE))}.`);
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
    `Fill ${field("fill").selectedOptions[0].text}, ${field("edge").value} edge`,
    `${field("scale").value} scale`,
    field("sign").value === "signed" ? "for and against" : "for the class only",
  ];
  for (const name of ["left", "right", "top", "bottom", "turn", "across", "down", "hill"]) {
    if (number(name)) parts.push(`${name} ${name === "hill" ? height() : number(name)}`);
  }
  if (field("mirror").checked) parts.push("mirrored");
  if (field("network").value !== "none") parts.push(`${NETWORKS[field("network").value]} Number ${lotNumber()}`);
  return `${parts.join("; ")}.`;
};

const guessed = ({ logits }) => {
  const p = Live.softmax(logits);
  return `${Live.largest(logits, 5).map((k) => `${titles[k]} ${p[k].toFixed(3)} (${fixed(logits[k], 2)})`).join("; ")}.`;
};

// The photo without and with its cover, and below each its map, both on one scale.
const pictures = () => {
  const [first, second] = [answers.before, answers.now].map((answer) => shownBill(answer));
  const top = Math.max(range(first.map), range(second.map));
  const drawn = (map, withCover) => {
    const canvas = make("canvas");
    const cover = withCover ? [answers.covered.plane, answers.covered.filled] : null;
    Live.stage.drawAll(canvas, views, { cover, map, opacity: 1, smooth: smooth() });
    return canvas;
  };
  const coloured = ({ map }) => Live.stage.mapLayer(map, { palette: palette(), top, smooth: smooth() });
  const told = ({ map, title }) => `The map of ${title}. Strongest colour: ${top.toFixed(2)} logits a place; highest place: ${
    signed(Math.max(...map), 2)}, ${at(Live.largest(map, 1)[0])}.`;
  const plainly = [
    { canvas: drawn(null, false), caption: "The photo, as the network sees it." },
    { canvas: drawn(coloured(first), false), caption: told(first) },
  ];
  if (!strokes.length) return plainly;
  return [
    ...plainly,
    { canvas: drawn(null, true), caption: "With its cover." },
    { canvas: drawn(coloured(second), true), caption: told(second) },
  ];
};

const sheet = () =>
  Live.report({
    title: "A case in six steps",
    pictures: pictures(),
    rows: [
      ["Guesses", guessed(answers.before)],
      ...(strokes.length ? [["Covered", guessed(answers.now)]] : []),
      ...FORM.map(([name, key]) => [name, field(key).value || "—"]),
      ["Tried", [...new Set([...tried, `${effect()} ${described()}`])].join("\n")],
      ["Photo", photo.name ? `${photo.name}, ${photo.known.credit}` : "the author's own"],
    ],
    ending:
      "Behind each guess its probability and, in brackets, its logit. " +
      "One photo, one network, one layer: a map shows what each of 49 places adds to a logit. It does not show what in the place did it, nor why. " +
      "A cover is a picture of its own: it brings a colour and an edge. From the book Seeing what a CNN sees: EfficientNet-Lite0, weights in half precision.",
  });

const save = () =>
  sheet().toBlob((blob) => {
    if (!blob) {
      say("This browser could not make so large a picture: shorten the texts of the form.");
      return;
    }
    const link = make("a", { download: "case.png", href: URL.createObjectURL(blob) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }, "image/png");

$("note").addEventListener("click", () => {
  if (!answers) return;
  const note = `${effect()} ${described()}`;
  if (tried.includes(note)) return;
  tried.push(note);
  $("tried").append(make("li", {}, note));
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
    $("unknown").textContent = unknown ? `There is no class "${target.value.trim()}": the list below the field has all 1000 names.` : "";
    if (unknown) return;
  }
  if (!answers) return;
  if (target.name === "network" && !field("class").value) field("class").value = titles[chosen()]; // one class, two networks
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
$("photos").addEventListener("change", ({ target }) => target.value && packaged(target.value));
const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  stage.classList.add("over");
});
for (const ending of ["dragleave", "dragend", "drop"]) addEventListener(ending, () => stage.classList.remove("over"));
addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  own(event.dataTransfer.files[0]);
});
addEventListener("paste", ({ target, clipboardData }) => {
  if (!target.closest?.("input, textarea")) own(clipboardData?.files[0]);
});
addEventListener("hashchange", () => {
  if (engine && location.hash.includes("=")) restore();
});
new ResizeObserver(() => {
  form.style.setProperty("--stage", `${$("drop").offsetHeight}px`);
  if (answers) drawMark();
}).observe($("drop"));

$("load").addEventListener("click", restore);

// Each slider says its number.
const sliders = [...form.querySelectorAll("input[type=range]")];
for (const slider of sliders) slider.after(make("output", { "aria-live": "off" }));
const tellSliders = () => {
  for (const slider of sliders) {
    slider.nextSibling.textContent = `${fixed(slider.name === "hill" ? height() : Number(slider.value), 0)}${UNITS[slider.name] ?? " %"}`;
  }
};
tellSliders();

$("size").textContent = `${((0.75 * Live.model.characters) / 1e6).toFixed(1)} MB`; // four letters for three bytes
$("photos").append(...Live.photos.map(({ name }) => make("option", { value: name }, name.replaceAll("_", " "))));
$("classes").append(...titles.map((title) => make("option", { value: title })));
});
