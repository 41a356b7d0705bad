"use strict";
// What stands on the picture: the photo, cropped and turned; its cover; and over both the map in colours.

globalThis.Live ??= {};
{
const LONGEST = 512; // pixels of the photo on the page, so that a small one can be painted on
const GREYS = [0.1, 0.85]; // a photo's black and white below a map, as in helpers.plotting

const blank = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

// Red, green, blue as the packaged or decoded photo has them, on a canvas.
const onCanvas = ({ width, height, data }) => {
  const canvas = blank(width, height);
  const image = new ImageData(width, height);
  for (let n = 0; n < width * height; n++) {
    image.data[4 * n] = data[3 * n];
    image.data[4 * n + 1] = data[3 * n + 1];
    image.data[4 * n + 2] = data[3 * n + 2];
    image.data[4 * n + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
};

const makeGrey = (data) => {
  for (let n = 0; n < data.length; n += 4) {
    const brightness = (0.299 * data[n] + 0.587 * data[n + 1] + 0.114 * data[n + 2]) / 255;
    data[n] = data[n + 1] = data[n + 2] = 255 * (GREYS[0] + (GREYS[1] - GREYS[0]) * brightness);
  }
};

// A photo as it is shown, once with its colours and once in grey.
const views = (photo, [left, top, right, bottom], { angle, across, down }, mirror) => {
  const scale = LONGEST / Math.max(right - left, bottom - top);
  const [width, height] = [right - left, bottom - top].map((length) => Math.max(1, Math.round(length * scale)));
  const [colour, grey] = [blank(width, height), blank(width, height)];
  const pen = colour.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#808080"; // where the photo ends
  pen.fillRect(0, 0, width, height);
  pen.translate(width * (0.5 + across), height * (0.5 + down));
  pen.rotate((angle * Math.PI) / 180);
  if (mirror) pen.scale(-1, 1);
  pen.drawImage(photo, left, top, right - left, bottom - top, -width / 2, -height / 2, width, height);
  const pixels = pen.getImageData(0, 0, width, height);
  makeGrey(pixels.data);
  grey.getContext("2d").putImageData(pixels, 0, 0);
  return { colour, grey };
};

const layer = (paint) => {
  const { SIDE } = Live;
  const canvas = blank(SIDE, SIDE);
  const image = new ImageData(SIDE, SIDE);
  paint(image.data);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
};

// A cover, to be laid over the photo.
const coverLayer = (cover, filled, inGrey) =>
  layer((data) => {
    for (let n = 0; n < cover.length; n++) {
      if (!cover[n]) continue;
      for (let colour = 0; colour < 3; colour++) data[4 * n + colour] = filled(3 * n + colour);
      data[4 * n + 3] = 255 * cover[n];
    }
    if (inGrey) makeGrey(data);
  });

// A map, to be laid over both; `top` is the value of the strongest colour.
const mapLayer = (map, { palette, top, smooth }) =>
  layer((data) => {
    const [shades, pixels] = [shadesOf(palette), new Uint32Array(data.buffer)];
    Live.enlarged(map, Live.SIDE, Live.SIDE, smooth).forEach((value, n) => {
      pixels[n] = shades[STEPS + Math.round(STEPS * Math.min(Math.max(value / (top || 1), -1), 1))];
    });
  });

// The colours from -1 to 1, looked up once, four bytes each.
const STEPS = 255;
const known = {};
const shadesOf = (palette) => (known[palette] ??= shadesBetween(palette));
const shadesBetween = (palette) => {
  const bytes = new Uint8ClampedArray(4 * (2 * STEPS + 1));
  for (let n = 0; n <= 2 * STEPS; n++) {
    const [red, green, blue, alpha] = Live.colour(palette, n / STEPS - 1);
    bytes.set([red, green, blue, 255 * alpha], 4 * n);
  }
  return new Uint32Array(bytes.buffer);
};

const drawAll = (canvas, { colour, grey }, { cover, map, opacity, smooth }) => {
  const base = map && opacity ? grey : colour;
  const { width, height } = base;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.drawImage(base, 0, 0);
  if (cover) pen.drawImage(coverLayer(...cover, base === grey), 0, 0, width, height);
  if (base === colour) return;
  pen.globalAlpha = opacity;
  pen.imageSmoothingEnabled = smooth;
  pen.drawImage(map, 0, 0, width, height);
  pen.globalAlpha = 1;
  pen.imageSmoothingEnabled = true;
};

Object.assign(Live, { stage: { onCanvas, views, mapLayer, drawAll } });
}
