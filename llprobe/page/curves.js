// The layer curves: which cells are chosen, and their panels.

const METRIC_NAMES = {
  mc1: "accuracy (MC1)", mc2: "probability of the true options (MC2)",
  mc3: "share of true options that win (MC3)", acc_norm_tokens: "accuracy, log-prob per token",
  acc_norm_bytes: "accuracy, log-prob per byte", pmi: "accuracy, log-prob less prior (PMI)",
  margin: "margin, best true less best false (nats)", entropy: "entropy of the options (nats)",
  kl: "divergence of the last layer's answer from the layer's (nats)",
  rank: "rank of the best option (1 is first)", brier: "Brier score (0 is best)",
  calibration: "calibration error",
};
const isPlain = (metric) => /nats|rank|Brier/.test(METRIC_NAMES[metric]);
const DIMENSIONS = [["task", "Tasks"], ["model", "Models"], ["lens", "Lens"], ["variant", "Asked as"]];

function chosenCells(data, state) {
  return data.cells.filter((cell) => DIMENSIONS.every(([key]) => state.chosen[key].has(cell[key])));
}

function values(cell, metric) {
  if (cell.curves[metric]) return cell.curves[metric];
  return cell.more[metric] ? { mean: cell.more[metric], plain: true } : null;
}

function position(cell, layer, state) {
  return state.depth ? layer / cell.n_layers : layer;
}

function cellSeries(cell, state, style, name) {
  const v = values(cell, state.metric);
  if (!v) return null;
  const show = (i) => {
    const where = state.depth ? `layer ${cell.layers[i]}: ` : "";
    if (v.plain) return where + (v.mean[i] === null ? "–" : v.mean[i].toFixed(3));
    const p = v.p ? `, ${pValue(v.p[i])}` : "";
    return `${where}${percent(v.mean[i])}${between(v, i)}${p}`;
  };
  return {
    name, style, cell, xs: cell.layers.map((l) => position(cell, l, state)), ys: v.mean,
    lows: v.plain || !state.bands ? null : v.low, highs: v.plain ? null : v.high, say: show,
  };
}

// The lines that a panel's curves are to be read against: once where cells agree in them.
function referenceSeries(cells, state, range) {
  const found = new Map();
  const add = (cell, name, style, value) => {
    if (value === null || value === undefined) return;
    const key = `${name} ${JSON.stringify(value)}`;
    if (found.has(key)) return void found.get(key).tasks.add(cell.task);
    const constant = !Array.isArray(value), ys = constant ? [value, value] : value;
    const xs = constant ? range : cell.layers.map((l) => position(cell, l, state));
    found.set(key, { name, style, reference: true, constant, xs, ys, say: (i) => percent(ys[i]), tasks: new Set([cell.task]) });
  };
  for (const cell of state.chance ? cells : []) {
    const v = values(cell, state.metric);
    if (!v || v.plain) continue;
    add(cell, "chance", "r-chance", v.chance);
    add(cell, "shortest option", "r-shortest", v.shortest);
    add(cell, "option prior", "r-prior", v.prior);
  }
  const all = [...found.values()], several = new Set(cells.map((cell) => cell.task)).size > 1;
  const shared = (s) => all.filter((other) => other.name === s.name).length < 2;
  return all.map((s) => (several && !shared(s) ? { ...s, name: `${s.name}: ${[...s.tasks].join(", ")}` } : s));
}

function publishedFor(data, tasks, state) {
  return state.paper && state.metric === "mc1" ? data.published.filter((p) => tasks.includes(p.task)) : [];
}

function paperSeries(data, tasks, state) {
  return publishedFor(data, tasks, state).map((p) => ({
    name: `paper: ${p.model}${tasks.length > 1 ? `, ${p.row}` : ""}`,
    style: `paper q${p.rank % 3}`, reference: true,
    xs: p.layers.map((l) => position(p, l, state)), ys: p.accuracy, say: (i) => percent(p.accuracy[i], 2),
  }));
}

