"use strict";
// EfficientNet-Lite0 in the page: 224 × 224 pixels go in; the logits of 1000 classes come out, and the last map, 1280
// channels at 7 × 7 places, from which the heat map of every class follows without a backward pass.
// Source of the network: Tan and Le 2019 (arXiv:1905.11946), as its TPU repository adapted it.

globalThis.Live ??= {};
{
const fromBase64 = (text) => {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
};

// ---- The network ---------------------------------------------------------------------------------------------------
// All of it is one function, since a worker gets its source as text: of the names outside it may use fromBase64 alone.
// It returns another function, which carries out one task after the other.

const network = () => {
  const SIDE = 224;
  const PLACES = 49;
  const CHANNELS = 1280;
  const CLASSES = 1000;
  const TOGETHER = 8; // outputs of a matrix product whose weights lie side by side

  // What a run computes, layer by layer, and where everything lies in one long memory of 32-bit numbers: first the
  // weights, then a few maps that are used again and again. A map has all channels of a place side by side.
  const plan = () => {
    const layers = [];
    const sizes = { wide: 0, deep: 0, even: 0, odd: 0, mean: CHANNELS, logits: CLASSES };
    let end = 0; // of the weights so far
    let side = SIDE / 2;

    // A convolution by 1 × 1 multiplies the channels of each place by one matrix. `clip` is the ReLU6 behind it.
    const matrix = (name, inputs, outputs, from, to, { rows = side * side, clip = false, add = null } = {}) =>
      put({ name, inputs, outputs, rows, clip, add, from, to }, inputs * outputs);

    // A depthwise convolution looks at k × k neighbours, in each channel apart; a stride of 2 halves the map.
    const depthwise = (name, kernel, stride, channels, from) => {
      const before = side;
      side /= stride;
      put({ name, kernel, stride, before, outputs: channels, rows: side * side, clip: true, from, to: "deep" },
        kernel * kernel * channels);
    };

    const put = (layer, weights) => {
      layer.weight = end;
      layer.bias = end + weights;
      end = layer.bias + 2 * layer.outputs; // the bias comes as two numbers to add up
      sizes[layer.to] = Math.max(sizes[layer.to], layer.rows * layer.outputs);
      layers.push(layer);
    };

    // The first convolution, 3 × 3 with stride 2, is a matrix too, once the 27 numbers that it sees at each place lie
    // side by side.
    matrix("conv_stem", 27, 32, "wide", "even", { clip: true });
    sizes.wide = side * side * 27;

    // One block: widen the channels, look around in each, and mix them into few. A block that changes neither the
    // number of channels nor the size of the map adds what came in.
    let [here, there, channels] = ["even", "odd", 32];
    const block = (name, kernel, stride, widening, outputs) => {
      const first = widening === 1;
      const inner = channels * widening;
      if (!first) matrix(`${name}.conv_pw`, channels, inner, here, "wide", { clip: true });
      depthwise(`${name}.conv_dw`, kernel, stride, inner, first ? here : "wide");
      const add = stride === 1 && channels === outputs ? here : null;
      matrix(`${name}.${first ? "conv_pw" : "conv_pwl"}`, inner, outputs, "deep", there, { add });
      [here, there, channels] = [there, here, outputs];
    };
    [ // kernel, stride, widening, channels out, blocks
      [3, 1, 1, 16, 1],
      [3, 2, 6, 24, 2],
      [5, 2, 6, 40, 2],
      [3, 2, 6, 80, 3],
      [5, 1, 6, 112, 3],
      [5, 2, 6, 192, 4],
      [3, 1, 6, 320, 1],
    ].forEach(([kernel, stride, widening, outputs, blocks], stage) => {
      for (let i = 0; i < blocks; i++) block(`blocks.${stage}.${i}`, kernel, i ? 1 : stride, widening, outputs);
    });

    matrix("conv_head", channels, CHANNELS, here, "wide", { clip: true });
    matrix("classifier", CHANNELS, CLASSES, "mean", "logits", { rows: 1 });

    const at = {};
    let free = end;
    for (const [map, size] of Object.entries(sizes)) {
      at[map] = free;
      free += (size + 3) & ~3;
    }
    return { layers, at, weights: end, size: free };
  };
  const { layers, at, weights, size } = plan();
  const head = layers.at(-1);

  // ---- The two loops that take the time, in plain JavaScript; kernels.ts has them in WebAssembly ----

  const scripted = (memory) => {
    // One row of numbers times the weights of eight outputs.
    const eight = (x, w, inputs, bias, goal) => {
      let a = memory[bias];
      let b = memory[bias + 1];
      let c = memory[bias + 2];
      let d = memory[bias + 3];
      let e = memory[bias + 4];
      let f = memory[bias + 5];
      let g = memory[bias + 6];
      let h = memory[bias + 7];
      for (const last = x + inputs; x < last; x++, w += 8) {
        const value = memory[x];
        a += value * memory[w];
        b += value * memory[w + 1];
        c += value * memory[w + 2];
        d += value * memory[w + 3];
        e += value * memory[w + 4];
        f += value * memory[w + 5];
        g += value * memory[w + 6];
        h += value * memory[w + 7];
      }
      memory[goal] = a;
      memory[goal + 1] = b;
      memory[goal + 2] = c;
      memory[goal + 3] = d;
      memory[goal + 4] = e;
      memory[goal + 5] = f;
      memory[goal + 6] = g;
      memory[goal + 7] = h;
    };
    const addProducts = (goal, x, w, many) => {
      for (let c = 0; c < many; c++) memory[goal + c] += memory[x + c] * memory[w + c];
    };
    const addUp = (goal, x, many) => {
      for (let c = 0; c < many; c++) memory[goal + c] += memory[x + c];
    };
    const relu6 = (goal, many) => {
      for (let c = 0; c < many; c++) memory[goal + c] = Math.min(Math.max(memory[goal + c], 0), 6);
    };

    return {
      // to = from · weight + bias for `rows` rows, with ReLU6 where `clip`; `add` is another map to add, 0 for none.
      product(from, weight, bias, to, add, rows, inputs, outputs, clip) {
        for (let row = 0; row < rows; row++) {
          const goal = to + row * outputs;
          for (let group = 0; group < outputs; group += TOGETHER) {
            eight(from + row * inputs, weight + group * inputs, inputs, bias + group, goal + group);
          }
          if (add) addUp(goal, add + row * outputs, outputs);
          if (clip) relu6(goal, outputs);
        }
      },

      // Each channel of a square map with its own k × k weights, always with ReLU6. Around the map lie zeros: as many
      // behind as in front, or one more where their number is odd.
      depthwise(from, weight, bias, to, before, channels, kernel, stride) {
        const side = before / stride;
        const margin = (kernel - stride) >> 1;
        for (let y = 0; y < side; y++) {
          for (let x = 0; x < side; x++, to += channels) {
            memory.copyWithin(to, bias, bias + channels);
            for (let i = 0; i < kernel; i++) {
              const row = y * stride + i - margin;
              if (row < 0 || row >= before) continue;
              for (let j = 0; j < kernel; j++) {
                const column = x * stride + j - margin;
                if (column < 0 || column >= before) continue;
                addProducts(to, from + (row * before + column) * channels,
                  weight + (i * kernel + j) * channels, channels);
              }
            }
            relu6(to, channels);
          }
        }
      },
    };
  };

  // The same two, compiled, where the browser and the page's policy let them run: the first module that it knows.
  const compiled = async (modules) => {
    const module = modules.map(fromBase64).find((bytes) => WebAssembly.validate(bytes));
    const memory = new WebAssembly.Memory({ initial: Math.ceil(size * 4 / 65536) });
    const { instance } = await WebAssembly.instantiate(module, { env: { memory } });
    return [instance.exports, new Float32Array(memory.buffer)];
  };

  // ---- Weights ----

  let memory;
  let kernels;
  let shades; // the numbers that the network was trained to get for the values 0 to 255 of each colour
  let packed; // what unpacks the weights as they come
  let halves; // the weights in 16 bits: first the upper byte of each, then the lower one of each

  // All numbers that 16 bits can say: sign, five bits of exponent, ten of fraction.
  const halfPrecision = () => {
    const numbers = new Float32Array(1 << 16);
    const bits = new Uint32Array(numbers.buffer);
    for (let half = 0; half < 1 << 15; half++) {
      if (half < 1 << 10) numbers[half] = half / (1 << 24); // the smallest ones have no exponent
      else bits[half] = (half << 13) + (112 << 23);
      numbers[half + (1 << 15)] = -numbers[half];
    }
    return numbers;
  };

  const unpack = () => {
    const numbers = halfPrecision();
    for (let i = 0; i < weights; i++) memory[i] = numbers[(halves[i] << 8) | halves[weights + i]];
    for (const { bias, outputs } of layers) {
      for (let i = bias; i < bias + outputs; i++) memory[i] += memory[i + outputs];
    }
  };

  // Seeded numbers from 0 to 1, by mulberry32: the same on every machine, as only whole numbers go in.
  const dice = (seed) => () => {
    seed = (seed + 0x6D2B79F5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };

  // A layer drawn anew by the rule of He et al. 2015 (arXiv:1502.01852), uniform with the variance 2 / inputs, without
  // bias: so the numbers in the maps neither die out nor all reach the ends of ReLU6, however deep the network is.
  const draw = (layer, random) => {
    const reach = Math.sqrt(6 / (layer.inputs ?? layer.kernel * layer.kernel));
    for (let i = layer.weight; i < layer.bias; i++) memory[i] = (2 * random() - 1) * reach;
    memory.fill(0, layer.bias, layer.bias + layer.outputs);
  };

  // The last layer as a matrix with a row for each class.
  const lastLayer = () => {
    const weight = new Float32Array(CLASSES * CHANNELS);
    let from = head.weight;
    for (let group = 0; group < CLASSES; group += TOGETHER) {
      for (let c = 0; c < CHANNELS; c++) {
        for (let i = 0; i < TOGETHER; i++) weight[(group + i) * CHANNELS + c] = memory[from++];
      }
    }
    return { weight, bias: memory.slice(head.bias, head.bias + CLASSES) };
  };

  // ---- A run ----

  // Of each place of the first convolution the 3 × 3 pixels that it sees, side by side. Only behind the right and the
  // lower edge lie zeros.
  const framed = new Float32Array((SIDE + 1) * (SIDE + 1) * 3);
  const lookAt = (pixels) => {
    for (let y = 0, from = 0; y < SIDE; y++) {
      for (let to = y * (SIDE + 1) * 3, end = to + SIDE * 3; to < end; to += 3, from += 3) {
        framed[to] = shades[0][pixels[from]];
        framed[to + 1] = shades[1][pixels[from + 1]];
        framed[to + 2] = shades[2][pixels[from + 2]];
      }
    }
    let to = at.wide;
    for (let y = 0; y < SIDE; y += 2) {
      for (let x = 0; x < SIDE; x += 2) {
        for (let i = 0; i < 3; i++) {
          const from = ((y + i) * (SIDE + 1) + x) * 3;
          for (let n = 0; n < 9; n++) memory[to++] = framed[from + n];
        }
      }
    }
  };

  // The last map with all places of a channel side by side, and the mean of each channel for the last layer.
  const gather = () => {
    const activations = new Float32Array(CHANNELS * PLACES);
    for (let c = 0; c < CHANNELS; c++) {
      let sum = 0;
      for (let place = 0; place < PLACES; place++) {
        const value = memory[at.wide + place * CHANNELS + c];
        activations[c * PLACES + place] = value;
        sum += value;
      }
      memory[at.mean + c] = sum / PLACES;
    }
    return activations;
  };

  const compute = (layer) => {
    const { from, to, weight, bias, outputs, clip, add } = layer;
    if (layer.kernel) {
      kernels.depthwise(at[from], weight, bias, at[to], layer.before, outputs, layer.kernel, layer.stride);
    } else {
      kernels.product(at[from], weight, bias, at[to], add ? at[add] : 0, layer.rows, layer.inputs, outputs, clip);
    }
  };

  const run = (pixels, seen = () => {}) => {
    const begun = performance.now();
    let activations;
    lookAt(pixels);
    for (const layer of layers) {
      if (layer === head) activations = gather();
      compute(layer);
      seen(layer);
    }
    const logits = memory.slice(at.logits, at.logits + CLASSES);
    return { logits, activations, ms: performance.now() - begun };
  };

  // ---- The tasks ----

  const tasks = {
    async open({ mean, std, modules }) {
      shades = mean.map((m, c) => Float32Array.from({ length: 256 }, (_, value) => (value / 255 - m) / std[c]));
      const unpacking = new DecompressionStream("gzip");
      packed = { writer: unpacking.writable.getWriter(), bytes: new Response(unpacking.readable).arrayBuffer() };
      packed.bytes.catch(() => {}); // `weights` tells of it
      try {
        [kernels, memory] = await compiled(modules);
        return "wasm";
      } catch { // there is no WebAssembly, or it is forbidden here
        memory = new Float32Array(size);
        kernels = scripted(memory);
        return "js";
      }
    },

    chunk(text) {
      packed.writer.write(fromBase64(text)).catch(() => {});
    },

    // A packed stream ends with its length and a checksum, which unpacking compares.
    async weights() {
      try {
        const [bytes] = await Promise.all([packed.bytes, packed.writer.close()]);
        if (bytes.byteLength !== 2 * weights) throw new Error(`${bytes.byteLength} bytes`);
        halves = new Uint8Array(bytes);
      } catch {
        throw new Error("The network's weights arrived damaged: try again.");
      }
      unpack();
      return lastLayer();
    },

    run: (pixels) => run(pixels),

    // The output of every layer, for comparisons: its name, rows, channels and values.
    layers(pixels) {
      const found = [];
      run(pixels, ({ name, rows, outputs, to }) =>
        found.push({ name, rows, channels: outputs, values: memory.slice(at[to], at[to] + rows * outputs) }));
      return found;
    },

    randomise({ what, seed }) {
      unpack();
      const random = dice(seed);
      if (what === "network") layers.forEach((layer) => draw(layer, random));
      if (what === "head") draw(head, random);
      return lastLayer();
    },
  };
  return async (task, value) => tasks[task](value); // a run never waits, so the runs follow one another
};

// ---- A worker that runs it, so that the page stays alive -----------------------------------------------------------

// The worker's end: a message is [number, task, value], its answer [number, result, what went wrong].
const serve = (answer) => {
  onmessage = async ({ data: [number, task, value] }) => {
    try {
      postMessage([number, await answer(task, value)]);
    } catch (error) {
      postMessage([number, null, error.message || error.name]);
    }
  };
  postMessage(["here"]);
};

// The page's end. The worker's script comes from memory, since a page that was opened as a file may not load one.
const hire = () => new Promise((resolve, reject) => {
  const source = `"use strict";\nconst fromBase64 = ${fromBase64};\n(${serve})((${network})());`;
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(address);
  const waiting = new Map();
  let asked = 0;
  let over = "";
  const ask = (task, value) => new Promise((done, failed) => {
    if (over) throw new Error(over);
    waiting.set(++asked, { done, failed });
    worker.postMessage([asked, task, value]);
  });
  const stop = (reason) => {
    over = reason;
    worker.terminate();
    for (const { failed } of waiting.values()) failed(new Error(reason));
    waiting.clear();
  };
  worker.onmessage = ({ data: [number, result, wrong] }) => {
    if (number === "here") {
      URL.revokeObjectURL(address);
      resolve({ ask, stop });
      return;
    }
    const { done, failed } = waiting.get(number);
    waiting.delete(number);
    if (wrong) failed(new Error(wrong));
    else done(result);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    stop("The network stopped, perhaps for want of memory: load it again.");
    reject(new Error(over)); // or it never began, since a page's policy may forbid workers
  };
});

// Without a worker the page itself runs the network; between two tasks it can draw.
const alone = () => {
  const answer = network();
  let over = "";
  const ask = async (task, value) => {
    await new Promise((drawn) => setTimeout(drawn));
    if (over) throw new Error(over);
    return answer(task, value);
  };
  return { ask, stop: (reason) => { over = reason; } };
};

// ---- Scripts that hold data ----------------------------------------------------------------------------------------

const arrived = new Map();
Live.chunk = (index, text) => arrived.set(index, text);
Live.file = (name, address) => arrived.set(name, address);

const load = (address) => new Promise((resolve, reject) => {
  const script = document.createElement("script");
  const ended = (result) => { script.remove(); result(); };
  script.onload = () => ended(resolve);
  script.onerror = () => ended(() =>
    reject(new Error(`${file(address)} could not be loaded: check the connection and try again.`)));
  script.src = address;
  document.head.append(script);
});

const file = (address) => address.replace(/\?.*/, "").replace(/.*\//, "");

// What a script hands over by Live.chunk or Live.file.
const fetched = async (address, key) => {
  await load(address);
  const value = arrived.get(key);
  arrived.delete(key);
  if (value === undefined) throw new Error(`${file(address)} arrived damaged: try again.`);
  return value;
};

// The file of one of the packaged photos, as it was published.
Live.loadPhoto = async (base, name) => {
  const [, type, text] = /^data:(.*);base64,(.*)$/.exec(await fetched(`${base}photos/${name}.js`, name));
  return new Blob([fromBase64(text)], { type });
};

// ---- The engine ----------------------------------------------------------------------------------------------------

const AT_ONCE = 3; // scripts on their way
let failures = 0; // a browser may keep what failed, so each new attempt asks for other addresses

// The weights' scripts to the worker, in their order, which unpacks some while others are on their way.
const send = async (base, ask, onprogress) => {
  const { chunks, characters, sha256 } = Live.model;
  const version = `?${sha256.slice(0, 8)}${failures ? `-${failures}` : ""}`;
  const coming = [];
  const order = () => {
    const i = coming.length;
    if (i === chunks) return;
    coming[i] = fetched(`${base}weights-${String(i).padStart(2, "0")}.js${version}`, i);
    coming[i].catch(() => {}); // its turn comes below
  };
  for (let i = 0; i < AT_ONCE; i++) order();
  let done = 0;
  for (let i = 0; i < chunks; i++) {
    const text = await coming[i];
    coming[i] = null;
    order();
    ask("chunk", text).catch(() => {}); // what comes next fails too
    done += text.length;
    onprogress?.(done, characters);
  }
};

Live.start = async ({ base, onprogress }) => {
  if (!globalThis.DecompressionStream) throw new Error("This browser cannot unpack the network: use a newer one.");
  if (!Live.model) await load(`${base}model.js`);
  const { ask, stop } = await hire().catch(alone);
  try {
    const { mean, std } = Live.model;
    const opened = ask("open", { mean, std, modules: Object.values(Live.kernels ?? {}) });
    opened.catch(() => {}); // where the weights do not arrive either, that is what is told
    await send(base, ask, onprogress);
    const engine = {
      kernels: await opened,
      head: await ask("weights"),
      run: (pixels) => ask("run", pixels),
      layers: (pixels) => ask("layers", pixels),
      async randomise(what, seed = 0) {
        engine.head = await ask("randomise", { what, seed });
      },
      stop: () => stop("The network was stopped."),
    };
    return engine;
  } catch (error) {
    failures++;
    stop(error.message);
    throw error;
  }
};

// ---- From activations to heat maps ---------------------------------------------------------------------------------

const PLACES = 49;
const CHANNELS = 1280;

// What each place adds to the logit of class k: the sum of the map and the class's bias is the logit. Grad-CAM, in
// `helpers.grad_cam`, is the positive part of the very same numbers: here the gradient at each place is weight / 49.
Live.classMap = ({ weight }, activations, k) => {
  const map = new Float32Array(PLACES);
  for (let c = 0; c < CHANNELS; c++) {
    const share = weight[k * CHANNELS + c] / PLACES;
    for (let place = 0; place < PLACES; place++) map[place] += share * activations[c * PLACES + place];
  }
  return map;
};

// What one place, 0 to 48, adds to the logit of each class.
Live.votes = ({ weight, bias }, activations, place) => {
  const here = Float32Array.from({ length: CHANNELS }, (_, c) => activations[c * PLACES + place] / PLACES);
  return Float32Array.from(bias, (_, k) => {
    let sum = 0;
    for (let c = 0; c < CHANNELS; c++) sum += weight[k * CHANNELS + c] * here[c];
    return sum;
  });
};
}
