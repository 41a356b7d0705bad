"use strict";
// What is done to the square of pixels that the network sees: covers, their fills, and moves. All functions are pure.

globalThis.Live ??= {};
{
const SIDE = 224;
const PIXELS = SIDE * SIDE;
const SOFT = 8; // pixels over which a soft edge fades
const NEAR = 16; // pixels around a cover that count as its surroundings
const BLUR = 12;

// The same numbers on every machine, between 0 and 1 (mulberry32 by Tommy Ettinger).
const lot = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

// The mean over the pixels within a radius to the left and to the right; beyond the border the last pixel goes on.
const averaged = (values, radius, step, rows, rowStep) => {
  const found = new Float32Array(values.length);
  const last = SIDE - 1;
  for (let row = 0; row < rows; row++) {
    const at = (i) => values[row * rowStep + Math.min(Math.max(i, 0), last) * step];
    let sum = 0;
    for (let i = -radius; i <= radius; i++) sum += at(i);
    for (let i = 0; i <= last; i++) {
      found[row * rowStep + i * step] = sum / (2 * radius + 1);
      sum += at(i + radius + 1) - at(i - radius);
    }
  }
  return found;
};

// Three means, one after the other, are nearly a Gaussian.
const blurred = (plane, radius) => {
  let values = Float32Array.from(plane);
  for (let pass = 0; pass < 3; pass++) {
    values = averaged(values, radius, 1, SIDE, SIDE);
    values = averaged(values, radius, SIDE, SIDE, 1);
  }
  return values;
};

// A cover is a plane of numbers from 0 (the photo) to 1 (the fill).

// Strokes of a round brush: {radius, points: [x, y, x, y, …]} in pixels of the square.
const painted = (strokes, cover = new Float32Array(PIXELS)) => {
  for (const { radius, points } of strokes) {
    for (let n = 0; n < points.length; n += 2) {
      const [x, y] = [points[n], points[n + 1]];
      const [fromX, fromY] = n ? [points[n - 2], points[n - 1]] : [x, y];
      const dabs = Math.max(1, Math.ceil(Math.hypot(x - fromX, y - fromY) / Math.max(1, radius / 4)));
      for (let dab = 1; dab <= dabs; dab++) {
        stamp(cover, fromX + ((x - fromX) * dab) / dabs, fromY + ((y - fromY) * dab) / dabs, radius);
      }
    }
  }
  return cover;
};

// Strokes as letters, two bytes for each point: radius, number of points, points; for each stroke.
const textOf = (all) => {
  const bytes = all.flatMap(({ radius, points }) => [radius, (points.length / 2) >> 8, (points.length / 2) & 255, ...points]);
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};
const strokesFrom = (text) => {
  const found = [];
  try {
    const bytes = [...atob(text.replaceAll("-", "+").replaceAll("_", "/"))].map((letter) => letter.charCodeAt(0));
    for (let n = 0; n + 3 < bytes.length; ) {
      const count = 256 * bytes[n + 1] + bytes[n + 2];
      const points = bytes.slice(n + 3, n + 3 + 2 * count);
      if (points.length === 2 * count && count && bytes[n] >= 1 && bytes[n] <= SIDE) found.push({ radius: bytes[n], points });
      n += 3 + 2 * count;
    }
  } catch {
    return []; // no strokes
  }
  return found;
};

const stamp = (cover, x, y, radius) => {
  for (let row = Math.max(0, Math.ceil(y - radius)); row <= Math.min(SIDE - 1, y + radius); row++) {
    for (let column = Math.max(0, Math.ceil(x - radius)); column <= Math.min(SIDE - 1, x + radius); column++) {
      if ((column - x) ** 2 + (row - y) ** 2 <= radius ** 2) cover[row * SIDE + column] = 1;
    }
  }
};

// Some of the 49 places, each of 32 by 32 pixels.
const ofPlaces = (places) => {
  const cover = new Float32Array(PIXELS);
  const wide = SIDE / 7;
  for (const place of places) {
    const [top, left] = [Math.floor(place / 7) * wide, (place % 7) * wide];
    for (let row = top; row < top + wide; row++) cover.fill(1, row * SIDE + left, row * SIDE + left + wide);
  }
  return cover;
};

const softened = (cover) => blurred(cover, SOFT / 2);
const area = (cover) => cover.reduce((sum, part) => sum + part, 0) / PIXELS;

const plane = (pixels, colour) => Float32Array.from({ length: PIXELS }, (_, n) => pixels[3 * n + colour]);

const blurs = new WeakMap(); // of a square, made once

const FILLS = {
  grey: () => () => 128,
  black: () => () => 0,
  white: () => () => 255,
  noise: () => {
    const draw = lot(1);
    const values = Float32Array.from({ length: 3 * PIXELS }, () => Math.floor(256 * draw()));
    return (n) => values[n];
  },
  blur: (pixels) => {
    if (!blurs.has(pixels)) blurs.set(pixels, [0, 1, 2].map((colour) => blurred(plane(pixels, colour), BLUR)));
    const planes = blurs.get(pixels);
    return (n) => planes[n % 3][Math.floor(n / 3)];
  },
  surroundings: (pixels, cover) => {
    const reached = blurred(cover, NEAR / 2);
    const sum = [0, 0, 0, 0];
    for (const wanted of [(n) => cover[n] === 0 && reached[n] > 0.001, (n) => cover[n] === 0, () => true]) {
      for (let n = 0; n < PIXELS; n++) {
        if (!wanted(n)) continue;
        for (let colour = 0; colour < 3; colour++) sum[colour] += pixels[3 * n + colour];
        sum[3] += 1;
      }
      if (sum[3]) break; // nothing left around the cover: all that is not covered; nothing at all: the photo
    }
    return (n) => sum[n % 3] / sum[3];
  },
};

// What stands in the place of covered pixels: a function of the position in (row, column, colour).
const fill = (name, pixels, cover) => FILLS[name](pixels, cover);

const covered = (pixels, cover, filled) => {
  const result = Uint8Array.from(pixels);
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    const part = cover[pixel];
    if (part === 0) continue;
    for (let n = 3 * pixel; n < 3 * pixel + 3; n++) {
      result[n] = Math.round(part * filled(n) + (1 - part) * pixels[n]);
    }
  }
  return result;
};

