// Puts the page together: controls, and what is drawn again when one of them changes.

const data = JSON.parse(byId("data").textContent);
const crowded = Math.max(0, ...unique(data.cells.map((cell) => cell.task))
  .map((task) => data.cells.filter((cell) => cell.task === task).length)) > 4;
const state = {
  chosen: Object.fromEntries(DIMENSIONS.map(([key]) => [key, new Set(data.cells.map((cell) => cell[key]))])),
  metric: "mc1", depth: data.unequal, together: false, chance: true, bands: !crowded, paper: false, above: false,
};

function redraw() {
  tip.hide();
  drawCurves(data, state);
  drawHeat(data, state);
}

function set(key) {
  return (value) => { state[key] = value; redraw(); };
}

function dimension([key, title]) {
  const names = unique(data.cells.map((cell) => cell[key]));
  if (names.length < 2) return null;
  const box = el("fieldset", { class: "chips", id: `choose-${key}` }, el("legend", {}, title));
  const change = (name, on) => { state.chosen[key][on ? "add" : "delete"](name); redraw(); };
  const all = (on) => () => {
    state.chosen[key] = new Set(on ? names : []);
    for (const input of box.querySelectorAll("input")) input.checked = on;
    redraw();
  };
  box.append(...names.map((name) => toggle(name || "default", true, (on) => change(name, on))),
    el("button", { type: "button", click: all(true) }, "all"), el("button", { type: "button", click: all(false) }, "none"));
  return box;
}

function curveControls() {
  const there = (name) => data.cells.some((cell) => cell.curves[name] || cell.more[name]);
  const metrics = Object.entries(METRIC_NAMES).filter(([name]) => there(name));
  const across = chooser("Across", [["", "layer"], ["1", "relative depth"]], state.depth ? "1" : "", (v) => set("depth")(v === "1"));
  const bands = toggle("intervals", state.bands, set("bands"));
  // models of other depth, and many bands over each other, cannot be read otherwise
  const paper = (on) => {
    if (on) across.querySelector("select").value = "1";
    state.depth ||= on;
    set("paper")(on);
  };
  const panels = (v) => {
    state.bands = v === "1" ? chosenCells(data, state).length < 4 : !crowded;
    bands.querySelector("input").checked = state.bands;
    set("together")(v === "1");
  };
  return [
    ...DIMENSIONS.map(dimension),
    el("div", { class: "bar" },
      chooser("Shown", metrics, state.metric, set("metric")), across,
      chooser("Panels", [["", "one per task"], ["1", "all in one"]], "", panels),
      toggle("chance and other baselines", state.chance, set("chance")), bands,
      data.published.length ? toggle("the paper's LLaMA 2 curves", state.paper, paper) : null),
  ];
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = el("button", { type: "button" }, ...head.childNodes);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      sortRows(table.tBodies[0], column, up ? 1 : -1);
    });
  });
}

function sortRows(body, column, sign) {
  const key = (row) => {
    const cell = row.cells[column], { value } = cell.dataset;
    return value === undefined ? cell.textContent.trim() : Number(value);
  };
  const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  body.append(...[...body.rows].sort((a, b) => sign * order(key(a), key(b))));
}

function start() {
  byId("curve-controls").replaceChildren(...curveControls().filter(Boolean));
  byId("heat-controls").replaceChildren(toggle("colour says how far above the better baseline", false, set("above")));
  for (const table of document.querySelectorAll("table.sortable")) sortable(table);
  redraw();
  let width = window.innerWidth, waiting = 0;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(redraw);
  });
  window.addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("main details.prints")) part.open = true;
  });
  byId("item").addEventListener("close", () => tip.hide());
  startItems();
}

function startItems() {
  const table = new ItemTable(data);
  if (!table.cells.length) {
    byId("items").hidden = true;
    document.documentElement.dataset.ready = "yes";
    return;
  }
  byId("item-controls").replaceChildren(...table.controls());
  byId("item-table").replaceChildren(table.count, table.view);
  // the curves are drawn first: the items may be many
  requestAnimationFrame(() => setTimeout(async () => {
    await table.open(table.cells[0]);
    document.documentElement.dataset.ready = "yes";
  }));
}

start();
