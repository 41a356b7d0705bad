"use strict";
// What a network of maps and a mean says: probabilities, guesses, the bill of a logit, a map enlarged. All pure.

globalThis.Live ??= {};
{
const PLACES = 49;

const softmax = (logits) => {
  const top = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Float64Array.from(logits, (logit) => Math.exp(logit - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
};

// The indices of the largest values, largest first.
const largest = (values, count) =>
  [...values.keys()].sort((a, b) => values[b] - values[a] || a - b).slice(0, count);

// Numbers that are printed with so many digits and add up to the printed sum: what rounding took is given back to
// those that lost the most (the method of the largest remainder).
const addingUp = (parts, digits) => {
  const scale = 10 ** digits;
  const floors = parts.map((part) => Math.floor(part * scale));
  const sum = Math.round(parts.reduce((a, b) => a + b, 0) * scale);
  const missing = sum - floors.reduce((a, b) => a + b, 0);
  for (const n of largest(parts.map((part, n) => part * scale - floors[n]), missing)) floors[n] += 1;
  return { parts: floors.map((part) => part / scale), sum: sum / scale };
};

// The hill of chapter 6: the same numbers are added to the maps of all classes.
const hill = (height) =>
  Float64Array.from({ length: PLACES }, (_, place) => (place >= 28 && place % 7 >= 4 ? height : 0));

// A map (7, 7) enlarged bilinearly as `helpers.upsample` does it, or in squares.
const enlarged = (map, width, height, smooth) => {
  const found = new Float32Array(width * height);
  const along = (n, length) => {
    const at = Math.min(Math.max(((n + 0.5) * 7) / length - 0.5, 0), 6);
    const low = Math.min(Math.floor(at), 5);
    return [low, at - low];
  };
  for (let row = 0; row < height; row++) {
    const [top, down] = along(row, height);
    for (let column = 0; column < width; column++) {
      const [left, right] = along(column, width);
      const n = row * width + column;
      if (!smooth) {
        found[n] = map[Math.floor((row * 7) / height) * 7 + Math.floor((column * 7) / width)];
        continue;
      }
      const upper = map[top * 7 + left] * (1 - right) + map[top * 7 + left + 1] * right;
      const lower = map[top * 7 + 7 + left] * (1 - right) + map[top * 7 + 8 + left] * right;
      found[n] = upper * (1 - down) + lower * down;
    }
  }
  return found;
};

// Where a map is highest, in words.
const CORNERS = [["upper left", "top", "upper right"], ["left", "middle", "right"], ["lower left", "bottom", "lower right"]];
const region = (map) => {
  const place = largest(map, 1)[0];
  const third = (n) => (n < 2 ? 0 : n > 4 ? 2 : 1);
  return CORNERS[third(Math.floor(place / 7))][third(place % 7)];
};

Object.assign(Live, { PLACES, softmax, largest, addingUp, hill, enlarged, region });
}
