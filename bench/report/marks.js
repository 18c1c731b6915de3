// How curves are told apart: colour and marker by strategy and scorer; dashes by run, or by the round of colours.

const COLOURS = 7; // --c0 to --c6 in page.css
const DASHES = [null, "7 4", "2 3", "9 3 2 3"];
const SHAPES = [
  (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  (r) => `M${-r} ${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (r) => `M0 ${-1.2 * r}L${1.15 * r} ${0.9 * r}H${-1.15 * r}z`,
  (r) => `M0 ${-1.3 * r}L${1.3 * r} 0L0 ${1.3 * r}L${-1.3 * r} 0z`,
  (r) => `M0 ${1.2 * r}L${1.15 * r} ${-0.9 * r}H${-1.15 * r}z`,
  (r) => `M${-0.4 * r} ${-1.2 * r}h${0.8 * r}v${0.8 * r}h${0.8 * r}v${0.8 * r}h${-0.8 * r}v${0.8 * r}h${-0.8 * r}v${-0.8 * r}h${-0.8 * r}v${-0.8 * r}h${0.8 * r}z`,
  (r) => `M${-r} ${-r}h${0.7 * r}L0 ${-0.5 * r}L${0.3 * r} ${-r}h${0.7 * r}v${0.7 * r}L${0.5 * r} 0L${r} ${0.3 * r}v${0.7 * r}h${-0.7 * r}L0 ${0.5 * r}L${-0.3 * r} ${r}h${-0.7 * r}v${-0.7 * r}L${-0.5 * r} 0L${-r} ${-0.3 * r}z`,
  (r) => `M0 ${-1.2 * r}L${1.2 * r} ${-0.3 * r}L${0.75 * r} ${1.1 * r}H${-0.75 * r}L${-1.2 * r} ${-0.3 * r}z`,
];

function looks(curves, runs) {
  const kinds = [...new Set(curves.filter((c) => !c.reference).map((c) => c.kind))];
  return curves.map((curve) => {
    if (curve.reference) return { colour: "var(--reference)", shape: null, dash: runs > 1 ? "1 3" : "5 4" };
    const place = kinds.indexOf(curve.kind);
    return {
      colour: `var(--c${place % COLOURS})`,
      shape: SHAPES[place % SHAPES.length],
      dash: DASHES[(runs > 1 ? curve.run : Math.floor(place / COLOURS)) % DASHES.length],
    };
  });
}

function marker(look, x, y, r = 4) {
  return svg("path", { class: "marker", d: look.shape(r), transform: `translate(${x} ${y})`, fill: look.colour });
}

// A piece of the curve for a legend or a table.
function swatch(look) {
  const line = svg("path", { d: "M1 7H27", stroke: look.colour, "stroke-width": 2, "stroke-dasharray": look.dash, fill: "none" });
  return svg("svg", { class: "swatch", width: 28, height: 14, "aria-hidden": true }, line, look.shape && marker(look, 14, 7));
}

// A value with its interval beside a line of no difference; places are from 0 to 1 and cut off beyond.
// `better` says on which side of the line is what a reader hopes for.
function strip(low, value, high, zero, label, better = "above") {
  const [w, h] = [110, 16];
  const at = (x) => 4 + Math.min(1, Math.max(0, x)) * (w - 8);
  const side = low > zero ? "above" : high < zero ? "below" : null;
  const kind = side ? (side === better ? "better" : "worse") : "unsure";
  const arrows = [
    low < 0 && svg("path", { d: `M5 ${h / 2 - 3}L1 ${h / 2}L5 ${h / 2 + 3}`, class: "open" }),
    high > 1 && svg("path", { d: `M${w - 5} ${h / 2 - 3}L${w - 1} ${h / 2}L${w - 5} ${h / 2 + 3}`, class: "open" }),
  ].filter(Boolean);
  return svg(
    "svg", { class: `strip ${kind}`, width: w, height: h, role: "img", "aria-label": label },
    svg("path", { class: "zero", d: `M${at(zero)} 0V${h}` }),
    svg("path", { class: "range", d: `M${at(low)} ${h / 2}H${at(high)}` }),
    arrows,
    value >= 0 && value <= 1 ? svg("circle", { cx: at(value), cy: h / 2, r: 3.5 }) : null,
  );
}
