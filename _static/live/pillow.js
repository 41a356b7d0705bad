"use strict";
// Pictures as the network gets them: decoded and resized to the very pixels that the Python library Pillow gives, since
// the network's answers depend on them. The browser's own resizing is another one, and changes answers.
// Source of the resizing: Pillow, src/libImaging/Resample.c.

globalThis.Live ??= {};
{
const MOST = 50e6; // bytes of a file and pixels of a picture
const ROWS = 256; // that are read at a time: phones limit the size of a canvas

// ---- From a file to pixels -----------------------------------------------------------------------------------------

const heic = async (blob) => {
  const start = String.fromCharCode(...new Uint8Array(await blob.slice(4, 12).arrayBuffer()));
  return /^ftyp(hei|hev|mif1|msf1)/.test(start);
};

// Width and height as the file tells them, known before anything is decoded; zeros where it is no picture.
const announced = (blob) => new Promise((resolve) => {
  const picture = new Image();
  const address = URL.createObjectURL(blob);
  picture.onload = picture.onerror = () => {
    URL.revokeObjectURL(address);
    resolve([picture.naturalWidth, picture.naturalHeight]);
  };
  picture.src = address;
});

const checked = (width, height) => {
  if (width * height <= MOST) return;
  throw new Error(`This picture has ${Math.ceil(width * height / 1e6)} million pixels, more than the `
    + `${MOST / 1e6} million that can be read here: save a smaller copy.`);
};

const bitmapOf = async (blob) => {
  try {
    // The numbers in the file: neither adapted to a screen nor rounded by a multiplication with the opacity.
    return await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch (error) {
    throw new Error(await heic(blob)
      ? "This browser cannot read HEIC pictures: save the photo as JPEG."
      : "This file is no picture that this browser can read, or it is damaged.", { cause: error });
  }
};

// A photo as upright RGB, 8 bits a channel, transparent parts on white: what `helpers.load_image` makes of it.
Live.decode = async (blob) => {
  if (!blob.size) throw new Error("This file is empty.");
  if (blob.size > MOST) {
    throw new Error(`This file has ${Math.ceil(blob.size / 1e6)} MB, more than the ${MOST / 1e6} MB that can be read `
      + "here: save a smaller copy.");
  }
  checked(...await announced(blob));
  const bitmap = await bitmapOf(blob);
  const { width, height } = bitmap;
  try {
    checked(width, height);
    return { width, height, data: pixelsOf(bitmap) };
  } finally {
    bitmap.close();
  }
};

const pixelsOf = (bitmap) => {
  const { width, height } = bitmap;
  const data = new Uint8Array(width * height * 3);
  const canvas = new OffscreenCanvas(width, Math.min(ROWS, height));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  for (let top = 0, to = 0; top < height; top += ROWS) {
    const rows = Math.min(ROWS, height - top);
    context.fillRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, -top);
    const rgba = context.getImageData(0, 0, width, rows).data;
    for (let from = 0; from < rgba.length; from += 4) {
      data[to++] = rgba[from];
      data[to++] = rgba[from + 1];
      data[to++] = rgba[from + 2];
    }
  }
  return data;
};

// ---- To another size -----------------------------------------------------------------------------------------------

// Keys' cubic with a = -0.5: how much a pixel at this distance counts.
const bicubic = (x) => {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
};
const REACH = 2; // where it ends

// For each of `to` pixels along one axis: the first of the `from` pixels that count, how many do, and their weights as
// whole numbers with 22 binary places. Where the picture shrinks, the cubic widens, so that every pixel counts.
const BITS = 22;
const counting = (from, to) => {
  const scale = from / to;
  const wide = Math.max(scale, 1);
  const most = Math.ceil(REACH * wide) * 2 + 1;
  const first = new Int32Array(to);
  const many = new Int32Array(to);
  const weight = new Int32Array(to * most);
  for (let i = 0; i < to; i++) {
    const middle = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(middle - REACH * wide + 0.5), 0);
    const end = Math.min(Math.trunc(middle + REACH * wide + 0.5), from);
    const exact = Array.from({ length: end - start }, (_, k) => bicubic((k + start - middle + 0.5) * (1 / wide)));
    const sum = exact.reduce((total, one) => total + one, 0);
    exact.forEach((one, k) => {
      const scaled = (one / sum) * 2 ** BITS;
      weight[i * most + k] = Math.trunc(scaled + Math.sign(scaled) * 0.5);
    });
    first[i] = start;
    many[i] = end - start;
  }
  return { most, first, many, weight };
};

const clamped = (sum) => Math.max(0, Math.min(255, sum >> BITS));

// Both directions are one loop: `lines` lines of `from` pixels become as many of `to`. A pixel's neighbour along its
// line is `step` bytes away, the next line `stride` bytes.
const along = (data, lines, stride, step, from, to, made, madeStride, madeStep) => {
  const { most, first, many, weight } = counting(from, to);
  const half = 1 << (BITS - 1);
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < to; i++) {
      let red = half;
      let green = half;
      let blue = half;
      let at = line * stride + first[i] * step;
      for (let k = i * most, end = k + many[i]; k < end; k++, at += step) {
        red = (red + Math.imul(data[at], weight[k])) | 0; // as 32-bit numbers, twice as quick
        green = (green + Math.imul(data[at + 1], weight[k])) | 0;
        blue = (blue + Math.imul(data[at + 2], weight[k])) | 0;
      }
      const goal = line * madeStride + i * madeStep;
      made[goal] = clamped(red);
      made[goal + 1] = clamped(green);
      made[goal + 2] = clamped(blue);
    }
  }
  return made;
};

// A part of a picture; what lies outside of it is black.
const cropped = ({ width, height, data }, [left, top, right, bottom]) => {
  const part = { width: right - left, height: bottom - top };
  part.data = new Uint8Array(part.width * part.height * 3);
  const from = Math.max(left, 0);
  const to = Math.min(right, width);
  for (let y = Math.max(top, 0); y < Math.min(bottom, height) && from < to; y++) {
    const row = data.subarray((y * width + from) * 3, (y * width + to) * 3);
    part.data.set(row, ((y - top) * part.width + from - left) * 3);
  }
  return part;
};

const across = (data, width, height, side) => width === side ? data
  : along(data, height, width * 3, 3, width, side, new Uint8Array(side * height * 3), side * 3, 3);
const down = (data, width, height, side) => height === side ? data
  : along(data, width, 3, width * 3, height, side, new Uint8Array(width * side * 3), 3, width * 3);

// The picture, or the part in the box (left, top, right, bottom), as a square: first along its rows, then along its
// columns. Each step rounds, so the order matters: Pillow 13 changes it where the height loses more than twice as much.
Live.resize = (picture, box = null, side = 224) => {
  const { width, height, data } = box ? cropped(picture, box) : picture;
  const tall = height - side > Math.max(0, 2 * (width - side));
  const made = tall ? across(down(data, width, height, side), width, side, side)
    : down(across(data, width, height, side), side, height, side);
  return made === picture.data ? made.slice() : made;
};
}
