"use strict";
// The bill of a logit: what each of the 49 places adds, what those that are taken make, and a hill under all classes.

Live.explorable("bill", (box, { all, classes }, state) => {
  const SIDE = 7;
  const TOP = Math.max(...classes.flatMap((one) => one.votes.map(Math.abs))); // one scale for all classes
  const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const places = [...Array(SIDE * SIDE).keys()];
  const of = (name) => classes.find((one) => one.name === name);
  const onHill = (place) => place >= 4 * SIDE && place % SIDE >= 4;
  const where = (place) => `row ${Math.floor(place / SIDE)}, column ${place % SIDE}`;
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const said = (thousandths) => Live.fixed(thousandths / 1000, 3);
  const byVote = (votes) => [...places].sort((a, b) => votes[b] - votes[a] || a - b);

  let name = state.get("class", classes[0].name, of);
  let than = state.get("than", "", of);
  let hill = state.get("hill", 0, (height) => height >= 0 && height <= 1200);
  const taken = new Set(state.get("taken", "17").split(".").filter((n) => n in places).map(Number));
  const lastTaken = () => [...taken].pop() ?? 0;
  let current = lastTaken();

  // One class's items, or those of one class rather than another; the hill is under both.
  const itemsOf = (one) => ({
    title: one.name, bias: one.bias, votes: one.votes.map((vote, place) => vote + (onHill(place) ? hill : 0)),
  });
  const difference = (first, second) => ({
    title: "difference", bias: first.bias - second.bias,
    votes: first.votes.map((vote, place) => vote - second.votes[place]),
  });
  const shown = () => (than ? difference(itemsOf(of(name)), itemsOf(of(than))) : itemsOf(of(name)));
  const logit = ({ votes, bias }) => sum(votes) + bias;
  const fromTaken = ({ votes }) => sum(votes.filter((_, place) => taken.has(place)));

  // ---- The places lie over the photo; arrow keys walk, a tap or Space takes one or gives it back.

  const row = box.appendChild(Live.make("div", { class: "row" }));
  const field = row.appendChild(Live.make("div", { role: "group", "aria-label": "The 49 places, over the photo" }));
  Object.assign(field.style, { position: "relative", flex: "0 1 20rem" });
  const photo = Live.photo("mastiff-grey", "A bull mastiff on grass, beside it a person in shorts.");
  photo.style.width = "100%";
  const grid = Live.make("div");
  const equal = `repeat(${SIDE}, minmax(0, 1fr))`;
  Object.assign(grid.style, { position: "absolute", inset: 0, display: "grid", gridTemplate: `${equal} / ${equal}` });
  field.append(photo, grid);

  const buttons = places.map((place) => {
    const button = Live.button(grid, "", () => {
      if (!taken.delete(place)) taken.add(place);
      walk(place);
      keep();
    });
    button.addEventListener("focus", () => tell(place));
    button.addEventListener("pointerenter", () => tell(place));
    return button;
  });
  const walk = (place) => {
    current = place;
    buttons.forEach((button, n) => (button.tabIndex = n === place ? 0 : -1));
  };
  grid.addEventListener("keydown", (event) => {
    if (!(event.key in ARROWS)) return;
    event.preventDefault();
    const inside = (n) => Math.min(Math.max(n, 0), SIDE - 1);
    const [down, right] = ARROWS[event.key];
    walk(SIDE * inside(Math.floor(current / SIDE) + down) + inside((current % SIDE) + right));
    buttons[current].focus();
  });
  const colour = (button, vote, isTaken) => {
    const [red, green, blue, opacity] = Live.colour("signed", vote / TOP);
    Object.assign(button.style, {
      minHeight: 0, padding: 0, borderRadius: 0, fontSize: "12px", fontVariantNumeric: "tabular-nums",
      color: "#fff", textShadow: "0 0 2px #000, 0 0 3px #000, 0 0 4px #000",
      border: isTaken ? "3px solid #fff" : "1px solid rgb(255 255 255 / 25%)",
      background: `rgb(${red} ${green} ${blue} / ${opacity})`,
    });
  };

  // ---- Controls

  const side = row.appendChild(Live.make("div"));
  Object.assign(side.style, { flex: "1 1 16rem", minWidth: 0 });
  const options = classes.map((one) => [one.name, one.name]);
  const chosen = (key, take) => (value) => { take(value); state.set(key, value); draw(); };
  for (const list of [
    Live.choice(side, "Logit of", options, name, chosen("class", (value) => (name = value))),
    Live.choice(side, "Rather than", [["", "(no other)"], ...options], than, chosen("than", (value) => (than = value))),
  ]) list.style.gridColumn = "2 / -1";
  const count = Live.slider(
    side, "Largest taken", { min: 0, max: places.length, step: 1, value: taken.size }, (number) => {
      taken.clear();
      byVote(shown().votes).slice(0, number).forEach((place) => taken.add(place));
      walk(lastTaken());
      keep();
    },
  );
  Live.slider(
    side, "Hill", { min: 0, max: 1200, step: 10, value: hill, show: (height) => (height / 1000).toFixed(2) },
    chosen("hill", (height) => (hill = height)),
  );
  const keep = () => {
    state.set("taken", [...taken].join("."));
    count.put(taken.size);
    draw();
  };

  // ---- What a place adds, and the bill

  const readout = Live.readout(side);
  const table = Live.table(box, "The bill, in logits", [[""]]);
  // The hill lifts all 1000 logits alike, and with them what the softmax compares a logit with.
  const probability = (items) => {
    const share = Math.exp(logit(items) / 1000 - (all + (9 * hill) / 1000));
    return share < 0.001 ? "below 0.001" : share.toFixed(3);
  };
  const column = (items) => [
    items.title,
    ...[fromTaken(items), sum(items.votes) - fromTaken(items), items.bias, logit(items)].map(said),
    items.title === "difference" ? "" : probability(items),
    where(byVote(items.votes)[0]),
  ];
  const tell = (place) => {
    const items = shown();
    const part = logit(items) > 0 && !hill ? `, ${Math.round((100 * fromTaken(items)) / logit(items))} %` : "";
    const subject = taken.size === 1 ? "The place taken makes" : `The ${taken.size} places taken make`;
    readout.say(
      `${where(place).replace("row", "Row")}, counted from 0, adds ${said(items.votes[place])} to ${name}`
      + `${than ? ` rather than ${than}` : ""}. ${subject} ${said(fromTaken(items))} of ${said(logit(items))}${part}.`,
    );
  };

  const draw = () => {
    const { votes } = shown();
    buttons.forEach((button, place) => {
      const number = said(votes[place]);
      button.textContent = number.replace(/^(−?)0/, "$1"); // .964 fits into a square on a phone
      button.setAttribute("aria-label", `${where(place)}: ${number}`);
      button.setAttribute("aria-pressed", taken.has(place));
      colour(button, votes[place], taken.has(place));
    });
    const columns = [itemsOf(of(name)), ...(than ? [itemsOf(of(than)), shown()] : [])].map(column);
    const counts = [`taken: ${taken.size}`, `others: ${places.length - taken.size}`];
    const titles = ["items", ...counts, "bias", "logit", "probability", "largest place"];
    table.fill(titles.map((title, n) => [title, ...columns.map((items) => items[n])]));
    tell(current);
  };
  walk(current);
  draw();
});