function panelsOf(data, state) {
  const cells = chosenCells(data, state).filter((cell) => values(cell, state.metric));
  const labels = unique(data.cells.map((cell) => cell.label));
  if (state.together) {
    return [{ title: "", tasks: unique(cells.map((c) => c.task)), cells, name: (c) => c.full, rank: (c) => data.cells.indexOf(c) }];
  }
  return unique(cells.map((cell) => cell.task)).map((task) => ({
    title: task, tasks: [task], cells: cells.filter((cell) => cell.task === task),
    name: (c) => c.label, rank: (c) => labels.indexOf(c.label),
  }));
}

function styleOf(rank) {
  return `s${rank % 8} d${Math.floor(rank / 8) % 4}`;
}

function seriesOf(data, panel, state, range) {
  const own = panel.cells.map((cell) => cellSeries(cell, state, styleOf(panel.rank(cell)), panel.name(cell)));
  return [...referenceSeries(panel.cells, state, range), ...paperSeries(data, panel.tasks, state), ...own.filter(Boolean)];
}

function xRange(panels, data, state) {
  if (state.depth) return [0, 1];
  const tasks = panels.flatMap((p) => p.tasks);
  const paper = publishedFor(data, tasks, state);
  const layers = [...panels.flatMap((p) => p.cells.flatMap((c) => c.layers)), ...paper.flatMap((p) => p.layers)];
  return [Math.min(...layers, 1), Math.max(...layers, 2)];
}

function yRange(all, state) {
  const seen = all.flatMap((s) => [...s.ys, ...(s.highs || []), ...(s.lows || [])]).filter((v) => v !== null && v !== undefined);
  const high = Math.max(...seen, 0), low = Math.min(...seen, 0);
  if (isPlain(state.metric)) return [low * 1.05, high * 1.05 || 1];
  return [0, Math.min(1, Math.max(0.2, Math.ceil(high * 10) / 10))];
}

function drawCurves(data, state) {
  const holder = byId("panels"), panels = panelsOf(data, state);
  if (!panels.length) {
    holder.replaceChildren(el("p", { class: "empty" }, "Nothing is chosen that has this metric."));
    byId("legend").replaceChildren();
    return;
  }
  const range = xRange(panels, data, state);
  const all = panels.map((panel) => seriesOf(data, panel, state, range));
  const [low, high] = yRange(all.flat(), state);
  const plain = isPlain(state.metric);
  const format = plain ? (v) => String(v) : (v) => `${Math.round(100 * v)}%`;
  const wide = holder.clientWidth || 900;
  const columns = panels.length === 1 ? 1 : Math.max(1, Math.min(panels.length, Math.floor(wide / 340)));
  const width = Math.floor((wide - 16 * (columns - 1)) / columns);
  const height = Math.round(Math.max(210, Math.min(440, width * (columns === 1 ? 0.5 : 0.62))));
  holder.replaceChildren(...panels.map((panel, i) => el("figure", { class: "panel" },
    el("figcaption", {}, el("b", {}, panel.title), ` ${panelNote(data, panel, state)}`),
    lineChart({
      width, height, label: `${METRIC_NAMES[state.metric]} by layer, ${panel.title || "all chosen"}`,
      x: {
        low: range[0], high: range[1], reach: state.depth ? 0.03 : 0.5,
        label: state.depth ? "relative depth (layer / layers of the model)" : "layer",
        name: (v) => (state.depth ? `depth ${v.toFixed(2)}` : `layer ${v}`),
      },
      y: { low, high, format }, series: all[i],
    }))));
  drawLegend(all.flat());
}

function panelNote(data, panel, state) {
  const items = unique(panel.cells.map((c) => c.items));
  const rows = state.together ? [] : unique(publishedFor(data, panel.tasks, state).map((p) => p.row));
  return [
    items.length === 1 ? `${items[0].toLocaleString("en")} items` : "",
    ...rows.map((row) => `the paper's ${row}`),
  ].filter(Boolean).join(" · ");
}

function drawLegend(series) {
  const seen = new Map(series.map((s) => [`${s.name}${s.style}`, s]));
  byId("legend").replaceChildren(...[...seen.values()].map((s) =>
    el("li", {}, swatch(s), el("span", {}, s.name))));
}
