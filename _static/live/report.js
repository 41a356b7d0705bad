"use strict";
// A case on one picture: map, numbers, settings and the form of chapter 10, to be saved or handed in.

globalThis.Live ??= {};
{
const WIDTH = 1000;
const MARGIN = 40;
const LINE = 26;
const FONT = "18px sans-serif";

// The lines of a text that fit into a width.
const wrapped = (pen, text, width) => {
  const lines = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (let word of paragraph.split(" ")) {
      const longer = line ? `${line} ${word}` : word;
      if (pen.measureText(longer).width <= width) {
        line = longer;
        continue;
      }
      if (line) lines.push(line);
      while (pen.measureText(word).width > width) {
        let end = word.length - 1;
        while (pen.measureText(word.slice(0, end)).width > width) end--;
        lines.push(word.slice(0, end));
        word = word.slice(end);
      }
      line = word;
    }
    lines.push(line);
  }
  return lines;
};

// Draw it: `pictures` are canvases with captions, `rows` pairs of a name and a text. The height is that of the text.
const report = ({ title, pictures, rows, ending }) => {
  const sheet = document.createElement("canvas");
  const pen = sheet.getContext("2d");
  pen.font = FONT;
  const column = (WIDTH - 3 * MARGIN) / 2;
  // Each picture in a square of the column's width at most, two side by side.
  const shown = pictures.map(({ canvas, caption }) => {
    const scale = Math.min(column / canvas.width, column / canvas.height);
    const [width, height] = [canvas.width * scale, canvas.height * scale];
    return { canvas, width, height, caption: wrapped(pen, caption, column) };
  });
  const pairs = shown.flatMap((one, n) => (n % 2 ? [] : [[one, shown[n + 1]]]));
  const heights = pairs.map((pair) => Math.max(...pair.map(({ height, caption }) => height + caption.length * LINE)) + 24);
  const pictured = heights.reduce((a, b) => a + b, 0);
  const texts = rows.map(([name, text]) => [name, wrapped(pen, text, WIDTH - 2 * MARGIN - 230)]);
  const last = wrapped(pen, ending, WIDTH - 2 * MARGIN);
  const lines = texts.reduce((sum, [, text]) => sum + text.length + 0.4, 0) + last.length;
  sheet.width = WIDTH;
  sheet.height = Math.ceil(4 * MARGIN + 30 + pictured + LINE * (lines + 1));

  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.fillStyle = "#111";
  pen.textBaseline = "top";
  pen.font = "bold 26px sans-serif";
  pen.fillText(title, MARGIN, MARGIN);
  pen.font = FONT;
  let y = 2 * MARGIN + 20;
  pairs.forEach((pair, line) => {
    pair.forEach(({ canvas, width, height, caption }, n) => {
      const x = MARGIN + n * (column + MARGIN);
      pen.drawImage(canvas, x, y, width, height);
      caption.forEach((words, at) => pen.fillText(words, x, y + height + 8 + at * LINE));
    });
    y += heights[line];
  });
  y += MARGIN / 2;
  for (const [name, text] of texts) {
    pen.font = `bold ${FONT}`;
    pen.fillText(name, MARGIN, y);
    pen.font = FONT;
    for (const line of text) {
      pen.fillText(line, MARGIN + 230, y);
      y += LINE;
    }
    y += 0.4 * LINE;
  }
  y += 0.6 * LINE;
  for (const line of last) {
    pen.fillText(line, MARGIN, y);
    y += LINE;
  }
  return sheet;
};

Object.assign(Live, { report });
}
