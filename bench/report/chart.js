// One chart of accuracies: lines, markers, interval bands, and a read-out under a pointer, a finger or the arrow keys.

const MARKED = 20; // points of a line, above which markers would cover it
const CHART_KEYS = "Chart; the arrow keys move from point to point";

// `series`: [{name, look, points: [{x, y, low, high, lines}], reference}]; `lines` are the read-out's.
// `options`: {label, ticks, tickText, title, bands, height, domain: [lowest, highest value], xs: [least, most]}; `even` has
// the places along the axis evenly spaced instead of logarithmic, and `valueText` writes the values beside it.
function chart(box, series, options) {
  const width = Math.max(240, box.clientWidth);
  const height = options.height;
  const pad = { left: options.valueText ? 56 : 42, right: 14, top: 10, bottom: options.title ? 44 : 26 };
  const [xa, xb] = options.xs;
  const grow = xb / xa > 1 ? (xb / xa) ** 0.03 : 2;
  const margin = (xb - xa) * 0.02 || 1;
  const span = [pad.left, width - pad.right];
  const x = options.even ? linear([xa - margin, xb + margin], span) : logarithmic([xa / grow, xb * grow], span);
  const ticks = linearTicks(...options.domain, Math.max(3, Math.round(height / 70)));
  const y = linear(options.domain, [height - pad.bottom, pad.top]);
  const xTicks = options.ticks(Math.max(3, Math.floor((width - 60) / 62)));
  const round = (v) => Math.round(v * 10) / 10;
  const groups = series.map((s, place) => drawSeries(s, place, { x: (v) => round(x(v)), y: (v) => round(y(v)), bands: options.bands }));
  const ring = svg("circle", { class: "ring", r: 8, visibility: "hidden" });
  const picture = svg(
    "svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": options.label },
    ticks.map((t) => svg("path", { class: "grid", d: `M${pad.left} ${round(y(t))}H${width - pad.right}` })),
    xTicks.map((t) => svg("path", { class: "grid", d: `M${round(x(t))} ${pad.top}V${height - pad.bottom}` })),
    svg("path", { class: "axis", d: `M${pad.left} ${pad.top}V${height - pad.bottom}H${width - pad.right}` }),
    ticks.map((t) => svg("text", { class: "tick-text", x: pad.left - 7, y: round(y(t)) + 4, "text-anchor": "end" }, options.valueText ? options.valueText(t) : tickNumber(t, ticks))),
    xTicks.map((t) => svg("text", { class: "tick-text", x: round(x(t)), y: height - pad.bottom + 17, "text-anchor": "middle" }, options.tickText(t))),
    options.title ? svg("text", { class: "axis-title", x: (pad.left + width - pad.right) / 2, y: height - 6, "text-anchor": "middle" }, options.title) : null,
    svg("g", { class: series.length > 12 ? "many crowd" : series.length > 4 ? "many" : null }, groups), ring,
  );
  const tip = el("div", { class: "tip", "aria-hidden": true });
  const spoken = el("p", { class: "unseen", "aria-live": "polite" });
  box.replaceChildren(picture, tip, spoken);

  const places = series.flatMap((s, i) => s.points.map((p, j) => ({ i, j, px: x(p.x), py: y(p.y) })));
  let at = null;

  function emphasise(i) {
    picture.classList.toggle("picked", i !== null);
    groups.forEach((g, k) => g.classList.toggle("on", k === i));
  }

  function read(place) {
    at = place;
    emphasise(place ? place.i : null);
    ring.setAttribute("visibility", place ? "visible" : "hidden");
    tip.classList.toggle("on", Boolean(place));
    spoken.textContent = "";
    if (!place) return;
    const { name, look, points } = series[place.i];
    ring.setAttribute("cx", round(place.px));
    ring.setAttribute("cy", round(place.py));
    const lines = points[place.j].lines;
    tip.replaceChildren(el("strong", null, swatch(look), name), ...lines.map((line) => el("div", null, line)));
    spoken.textContent = [name, ...lines].join("; ");
    const left = place.px + tip.offsetWidth + 18 < width ? place.px + 14 : Math.max(0, place.px - tip.offsetWidth - 14);
    const top = place.py - tip.offsetHeight - 12 > 0 ? place.py - tip.offsetHeight - 12 : place.py + 14;
    tip.style.left = `${left}px`;
    tip.style.top = `${top}px`;
  }

  function nearest(event) {
    const frame = picture.getBoundingClientRect();
    const [px, py] = [event.clientX - frame.left, event.clientY - frame.top];
    const away = (p) => Math.hypot(p.px - px, p.py - py);
    const best = places.reduce((a, b) => (a && away(a) <= away(b) ? a : b), null);
    read(best && away(best) < 70 ? best : null);
  }

  // Along a curve with left and right; to the next curve's point of like x with up and down.
  function move(event) {
    const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Escape") read(null);
    if (!steps || !places.length) return;
    event.preventDefault();
    if (!at) return read(places[0]);
    const [di, dj] = steps;
    const i = (at.i + di + series.length) % series.length;
    const j = Math.min(Math.max(0, at.j + dj), series[i].points.length - 1);
    read(places.find((p) => p.i === i && p.j === j) ?? at);
  }

  picture.addEventListener("pointermove", nearest);
  picture.addEventListener("pointerdown", nearest);
  // A finger that is lifted leaves what it has tapped to be read.
  picture.addEventListener("pointerleave", (event) => event.pointerType === "touch" || read(null));
  box.onkeydown = move;
  box.onblur = () => read(null);
  return { emphasise };
}

function drawSeries(s, place, { x, y, bands }) {
  const line = s.points.map((p, i) => `${i ? "L" : "M"}${x(p.x)} ${y(p.y)}`).join("");
  const ranged = s.points.filter((p) => p.low !== undefined);
  const up = ranged.map((p, i) => `${i ? "L" : "M"}${x(p.x)} ${y(p.high)}`).join("");
  const down = [...ranged].reverse().map((p) => `L${x(p.x)} ${y(p.low)}`).join("");
  return svg(
    "g", { class: `series${s.reference ? " reference" : ""}`, "data-series": place },
    ranged.length > 1
      ? svg("path", { class: `band${bands ? "" : " off"}`, d: `${up}${down}z`, fill: s.look.colour })
      : ranged.map((p) => svg("path", { class: `whisker${bands ? "" : " off"}`, d: `M${x(p.x)} ${y(p.low)}V${y(p.high)}`, stroke: s.look.colour })),
    svg("path", { class: "line", d: line, stroke: s.look.colour, "stroke-dasharray": s.look.dash }),
    s.look.shape && s.points.length <= MARKED ? s.points.map((p) => marker(s.look, x(p.x), y(p.y))) : null,
  );
}

// As many decimals as the ticks need.
function tickNumber(t, ticks) {
  const digits = ticks.every((v) => Math.abs(v * 10 - Math.round(v * 10)) < 1e-6) ? 1 : 2;
  return t.toFixed(digits);
}

// The accuracies that a chart has to show, out to ticks.
function accuracyDomain(points) {
  const low = Math.min(...points.map((p) => p.low));
  const high = Math.max(...points.map((p) => p.high));
  const step = high - low > 0.5 ? 0.1 : 0.05;
  const [a, b] = [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
  return b - a < step / 2 ? [Math.max(0, a - step), Math.min(1, a + step)] : [Math.max(0, a), Math.min(1, b)];
}
