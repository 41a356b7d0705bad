"use strict";
// A network forgets from the head down: which maps change, and which of them are like the edges of the photo?

Live.explorable("edge-detector", (box, { edges, stages }, state) => {
  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const NAMES = ["guided", "saliency", "Grad-CAM", "Grad-CAM++"];
  const values = (picture) => [...picture].map((letter) => LETTERS.indexOf(letter) / (LETTERS.length - 1));
  const said = (value) => (value === null ? "empty" : Live.fixed(value, 2));

  let stage = state.get("stage", 0, (number) => number in stages);
  const named = (number) => stages[number].new.replace("head to", "to");
  const slider = Live.slider(
    box, "Drawn anew", { min: 0, max: stages.length - 1, step: 1, value: stage, show: named },
    (number) => { stage = number; state.set("stage", number); draw(); },
  );

  slider.nextElementSibling.style.minWidth = "6rem"; // so that the slider keeps its length

  const row = box.appendChild(Live.make("div", { class: "row" }));
  const panel = (title, picture) => {
    const part = Live.make("div", {}, Live.make("p", { class: "title" }, title), picture);
    part.style.width = "calc(50% - 0.75rem)";
    part.style.maxWidth = "200px";
    picture.style.width = "100%";
    row.append(part);
  };
  const drawn = (picture) => {
    const side = Math.sqrt(picture.length);
    return Live.map(values(picture), { width: side, height: side, size: 240 - (240 % side) }); // in whole pixels
  };
  panel("photo", Live.photo("mastiff", "A bull mastiff on grass, a lead, and a person's legs."));
  const still = drawn(edges);
  still.describe("The photo's edges: the lead, the person's shorts, the border of the dog's head and of the grass.");
  panel("edges", still);
  const maps = NAMES.map((name) => {
    const map = drawn(stages[0].maps[name].picture);
    panel(name, map);
    return map;
  });
  const words = "Correlation with its trained self, with the edges, and with the edges when both are blurred";
  const table = Live.table(box, words, [[""]]);
  const readout = Live.readout(box);

  const draw = () => {
    const { maps: found, new: what } = stages[stage];
    NAMES.forEach((name, n) => {
      maps[n].draw(values(found[name].picture));
      maps[n].describe(`${name}, new: ${what}; its correlation with its trained map: ${said(found[name].kept)}.`);
    });
    table.fill([
      ["map", "trained", "edges", "blurred"],
      ...NAMES.map((name) => [name, ...[found[name].kept, ...found[name].edges].map(said)]),
      ["edges", "1.00", "1.00", "1.00"],
    ]);
    const most = (value) => NAMES.filter((name) => found[name].kept !== null)
      .reduce((best, name) => (value(found[name]) > value(found[best]) ? name : best));
    const kept = most((map) => map.kept);
    const like = most((map) => map.edges[1]);
    readout.say(
      `Drawn anew: ${what}. ${stage ? `The map that changed least is ${kept} (${said(found[kept].kept)}). ` : ""}`
      + `Most like the edges, once both are blurred, is ${like} (${said(found[like].edges[1])}).`,
    );
  };
  draw();
});
