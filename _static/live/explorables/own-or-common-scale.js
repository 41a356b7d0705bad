"use strict";
// Six maps of one picture: each on a scale of its own, or all on one.

Live.explorable("own-or-common-scale", (box, classes, state) => {
  const SIDE = 7;
  const tops = classes.map((one) => Math.max(...one.map));
  const common = Math.max(...tops);
  let scale = state.get("scale", "own", (value) => ["own", "common"].includes(value));
  let opacity = state.get("opacity", 100, (value) => value >= 0 && value <= 100);
  let numbers = state.get("numbers", false);
  const logits = (value) => Live.fixed(value, 2);

  const chosen = (key, take) => (value) => { take(value); state.set(key, value); draw(); };
  const scales = [["own", "its own for each map"], ["common", "one for all maps"]];
  Live.choice(box, "Scale", scales, scale, chosen("scale", (value) => (scale = value)));
  Live.slider(
    box, "Opacity", { min: 0, max: 100, step: 5, value: opacity, show: (value) => `${value} %` },
    chosen("opacity", (value) => (opacity = value)),
  );

  const row = box.appendChild(Live.make("div", { class: "row" }));
  const maps = classes.map((one) => {
    const map = Live.map([], { width: SIDE, height: SIDE, palette: "evidence" });
    Live.overPair(row, Live.make("p", { class: "title" }, one.name), ["cat-grey", "mastiff-grey"], map);
    return map;
  });
  Live.toggle(box, "Show the numbers", numbers, chosen("numbers", (value) => (numbers = value)));
  const words = "In logits; rank 1 of 1000 is the network’s answer, “colour” what the strongest colour stands for";
  const table = Live.table(box, words, [[""]]);
  const readout = Live.readout(box);

  const draw = () => {
    classes.forEach((one, n) => {
      const top = scale === "own" ? tops[n] : common;
      maps[n].draw(one.map.map((value) => value / top));
      maps[n].style.opacity = opacity / 100;
      const part = Math.round((100 * tops[n]) / top);
      maps[n].describe(
        `Over the cat and the dog, ${one.name}: the highest place has ${part} % of the strongest colour.`,
      );
    });
    table.parentElement.hidden = !numbers;
    table.fill([
      ["class", "logit", "rank", "highest", "colour"],
      ...classes.map((one, n) => [
        one.name, logits(one.logit), `${one.rank}`, logits(tops[n]), logits(scale === "own" ? tops[n] : common),
      ]),
    ]);
    readout.say(
      scale === "own"
        ? "Each map's highest place has the strongest colour, whatever its number."
        : `The strongest colour stands for ${logits(common)} logits in all six maps.`,
    );
  };
  draw();
});
