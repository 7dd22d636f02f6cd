// The heat map: a row per chosen cell, a column per layer.

const LOW_TO_HIGH = ["#00224e", "#213b6e", "#4c556c", "#6c6e72", "#8e8a76", "#b3a772", "#dac45f", "#fee838"];
const BELOW_TO_ABOVE = ["#8c510a", "#bf812d", "#dfc27d", "#f5f0e6", "#80cdc1", "#35978f", "#01665e"];

function mix(stops, share) {
  const place = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const i = Math.min(Math.floor(place), stops.length - 2), part = place - i;
  const [a, b] = [stops[i], stops[i + 1]].map((hex) => [1, 3, 5].map((n) => parseInt(hex.slice(n, n + 2), 16)));
  return `rgb(${a.map((v, n) => Math.round(v + (b[n] - v) * part)).join(",")})`;
}

function heatValues(cell, state) {
  const v = values(cell, state.metric);
  if (!v || v.plain) return null;
  return state.above ? v.mean.map((m, i) => (m === null ? null : m - at(v.baseline, i))) : v.mean;
}

function heatScale(rows, state) {
  const seen = rows.flatMap((row) => row.shown).filter((v) => v !== null);
  if (state.above) {
    const most = Math.max(0.05, ...seen.map(Math.abs));
    return { low: -most, high: most, color: (v) => mix(BELOW_TO_ABOVE, (v + most) / (2 * most)) };
  }
  const high = Math.max(0.2, Math.ceil(Math.max(...seen, 0) * 10) / 10);
  return { low: 0, high, color: (v) => mix(LOW_TO_HIGH, v / high) };
}

function drawHeat(data, state) {
  const holder = byId("heat");
  const rows = chosenCells(data, state).map((cell) => ({ cell, shown: heatValues(cell, state) })).filter((row) => row.shown);
  if (!rows.length) {
    holder.replaceChildren(el("p", { class: "empty" }, "Nothing is chosen that has this metric as a share."));
    return;
  }
  const wide = holder.clientWidth || 900, narrow = wide < 620;
  const longest = Math.max(...rows.map((row) => row.cell.full.length));
  const left = narrow ? 0 : Math.min(320, 12 + longest * 7.2);
  const tall = 24, line = narrow ? tall + 18 : tall, most = Math.max(...rows.map((row) => Math.max(...row.cell.layers)));
  const least = Math.min(...rows.map((row) => Math.min(...row.cell.layers)), 1);
  const scale = heatScale(rows, state), inner = wide - left - 2;
  const height = rows.length * line + 40;
  const root = svg("svg", { viewBox: `0 0 ${wide} ${height}`, width: wide, height, class: "chart", tabindex: 0, role: "group",
    "aria-label": `Heat map of ${METRIC_NAMES[state.metric]}, a row per task, a column per layer. Arrow keys go from square to square.` });
  const squares = rows.map((row, r) => heatRow(row, r, { root, state, scale, left, inner, line, tall, narrow, most, least }));
  heatAxis(root, state, { left, inner, top: rows.length * line, most, least });
  heatListen(root, rows, squares, state);
  holder.replaceChildren(el("div", { class: "scroller" }, root), heatKey(scale, state));
}

function heatRow(row, r, draw) {
  const { cell, shown } = row, { left, inner, line, tall, narrow } = draw;
  const y = r * line + (narrow ? 17 : 0);
  draw.root.append(svg("text", narrow ? { class: "tick", x: 0, y: y - 4 }
    : { class: "tick", x: left - 8, y: y + 16, "text-anchor": "end" }, cell.full));
  const place = (layer) => (draw.state.depth ? (layer - 1) / cell.n_layers : (layer - draw.least) / (draw.most - draw.least + 1));
  const width = draw.state.depth ? inner / cell.n_layers : inner / (draw.most - draw.least + 1);
  const best = cell.best;
  return cell.layers.map((layer, i) => {
    const x = left + Math.max(0, place(layer)) * inner;
    const rect = svg("rect", { class: "square", x: x.toFixed(2), y, width: (width + 0.3).toFixed(2), height: tall - 2,
      fill: shown[i] === null ? "none" : draw.scale.color(shown[i]) });
    draw.root.append(rect);
    if (layer === best && !cell.any) draw.root.append(svg("circle", { class: "peak", cx: x + width / 2, cy: y + tall / 2 - 1, r: Math.min(4, width / 3) }));
    return rect;
  });
}

function heatAxis(root, state, { left, inner, top, most, least }) {
  const marks = state.depth ? [0, 0.25, 0.5, 0.75, 1] : ticks(least, most, inner / 52).filter(Number.isInteger);
  const width = inner / (most - least + 1);
  for (const mark of marks) {
    const x = state.depth ? left + mark * inner : left + (mark - least + 0.5) * width;
    const anchor = state.depth && mark === 1 ? "end" : state.depth && mark === 0 ? "start" : "middle";
    root.append(svg("text", { class: "tick", x, y: top + 16, "text-anchor": anchor }, String(mark)));
  }
  root.append(svg("text", { class: "axis-name", x: left + inner / 2, y: top + 33, "text-anchor": "middle" },
    state.depth ? "relative depth" : "layer"));
}

function heatListen(root, rows, squares, state) {
  let place = [0, -1];
  const show = (r, i, x, y, aloud) => {
    const { cell } = rows[r], v = values(cell, state.metric);
    place = [r, i];
    for (const rect of squares.flat()) rect.classList.remove("chosen");
    squares[r][i].classList.add("chosen");
    const text = `${percent(v.mean[i])}${between(v, i)}, baseline ${percent(at(v.baseline, i))}`;
    tip.show(x, y, [el("div", { class: "tip-head" }, `${cell.full}, layer ${cell.layers[i]}`), el("b", {}, text)]);
    if (aloud) say(`${cell.full}, layer ${cell.layers[i]}: ${text}`);
  };
  const leave = () => {
    for (const rect of squares.flat()) rect.classList.remove("chosen");
    tip.hide();
  };
  squares.forEach((row, r) => row.forEach((rect, i) => {
    for (const name of ["pointermove", "pointerdown"]) {
      rect.addEventListener(name, (event) => show(r, i, event.clientX, event.clientY, false));
    }
  }));
  root.addEventListener("pointerleave", leave);
  root.addEventListener("blur", leave);
  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Escape") leave();
    if (!step) return;
    event.preventDefault();
    const r = Math.max(0, Math.min(rows.length - 1, place[0] + step[0]));
    const i = Math.max(0, Math.min(squares[r].length - 1, place[1] + step[1]));
    const box = squares[r][i].getBoundingClientRect();
    show(r, i, box.right, box.bottom, true);
  });
}

function heatKey(scale, state) {
  const name = (v) => (state.above && v > 0 ? `+${percent(v, 0)}` : percent(v, 0));
  const steps = Array.from({ length: 24 }, (_, i) => scale.low + (scale.high - scale.low) * (i + 0.5) / 24);
  const scaleBar = svg("svg", { width: 168, height: 14, viewBox: "0 0 168 14", "aria-hidden": "true" },
    steps.map((v, i) => svg("rect", { x: i * 7, y: 0, width: 7.3, height: 14, fill: scale.color(v) })));
  return el("p", { class: "key" }, el("span", {}, name(scale.low), scaleBar, name(scale.high)),
    state.above ? "above (below) the better baseline · " : "", "ring: best layer (MC1), where some layers are worse");
}
