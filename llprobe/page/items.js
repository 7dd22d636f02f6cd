// The table of a cell's items: sorted, filtered, and drawn only as far as it can be seen.

const ROW = 34;
const COLUMNS = [
  ["i", "#", (a) => a.i], ["strip", "layers", null], ["last", "last", (a) => Number(a.last)],
  ["p", "p(true)", (a) => a.p], ["settled", "settled", (a) => a.settled], ["group", "group", (a) => a.group],
  ["prompt", "question", (a) => a.prompt],
];
const COLUMN_HELP = {
  i: "number in the task's order", strip: "filled where MC1 is right, from the first layer to the last",
  last: "right or wrong at the last layer", p: "probability of the true options at the last layer",
  settled: "first layer whose answer is the last layer's, and stays so", group: "result group", prompt: "question",
};

class ItemTable {
  constructor(data) {
    this.data = data;
    this.cells = data.cells.filter((cell) => cell.pack);
    this.sort = { key: "i", up: true };
    this.filter = { text: "", group: "", last: "", from: "", to: "" };
    this.shown = [];
    this.at = 0;
    this.spacer = el("div", { class: "spacer", role: "rowgroup" });
    this.head = el("div", { class: "item-row item-head", role: "row" });
    this.view = el("div", {
      class: "items-view", role: "grid", tabindex: 0, "aria-label": "Items. Arrow keys choose one, Enter opens it.",
      scroll: () => this.draw(), keydown: (event) => this.key(event),
    }, this.head, this.spacer);
    this.count = el("p", { class: "count", role: "status" });
  }

  async open(cell) {
    this.cell = cell;
    this.count.textContent = "reading …";
    this.pack = await packOf(cell);
    const groups = unique(this.pack.items.map((item) => item.group)).filter(Boolean).sort();
    this.filter.group = groups.includes(this.filter.group) ? this.filter.group : "";
    this.group.replaceChildren(...[["", "all groups"], ...groups.map((g) => [g, g])]
      .map(([value, text]) => el("option", { value, selected: value === this.filter.group }, text)));
    this.group.parentElement.hidden = !groups.length;
    this.apply();
  }

  controls() {
    const set = (key) => (event) => { this.filter[key] = event.target.value; this.apply(); };
    const field = (label, input) => el("label", { class: "field" }, el("span", {}, label), input);
    this.group = el("select", { change: set("group") });
    return [
      chooser("Cell", this.cells.map((c, i) => [String(i), c.full]), "0", (i) => this.open(this.cells[Number(i)])),
      field("Text", el("input", { type: "search", placeholder: "in question, options, id", input: set("text") })),
      field("Group", this.group),
      chooser("Last layer", [["", "right or wrong"], ["1", "right"], ["0", "wrong"]], "", (v) => { this.filter.last = v; this.apply(); }),
      field("Settled from layer", el("input", { type: "number", min: 0, input: set("from") })),
      field("to layer", el("input", { type: "number", min: 0, input: set("to") })),
    ];
  }

  apply() {
    const { text, group, last, from, to } = this.filter, wanted = text.trim().toLowerCase();
    const holds = (item) => {
      item.lower ||= [item.id, item.prompt, ...item.choices].join("\n").toLowerCase();
      return item.lower.includes(wanted);
    };
    this.shown = this.pack.items.filter((item) => (!group || item.group === group)
      && (!last || item.last === (last === "1")) && (!from || item.settled >= Number(from))
      && (!to || item.settled <= Number(to)) && (!wanted || holds(item)));
    const by = COLUMNS.find(([key]) => key === this.sort.key)[2], sign = this.sort.up ? 1 : -1;
    const order = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
    this.shown.sort((a, b) => sign * order(by(a), by(b)) || a.i - b.i);
    this.at = 0;
    this.view.scrollTop = 0;
    const right = this.shown.filter((item) => item.last).length;
    this.count.textContent = `${this.shown.length.toLocaleString("en")} of ${this.pack.items.length.toLocaleString("en")} items`
      + (this.shown.length ? `, ${percent(right / this.shown.length)} of them right at layer ${this.cell.layers.at(-1)}` : "");
    this.view.setAttribute("aria-rowcount", this.shown.length + 1);
    this.heading();
    this.draw();
  }

  heading() {
    this.head.replaceChildren(...COLUMNS.map(([key, name, by]) => {
      const sorted = this.sort.key === key ? (this.sort.up ? "ascending" : "descending") : "none";
      const mark = { ascending: " ▲", descending: " ▼", none: "" }[sorted];
      const turn = () => { this.sort = { key, up: this.sort.key === key ? !this.sort.up : true }; this.apply(); };
      return el("div", { role: "columnheader", class: `c-${key}`, "aria-sort": by ? sorted : null, title: COLUMN_HELP[key] },
        by ? el("button", { type: "button", click: turn }, name + mark) : name);
    }));
  }

  draw() {
    const first = Math.max(0, Math.floor(this.view.scrollTop / ROW) - 4);
    const end = Math.min(this.shown.length, first + Math.ceil(this.view.clientHeight / ROW) + 9);
    this.spacer.style.height = `${this.shown.length * ROW}px`;
    const rows = [];
    for (let n = first; n < end; n += 1) rows.push(this.row(n));
    this.spacer.replaceChildren(...rows);
    this.view.setAttribute("aria-activedescendant", `row-${this.at}`);
  }

  row(n) {
    const item = this.shown[n], cell = (key, ...inside) => el("div", { role: "gridcell", class: `c-${key}` }, inside);
    const node = el("div", {
      class: `item-row${n === this.at ? " current" : ""}`, role: "row", id: `row-${n}`, "aria-rowindex": n + 2,
      "aria-selected": String(n === this.at), click: () => { this.at = n; this.draw(); this.show(); },
    },
    cell("i", String(item.i + 1)), cell("strip", strip(this.pack, item)), cell("last", mark(item.last)),
    cell("p", percent(item.p)), cell("settled", String(item.settled)), cell("group", item.group),
    cell("prompt", item.prompt.replace(/\s+/g, " ").trim()));
    node.style.transform = `translateY(${n * ROW}px)`;
    return node;
  }

  show() {
    openItem(this.pack, this.shown, this.at, (n) => { this.at = n; this.reveal(); });
  }

  reveal() {
    const top = this.at * ROW, room = this.view.clientHeight - ROW;
    if (top < this.view.scrollTop) this.view.scrollTop = top;
    else if (top + ROW > this.view.scrollTop + room) this.view.scrollTop = top + ROW - room;
    this.draw();
  }

  key(event) {
    if (event.target !== this.view || !this.shown.length) return;
    const page = Math.max(1, Math.floor(this.view.clientHeight / ROW) - 2);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.shown.length, End: this.shown.length }[event.key];
    if (!step && event.key !== "Enter") return;
    // or the same key press would go on to the opened item's first button
    event.preventDefault();
    if (!step) return void this.show();
    this.at = Math.max(0, Math.min(this.shown.length - 1, this.at + step));
    this.reveal();
  }
}

function mark(right) {
  return el("span", { class: right ? "right" : "wrong" }, right ? "✓" : "✗", el("span", { class: "aside" }, right ? " right" : " wrong"));
}

function strip(pack, item) {
  const n = pack.n_layers;
  let path = "";
  for (let layer = 0; layer < n; layer += 1) {
    if (pack.isRight(item, layer)) path += `M${layer} 0h1v1h-1z`;
  }
  return svg("svg", { class: "strip", viewBox: `0 0 ${n} 1`, preserveAspectRatio: "none", "aria-hidden": "true" }, svg("path", { d: path }));
}
