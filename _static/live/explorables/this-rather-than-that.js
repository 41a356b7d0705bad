"use strict";
// Two classes of one picture and their difference, on one scale: which part of the picture decides between them.

Live.explorable("this-rather-than-that", (box, { classes }, state) => {
  const SIDE = 7;
  const PARTS = [["0–2, the cat", 0, 3], ["3, the seam", 3, 4], ["4–6, the dog", 4, 7]];
  const of = (name) => classes.find((one) => one.name === name);
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const said = (thousandths) => Live.fixed(thousandths / 1000, 3);

  let name = state.get("this", "Egyptian cat", of);
  let than = state.get("that", "bull mastiff", of);
  let top = state.get("top", 600, (value) => value >= 50 && value <= 900);

  const options = classes.map((one) => [one.name, one.name]);
  const chosen = (key, take) => (value) => { take(value); state.set(key, value); draw(); };
  for (const list of [
    Live.choice(box, "This class", options, name, chosen("this", (value) => (name = value))),
    Live.choice(box, "Rather than that", options, than, chosen("that", (value) => (than = value))),
  ]) list.style.gridColumn = "2 / -1";
  Live.slider(
    box, "Strongest colour", { min: 50, max: 900, step: 50, value: top, show: (value) => `${value / 1000} logits` },
    chosen("top", (value) => (top = value)),
  );

  const row = box.appendChild(Live.make("div", { class: "row" }));
  const panels = [0, 1, 2].map(() => {
    const title = Live.make("p", { class: "title" });
    const map = Live.map([], { width: SIDE, height: SIDE, palette: "signed" });
    Live.overPair(row, title, ["cat-grey", "mastiff-grey"], map);
    return { title, map };
  });
  const table = Live.table(box, "What the 7 columns of places add, in logits", [[""]]);
  const readout = Live.readout(box);

  const draw = () => {
    const [first, second] = [of(name), of(than)];
    const apart = {
      name: "difference", bias: first.bias - second.bias,
      votes: first.votes.map((vote, place) => vote - second.votes[place]),
    };
    const columns = [first, second, apart];
    columns.forEach((one, n) => {
      panels[n].title.textContent = one.name;
      panels[n].map.draw(one.votes.map((vote) => vote / top));
      const largest = Math.max(...one.votes.map(Math.abs));
      panels[n].map.describe(
        `Over the cat and the dog, ${one.name}: for in red, against in blue; the largest size is ${said(largest)}.`,
      );
    });
    const inside = ({ votes }, from, to) => sum(votes.filter((_, n) => n % SIDE >= from && n % SIDE < to));
    const logit = (one) => sum(one.votes) + one.bias;
    table.fill([
      ["columns", "this", "that", "this − that"],
      ...PARTS.map(([part, from, to]) => [part, ...columns.map((one) => said(inside(one, from, to)))]),
      ["bias", ...columns.map((one) => said(one.bias))],
      ["logit", ...columns.map((one) => said(logit(one)))],
    ]);
    const place = apart.votes.reduce((best, vote, n) => (Math.abs(vote) > Math.abs(apart.votes[best]) ? n : best), 0);
    const plus = sum(apart.votes.filter((vote) => vote > 0));
    readout.say(
      `All places for ${name} add ${said(plus)}, all for ${than} take ${said(plus - sum(apart.votes))}. The largest: `
      + `row ${Math.floor(place / SIDE)}, column ${place % SIDE}, ${said(apart.votes[place])}.`,
    );
  };
  draw();
});
