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
    for (const word of paragraph.split(" ")) {
      const longer = line ? `${line} ${word}` : word;
      if (line && pen.measureText(longer).width > width) {
        lines.push(line);
        line = word;
      } else line = longer;
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
  const shown = pictures.map(({ canvas, caption }) => ({
    canvas, caption: wrapped(pen, caption, column), height: (canvas.height * column) / canvas.width,
  }));
  const pictured = Math.max(...shown.map(({ height, caption }) => height + caption.length * LINE));
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
  shown.forEach(({ canvas, caption, height }, n) => {
    const x = MARGIN + n * (column + MARGIN);
    pen.drawImage(canvas, x, y, column, height);
    caption.forEach((line, row) => pen.fillText(line, x, y + height + 8 + row * LINE));
  });
  y += pictured + MARGIN;
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
