// The two loops in which the network spends its time, for WebAssembly with vectors of four numbers. `make kernels`
// compiles them into kernels.js, twice: once with a multiplication and an addition as one instruction, which newer
// browsers know. Both loops take places in one memory of 32-bit numbers; network.js has the same two in JavaScript.

const ROWS: usize = 5; // of a product at once: with eight outputs each, ten sums and what they need fill the registers
const COLUMNS: isize = 4; // of a map at once, which share their weights

// @ts-ignore: decorator
@inline
function madd(a: v128, b: v128, sum: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, sum);
  return f32x4.add(f32x4.mul(a, b), sum);
}

// @ts-ignore: decorator
@inline
function relu6(x: v128): v128 {
  return f32x4.min(f32x4.max(x, f32x4.splat(0)), f32x4.splat(6));
}

// ---- The product of matrices ----

/** to = from · weight + bias for `rows` rows, with ReLU6 where `clip`; `add` is another map to add, 0 for none. */
export function product(
  from: usize, weight: usize, bias: usize, to: usize, add: usize,
  rows: usize, inputs: usize, outputs: usize, clip: bool,
): void {
  const line = inputs << 2;
  const goals = outputs << 2;
  from <<= 2; weight <<= 2; bias <<= 2; to <<= 2; add <<= 2;
  for (let group: usize = 0; group < goals; group += 32, weight += 8 * line) {
    if (rows < ROWS) {
      for (let row: usize = 0; row < rows; row++) {
        const goal = row * goals + group;
        one(from + row * line, line, weight, bias + group, to + goal, add ? add + goal : 0, clip);
      }
    } else {
      for (let row: usize = 0; row < rows; row += ROWS) {
        const at = min(row, rows - ROWS); // the last rows overlap with those before: quicker than one by one
        const goal = at * goals + group;
        five(from + at * line, line, weight, bias + group, to + goal, add ? add + goal : 0, goals, clip);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function put(to: usize, add: usize, left: v128, right: v128, clip: bool): void {
  if (add) {
    left = f32x4.add(left, v128.load(add));
    right = f32x4.add(right, v128.load(add, 16));
  }
  v128.store(to, clip ? relu6(left) : left);
  v128.store(to, clip ? relu6(right) : right, 16);
}

// @ts-ignore: decorator
@inline
function one(a: usize, line: usize, w: usize, bias: usize, to: usize, add: usize, clip: bool): void {
  let left = v128.load(bias), right = v128.load(bias, 16);
  for (const end = a + line; a < end; a += 4, w += 32) {
    const x = v128.load32_splat(a);
    left = madd(x, v128.load(w), left);
    right = madd(x, v128.load(w, 16), right);
  }
  put(to, add, left, right, clip);
}

// Rows a to e; of each the sums of eight outputs, in two vectors.
// @ts-ignore: decorator
@inline
function five(
  a: usize, line: usize, w: usize, bias: usize, to: usize, add: usize, goals: usize, clip: bool,
): void {
  let b = a + line, c = b + line, d = c + line, e = d + line;
  const left = v128.load(bias), right = v128.load(bias, 16);
  let a0 = left, b0 = left, c0 = left, d0 = left, e0 = left;
  let a1 = right, b1 = right, c1 = right, d1 = right, e1 = right;
  for (const end = b; a < end; a += 4, b += 4, c += 4, d += 4, e += 4, w += 32) {
    const w0 = v128.load(w), w1 = v128.load(w, 16);
    let x = v128.load32_splat(a);
    a0 = madd(x, w0, a0); a1 = madd(x, w1, a1);
    x = v128.load32_splat(b);
    b0 = madd(x, w0, b0); b1 = madd(x, w1, b1);
    x = v128.load32_splat(c);
    c0 = madd(x, w0, c0); c1 = madd(x, w1, c1);
    x = v128.load32_splat(d);
    d0 = madd(x, w0, d0); d1 = madd(x, w1, d1);
    x = v128.load32_splat(e);
    e0 = madd(x, w0, e0); e1 = madd(x, w1, e1);
  }
  const more = add ? goals : 0;
  put(to, add, a0, a1, clip); to += goals; add += more;
  put(to, add, b0, b1, clip); to += goals; add += more;
  put(to, add, c0, c1, clip); to += goals; add += more;
  put(to, add, d0, d1, clip); to += goals; add += more;
  put(to, add, e0, e1, clip);
}

// ---- The depthwise convolution ----

/** Each channel of a square map with its own k × k weights, always with ReLU6; around the map lie zeros. */
export function depthwise(
  from: usize, weight: usize, bias: usize, to: usize,
  before: isize, channels: isize, kernel: isize, stride: isize,
): void {
  const side = before / stride;
  const margin = (kernel - stride) >> 1;
  const place = channels << 2;
  const line = before * place;
  from <<= 2; weight <<= 2; bias <<= 2; to <<= 2;
  for (let y: isize = 0; y < side; y++) {
    const top = y * stride - margin;
    const i0 = max<isize>(0, -top), i1 = min<isize>(kernel, before - top); // the rows of the kernel within the map
    const w = weight + i0 * kernel * place;
    let x: isize = 0;
    while (x < side) {
      const left = x * stride - margin;
      const j0 = max<isize>(0, -left), j1 = min<isize>(kernel, before - left);
      const together = !j0 && x + COLUMNS <= side && left + (COLUMNS - 1) * stride + kernel <= before;
      const corner = from + (top + i0) * line + (left + j0) * place;
      for (let c: isize = 0; c < place; c += 32) {
        if (together) four(corner + c, w + c, bias + c, to + c, i1 - i0, kernel, line, place, stride);
        else single(corner + c, w + c + j0 * place, bias + c, to + c, i1 - i0, j1 - j0, kernel, line, place);
      }
      const done: isize = together ? COLUMNS : 1;
      x += done;
      to += done * place;
    }
  }
}

// @ts-ignore: decorator
@inline
function single(
  corner: usize, w: usize, bias: usize, to: usize,
  rows: isize, columns: isize, kernel: isize, line: isize, place: isize,
): void {
  let left = v128.load(bias), right = v128.load(bias, 16);
  for (; rows > 0; rows--, corner += line, w += (kernel - columns) * place) {
    let a = corner;
    for (const end = a + columns * place; a < end; a += place, w += place) {
      left = madd(v128.load(a), v128.load(w), left);
      right = madd(v128.load(a, 16), v128.load(w, 16), right);
    }
  }
  v128.store(to, relu6(left)); v128.store(to, relu6(right), 16);
}

// Columns a to d; of each the sums of eight channels, in two vectors.
// @ts-ignore: decorator
@inline
function four(
  corner: usize, w: usize, bias: usize, to: usize,
  rows: isize, kernel: isize, line: isize, place: isize, stride: isize,
): void {
  const left = v128.load(bias), right = v128.load(bias, 16);
  let a0 = left, b0 = left, c0 = left, d0 = left;
  let a1 = right, b1 = right, c1 = right, d1 = right;
  const next = stride * place;
  for (; rows > 0; rows--, corner += line) {
    let a = corner, b = a + next, c = b + next, d = c + next;
    for (const end = a + kernel * place; a < end; a += place, b += place, c += place, d += place, w += place) {
      const w0 = v128.load(w), w1 = v128.load(w, 16);
      a0 = madd(v128.load(a), w0, a0); a1 = madd(v128.load(a, 16), w1, a1);
      b0 = madd(v128.load(b), w0, b0); b1 = madd(v128.load(b, 16), w1, b1);
      c0 = madd(v128.load(c), w0, c0); c1 = madd(v128.load(c, 16), w1, c1);
      d0 = madd(v128.load(d), w0, d0); d1 = madd(v128.load(d, 16), w1, d1);
    }
  }
  v128.store(to, relu6(a0)); v128.store(to, relu6(a1), 16); to += place;
  v128.store(to, relu6(b0)); v128.store(to, relu6(b1), 16); to += place;
  v128.store(to, relu6(c0)); v128.store(to, relu6(c1), 16); to += place;
  v128.store(to, relu6(d0)); v128.store(to, relu6(d1), 16);
}
