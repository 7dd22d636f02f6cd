// A line chart with bands, drawn as SVG: hover, touch and arrow keys say the values of a layer.

const MARGIN = { top: 10, right: 14, bottom: 36, left: 46 };

function linePath(points) {
  let path = "", pen = "M";
  for (const [x, y] of points) {
    if (y === null || Number.isNaN(y)) { pen = "M"; continue; }
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  }
  return path;
}

function bandPath(xs, lows, highs) {
  const known = xs.map((_, i) => i).filter((i) => lows[i] !== null && highs[i] !== null);
  if (known.length < 2) return "";
  const up = known.map((i) => `${xs[i].toFixed(1)} ${highs[i].toFixed(1)}`);
  const down = known.reverse().map((i) => `${xs[i].toFixed(1)} ${lows[i].toFixed(1)}`);
  return `M${up.join("L")}L${down.join("L")}Z`;
}

function dots(points, style) {
  const single = (i) => [points[i - 1], points[i + 1]].every((p) => !p || p[1] === null);
  return points.filter((p, i) => p[1] !== null && single(i))
    .map(([x, y]) => svg("circle", { cx: x, cy: y, r: 3, class: `dot ${style}` }));
}

// spec: width, height, label, x: {low, high, label, name(value)}, y: {low, high, format, label},
// series: [{name, style, reference, xs, ys, lows, highs, say(index)}]
function lineChart(spec) {
  const inner = { w: spec.width - MARGIN.left - MARGIN.right, h: spec.height - MARGIN.top - MARGIN.bottom };
  const span = spec.x.high - spec.x.low || 1, rise = spec.y.high - spec.y.low || 1;
  const sx = (v) => MARGIN.left + (v - spec.x.low) / span * inner.w;
  const sy = (v) => (v === null || v === undefined ? null
    : MARGIN.top + inner.h * (1 - (v - spec.y.low) / rise));
  const root = svg("svg", {
    viewBox: `0 0 ${spec.width} ${spec.height}`, width: spec.width, height: spec.height,
    class: "chart", tabindex: 0, role: "group",
    "aria-label": `${spec.label}. Arrow keys go from layer to layer.`,
  });
  root.append(...axes(spec, sx, sy, inner));
  for (const s of spec.series) {
    if (s.lows) root.append(svg("path", { class: `band ${s.style}`,
      d: bandPath(s.xs.map(sx), s.lows.map(sy), s.highs.map(sy)) }));
  }
  for (const s of spec.series) {
    const points = s.xs.map((x, i) => [sx(x), sy(s.ys[i])]);
    root.append(svg("path", { class: `line ${s.reference ? "reference" : ""} ${s.style}`, d: linePath(points) }));
    root.append(...dots(points, s.style));
  }
  listen(root, spec, sx, sy, inner);
  return root;
}

function axes(spec, sx, sy, inner) {
  const parts = [], right = MARGIN.left + inner.w, bottom = MARGIN.top + inner.h;
  for (const y of ticks(spec.y.low, spec.y.high, inner.h / 36)) {
    parts.push(svg("line", { class: "grid", x1: MARGIN.left, x2: right, y1: sy(y), y2: sy(y) }));
    parts.push(svg("text", { class: "tick", x: MARGIN.left - 6, y: sy(y) + 4, "text-anchor": "end" }, spec.y.format(y)));
  }
  const whole = spec.x.high - spec.x.low > 1;
  for (const x of ticks(spec.x.low, spec.x.high, inner.w / 52).filter((v) => !whole || Number.isInteger(v))) {
    parts.push(svg("line", { class: "axis", x1: sx(x), x2: sx(x), y1: bottom, y2: bottom + 4 }));
    parts.push(svg("text", { class: "tick", x: sx(x), y: bottom + 16, "text-anchor": "middle" }, String(x)));
  }
  parts.push(svg("line", { class: "axis", x1: MARGIN.left, x2: right, y1: bottom, y2: bottom }));
  parts.push(svg("text", { class: "axis-name", x: MARGIN.left + inner.w / 2, y: bottom + 31, "text-anchor": "middle" }, spec.x.label));
  return parts;
}

function nearest(values, wanted) {
  let best = -1;
  values.forEach((v, i) => {
    if (best < 0 || Math.abs(v - wanted) < Math.abs(values[best] - wanted)) best = i;
  });
  return best;
}

function listen(root, spec, sx, sy, inner) {
  const own = spec.series.filter((s) => !s.constant);
  const stops = unique(own.flatMap((s) => s.xs)).sort((a, b) => a - b);
  if (!stops.length) return;
  const cross = svg("line", { class: "cross", y1: MARGIN.top, y2: MARGIN.top + inner.h, visibility: "hidden" });
  const marks = svg("g", {});
  root.append(cross, marks);
  let chosen = -1;
  const rows = (x) => spec.series.flatMap((s) => {
    const index = s.constant ? 0 : nearest(s.xs, x);
    const far = !s.constant && Math.abs(s.xs[index] - x) > spec.x.reach;
    return far || s.ys[index] === null ? [] : [{ s, index }];
  });
  const point = (which, px, py, aloud) => {
    chosen = which;
    const x = stops[which], found = rows(x);
    cross.setAttribute("x1", sx(x));
    cross.setAttribute("x2", sx(x));
    cross.setAttribute("visibility", "visible");
    marks.replaceChildren(...found.filter(({ s }) => !s.constant).map(({ s, index }) =>
      svg("circle", { class: `dot ${s.style}`, cx: sx(s.xs[index]), cy: sy(s.ys[index]), r: 3.5 })));
    const lines = found.map(({ s, index }) => el("div", { class: "tip-row" }, swatch(s), el("span", { class: "tip-name" }, s.name), el("b", {}, s.say(index))));
    tip.show(px, py, [el("div", { class: "tip-head" }, spec.x.name(x)), ...lines]);
    if (aloud) say([spec.x.name(x), ...found.map(({ s, index }) => `${s.name}: ${s.say(index)}`)].join("; "));
  };
  const leave = () => {
    cross.setAttribute("visibility", "hidden");
    marks.replaceChildren();
    tip.hide();
  };
  const hover = (event) => {
    const box = root.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * spec.width;
    const value = spec.x.low + (x - MARGIN.left) / inner.w * (spec.x.high - spec.x.low);
    point(nearest(stops, value), event.clientX, event.clientY, false);
  };
  const key = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -stops.length, End: stops.length }[event.key];
    if (event.key === "Escape") leave();
    if (!step) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(stops.length - 1, chosen + step));
    const box = root.getBoundingClientRect();
    point(next, box.left + sx(stops[next]) * box.width / spec.width, box.top + MARGIN.top, true);
  };
  for (const name of ["pointermove", "pointerdown"]) root.addEventListener(name, hover);
  root.addEventListener("pointerleave", leave);
  root.addEventListener("blur", leave);
  root.addEventListener("keydown", key);
}

function swatch(s) {
  return svg("svg", { class: "swatch", width: 26, height: 12, viewBox: "0 0 26 12", "aria-hidden": "true" },
    s.lows ? svg("rect", { class: `band ${s.style}`, x: 0, y: 1, width: 26, height: 10 }) : null,
    svg("path", { class: `line ${s.reference ? "reference" : ""} ${s.style}`, d: "M0 6H26" }));
}
