"use strict";
// Over a photo: what a place of a layer can see, by the formula, and what it looks at, by the gradient.

{
const LARGE = 336; // pixels of the photo on the page
const AREAS = [["top", "left"], ["middle", "middle"], ["bottom", "right"]];
const label = (row, column) => (row === 1 && column === 1 ? "middle" : `${AREAS[row][0]} ${AREAS[column][1]}`);
const square = (top, left, side) => ({ top, left, bottom: top + side, right: left + side });

Live.explorable("receptive-field", (box, { photo, size, cells, layers }, state) => {
  const named = (name) => layers.findIndex((layer) => layer.name === name);
  let depth = named(state.get("layer", "blocks.2", (name) => named(name) >= 0));
  let chosen = state.get("place", 4, (number) => Number.isInteger(number) && number >= 0 && number < 9);
  let measured = state.get("measured", true);

  const scale = LARGE / size;
  const map = Live.canvas(null, LARGE, LARGE);
  const image = Live.photo(`${photo}-grey`, "A bull mastiff sits on a lawn beside a person in jeans, in grey.");
  const sides = box.appendChild(Live.make("div", { class: "row" }));
  const desk = Live.laid(sides, image, map);
  const frames = Live.drawing(desk, size, size);
  const numbers = Live.table(sides, "Squares of pixels", [[]]);
  const pick = (key, value) => { state.set(key, value); draw(); };
  const depths = { min: 0, max: layers.length - 1, step: 1, value: depth, show: (k) => layers[k].name };
  Live.slider(box, "Layer", depths, (k) => { depth = k; pick("layer", layers[k].name); });
  const nine = [...Array(9).keys()].map((k) => [String(k), label(Math.floor(k / 3), k % 3)]);
  const places = Live.choice(box, "Place", nine, String(chosen), (k) => { chosen = Number(k); pick("place", chosen); });
  Live.toggle(box, "Show what it looks at (measured)", measured, (on) => { measured = on; pick("measured", on); });
  const readout = Live.readout(box);
  desk.addEventListener("click", ({ clientX, clientY }) => {
    const { left, top, width, height } = desk.getBoundingClientRect();
    const third = (share) => Math.min(Math.max(Math.floor(3 * share), 0), 2);
    chosen = 3 * third((clientY - top) / height) + third((clientX - left) / width);
    places.value = chosen;
    pick("place", chosen);
  });

  const frame = (kind, { top, left, bottom, right }) => {
    const [x, y] = [Math.max(left, 0), Math.max(top, 0)];
    const [width, height] = [Math.min(right, size) - x, Math.min(bottom, size) - y];
    for (const under of ["under ", ""]) frames.add("rect", { class: under + kind, x, y, width, height });
    return `${width} × ${height}`;
  };
  const drawInfluence = ({ top, left, cells: text }, cell) => {
    map.pen.clearRect(0, 0, LARGE, LARGE);
    if (!measured) return;
    const side = scale * cell;
    [...atob(text)].forEach((letter, k) => {
      const [red, green, blue, opacity] = Live.colour("evidence", letter.charCodeAt(0) / 255);
      map.pen.fillStyle = `rgb(${red} ${green} ${blue} / ${opacity})`;
      map.pen.fillRect(scale * left + side * (k % cells), scale * top + side * Math.floor(k / cells), side, side);
    });
  };

  const draw = () => {
    const { name, field, distance, start, cell, places: found } = layers[depth];
    const { place, half, row, column, ...stored } = found[chosen];
    const where = label(Math.floor(chosen / 3), chosen % 3);
    drawInfluence(stored, cell);
    frames.replaceChildren();
    const own = frame("own", square(distance * place[0], distance * place[1], distance));
    const seen = frame("field", square(start + distance * place[0], start + distance * place[1], field));
    if (measured) frame("half", square(row - (half - 1) / 2, column - (half - 1) / 2, half));
    numbers.fill([["", "side", "on the photo"],
      ["its square in a heat map (dotted)", String(distance), own],
      ["what it can see (solid)", String(field), seen],
      ["half of the influence (dashed)", measured ? String(half) : "?", ""]]);
    map.describe(measured ? `Influence of the pixels: half of it in a square of ${half} pixels a side around `
      + `row ${row}, column ${column}.` : "Influence of the pixels: not shown.");
    frames.describe(`The ${where} place of ${name} can see ${seen} pixels of the photo.`);
    readout.say(`The ${where} place of ${name} can see ${seen} of the photo's ${size} × ${size} pixels.`
      + (measured ? ` Half of the influence on it lies within a square of ${half} pixels a side.` : ""));
  };
  draw();
});
}
