// Packed items: decoded when they are first asked for, and kept.

async function unpacked(id) {
  const text = byId(id).textContent.trim();
  const raw = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : fromBase64(text);
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fromBase64(text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

const known = new Map();

function once(key, make) {
  if (!known.has(key)) known.set(key, make());
  return known.get(key);
}

function texts(id) {
  return once(id, async () => JSON.parse(new TextDecoder().decode(await unpacked(id))));
}

// Items of a cell: number, text and scores of each. See pack.py for the bytes.
function packOf(cell) {
  return once(cell.pack.id, async () => {
    const [bytes, set] = await Promise.all([unpacked(cell.pack.id), texts(cell.pack.texts)]);
    return new Pack(cell, bytes, set);
  });
}

class Pack {
  constructor(cell, bytes, set) {
    const n = cell.items, n_layers = cell.layers.length;
    this.cell = cell;
    this.preamble = set.preamble;
    this.n_layers = n_layers;
    this.right = bytes.subarray(0, Math.ceil(n * n_layers / 8));
    let from = this.right.length;
    const plane = (size) => bytes.subarray(from, from += size);
    const planes = (size) => {
      const high = plane(size), low = plane(size);
      return (i) => 256 * high[i] + low[i];
    };
    const top = plane(n), rest = planes(n), settled = planes(n);
    this.probabilities = planes(cell.pack.options * n_layers);
    let start = 0;
    this.items = Array.from({ length: n }, (_, i) => {
      const [id, group, prompt, choices, correct, best] = set.items[65536 * top[i] + rest(i)];
      const item = { i, id, group, prompt, choices, correct, best, start, settled: settled(i) };
      start += choices.length;
      return item;
    });
    for (const item of this.items) {
      item.last = this.isRight(item, n_layers - 1);
      item.p = item.correct.reduce((sum, c) => sum + (this.probability(item, c, n_layers - 1) || 0), 0);
    }
  }

  isRight(item, layer) {
    const bit = item.i * this.n_layers + layer;
    return (this.right[bit >> 3] >> (7 - (bit & 7)) & 1) === 1;
  }

  // In [0, 1], to a thousandth; null where the log-probs are no numbers.
  probability(item, option, layer) {
    const value = this.probabilities((item.start + option) * this.n_layers + layer);
    return value === 65535 ? null : value / 1000;
  }
}