const mirrored = ({ width, height, data }) => {
  const turned = new Uint8Array(data.length);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [to, from] = [3 * (row * width + column), 3 * (row * width + width - 1 - column)];
      turned.set(data.subarray(from, from + 3), to);
    }
  }
  return { width, height, data: turned };
};

// Where in the photo a pixel of the result comes from, both measured from the middle in sides of the square: turned
// by an angle as the photo is (not as it is squashed), then moved by parts of its sides. `tall` is height / width.
const way = ({ angle, across, down }, tall) => {
  const [cos, sin] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
  return (u, v) => {
    const [x, y] = [u - across, (v - down) * tall];
    return [cos * x + sin * y, (cos * y - sin * x) / tall];
  };
};

// The square turned clockwise and moved, bilinearly; grey where the photo ends.
const moved = (pixels, move, tall) => {
  const from = way(move, tall);
  const result = new Uint8Array(3 * PIXELS);
  const at = (x, y, colour) =>
    x < 0 || y < 0 || x >= SIDE || y >= SIDE ? 128 : pixels[3 * (y * SIDE + x) + colour];
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const [u, v] = from((column + 0.5) / SIDE - 0.5, (row + 0.5) / SIDE - 0.5);
      const [x, y] = [(u + 0.5) * SIDE - 0.5, (v + 0.5) * SIDE - 0.5];
      const [left, top] = [Math.floor(x), Math.floor(y)];
      const [right, low] = [x - left, y - top];
      for (let colour = 0; colour < 3; colour++) {
        const upper = (1 - right) * at(left, top, colour) + right * at(left + 1, top, colour);
        const lower = (1 - right) * at(left, top + 1, colour) + right * at(left + 1, top + 1, colour);
        result[3 * (row * SIDE + column) + colour] = Math.round((1 - low) * upper + low * lower);
      }
    }
  }
  return result;
};

Object.assign(Live, {
  SIDE, FILLS: Object.keys(FILLS), lot, blurred, painted, textOf, strokesFrom, ofPlaces, softened, area, fill, covered, mirrored, moved,
});
}
