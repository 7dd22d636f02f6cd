// Elements, text and small helpers. Texts become text nodes, never markup.
"use strict";

const SVG_SPACE = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG_SPACE, tag), attributes, children);
}

function byId(id) {
  return document.getElementById(id);
}

function percent(value, digits = 1) {
  return value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)}%`;
}

// The interval of a curve at one of its layers, after a space; nothing where it is not known.
function between(curve, i) {
  const known = curve.low[i] !== null && curve.high[i] !== null;
  return known ? ` [${percent(curve.low[i])}, ${percent(curve.high[i])}]` : "";
}

function pValue(p) {
  if (p === null || p === undefined) return "";
  return p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`;
}

function unique(values) {
  return [...new Set(values)];
}

function at(value, index) {
  return Array.isArray(value) ? value[index] : value;
}

function ticks(low, high, about) {
  const raw = (high - low) / Math.max(about, 1);
  if (!(raw > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw * 0.999);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) {
    found.push(Number((n * step).toPrecision(12)));
  }
  return found;
}

function chooser(label, options, value, change) {
  const select = el("select", { change: () => change(select.value) },
    options.map(([key, text]) => el("option", { value: key, selected: key === value }, text)));
  return el("label", { class: "field" }, el("span", {}, label), select);
}

function toggle(label, checked, change, extra) {
  const box = el("input", { type: "checkbox", checked, change: () => change(box.checked) });
  return el("label", { class: "toggle" }, box, extra || null, el("span", {}, label));
}

function say(text) {
  byId("said").textContent = text;
}

// One box beside the pointer (or the chosen layer) that says what is there.
const tip = {
  show(x, y, nodes) {
    const box = byId("tip");
    box.replaceChildren(...nodes);
    box.hidden = false;
    const { width, height } = box.getBoundingClientRect();
    const room = document.documentElement.clientWidth;
    const left = x + 16 + width > room ? x - width - 16 : x + 16;
    box.style.left = `${Math.max(4, Math.min(left, room - width - 4))}px`;
    box.style.top = `${Math.max(4, Math.min(y + 12, window.innerHeight - height - 4))}px`;
  },
  hide() {
    byId("tip").hidden = true;
  },
};
