// Numbers as text. None is computed here: what is compared was compared before the page was written.

const AXES = {
  flops: { text: "FLOPs", title: "FLOPs a problem (policy and scorers)" },
  tokens: { text: "tokens", title: "tokens a problem that went through a model" },
  seconds: { text: "seconds", title: "seconds a problem (policy and scorers)" },
  n: { text: "N", title: "samples, or candidates a step (N)" },
};

const fixed = (x, digits = 3) => (Number.isFinite(x) ? x.toFixed(digits) : x > 0 ? "∞" : "-∞").replace("-", "−");

const signed = (x, digits = 3) => (x > 0 ? "+" : "") + fixed(x, digits);

// A dash between two signed numbers could be read as a sign.
const interval = (low, high, form = fixed) => `${form(low)}${form === signed ? " to " : "–"}${form(high)}`;

const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

// In at most five characters, as the terminal's table has it.
function short(x) {
  for (const [suffix, size] of [["P", 1e15], ["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (x >= size) return (x / size < 9.95 ? trimmed((x / size).toFixed(1)) : (x / size).toFixed(0)) + suffix;
  }
  return x >= 10 || x === 0 ? x.toFixed(0) : trimmed(x.toPrecision(2));
}

const trimmed = (text) => (/^\d+\.\d*0+$/.test(text) ? text.replace(/\.?0+$/, "") : text);

function seconds(x) {
  if (x >= 1) return `${short(x)} s`;
  return x >= 1e-3 ? `${short(x * 1e3)} ms` : `${short(x * 1e6)} µs`;
}

const cost = (axis, x) => (axis === "seconds" ? seconds(x) : short(x));

const pText = (p) => (p < 0.001 ? "< 0.001" : fixed(p));

const pEquals = (p) => (p < 0.001 ? "p\u00a0<\u00a00.001" : `p\u00a0=\u00a0${fixed(p)}`);

// How many times as much; "inf" is never, null is that neither gets there.
function times(x) {
  if (x === null) return "–";
  if (x === "inf") return "∞";
  return `×${x >= 9.95 ? short(x) : x.toFixed(2)}`;
}

function timesBetween(low, high) {
  if (low === null) return "–";
  if (low === "inf") return "never";
  if (low === 0) return high === "inf" ? "any" : `up to ${times(high)}`;
  return high === "inf" ? `${times(low)} or more` : `${times(low)} to ${times(high)}`;
}

const score = (x) => (x === null || x === undefined ? "–" : fixed(x, Math.abs(x) < 10 ? 2 : 1));
