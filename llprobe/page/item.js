// One item: prompt, options, and their probabilities over the layers as a chart and a table.

function openItem(pack, order, place, moved) {
  const box = byId("item");
  const go = (n) => { moved(n); openItem(pack, order, n, moved); };
  const step = (text, n) => el("button", { type: "button", disabled: n < 0 || n >= order.length, click: () => go(n) }, text);
  const item = order[place];
  box.replaceChildren(
    el("header", {}, el("h2", {}, item.id), step("← previous", place - 1), step("next →", place + 1),
      el("button", { type: "button", class: "close", click: () => box.close() }, "close")),
    el("p", { class: "muted" }, [pack.cell.full, item.group, `${place + 1} of ${order.length}`].filter(Boolean).join(" · ")),
    promptOf(pack, item), optionsOf(pack, item), el("div", { id: "item-chart" }), layersTable(pack, item));
  box.onkeydown = (event) => {
    const next = place + ({ ArrowLeft: -1, ArrowRight: 1 }[event.key] || 0);
    if (next !== place && order[next] && !event.target.closest("svg, .scroller")) go(next);
  };
  if (!box.open) box.showModal();
  box.scrollTop = 0;
  byId("item-chart").replaceChildren(itemChart(pack, item));
}

function promptOf(pack, item) {
  const before = pack.preamble
    ? el("details", {}, el("summary", {}, "What every prompt of this task begins with"), el("pre", { class: "preamble" }, pack.preamble))
    : null;
  return el("div", {}, before, el("pre", { class: "prompt" }, item.prompt));
}

function truth(item, option) {
  if (option === item.best) return item.correct.length > 1 ? "true, best" : "true";
  return item.correct.includes(option) ? "true" : "";
}

function optionsOf(pack, item) {
  const last = pack.n_layers - 1;
  return el("table", { class: "options" },
    el("thead", {}, el("tr", {}, ["", "option", "", `p at layer ${pack.cell.layers[last]}`].map((t) => el("th", { scope: "col" }, t)))),
    el("tbody", {}, item.choices.map((choice, n) => el("tr", { class: item.correct.includes(n) ? "true" : null },
      el("td", {}, swatch({ style: optionStyle(item, n) }), letter(n)),
      el("td", { class: "choice" }, choice), el("td", { class: "truth" }, truth(item, n)),
      el("td", { class: "number" }, percent(pack.probability(item, n, last)))))));
}

function letter(n) {
  return n < 26 ? String.fromCharCode(65 + n) : String(n + 1);
}

function optionStyle(item, n) {
  return `${styleOf(n)}${item.correct.includes(n) ? " true" : ""}`;
}

function itemChart(pack, item) {
  const { layers } = pack.cell;
  return lineChart({
    width: Math.max(280, Math.min(820, byId("item-chart").clientWidth || 600)), height: 250,
    label: "Probability of each option by layer",
    x: { low: layers[0], high: layers.at(-1), label: "layer", reach: 0.5, name: (v) => `layer ${v}` },
    y: { low: 0, high: 1, format: (v) => `${Math.round(100 * v)}%` },
    series: item.choices.map((_, n) => {
      const ys = layers.map((_layer, i) => pack.probability(item, n, i));
      return { name: `${letter(n)}${item.correct.includes(n) ? " (true)" : ""}`, style: optionStyle(item, n), xs: layers, ys, say: (i) => percent(ys[i]) };
    }),
  });
}

function layersTable(pack, item) {
  const heads = item.choices.map((_, n) => letter(n) + (item.correct.includes(n) ? " (true)" : ""));
  return el("details", {}, el("summary", {}, "Probabilities by layer as a table (rounded to 0.1%)"),
    el("div", { class: "scroller", tabindex: 0 }, el("table", { class: "layers" },
      el("thead", {}, el("tr", {}, ["layer", ...heads, "MC1"].map((t) => el("th", { scope: "col" }, t)))),
      el("tbody", {}, pack.cell.layers.map((layer, i) => el("tr", {}, el("th", { scope: "row" }, String(layer)),
        item.choices.map((_, n) => el("td", { class: "number" }, percent(pack.probability(item, n, i)))),
        el("td", {}, mark(pack.isRight(item, i)))))))));
}
