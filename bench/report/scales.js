// From numbers to places, and the numbers that stand at an axis.

function linear([a, b], [c, d]) {
  return (x) => c + ((x - a) / (b - a || 1)) * (d - c);
}

function logarithmic([a, b], range) {
  const inner = linear([Math.log(a), Math.log(b)], range);
  return (x) => inner(Math.log(x));
}

function linearTicks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((m) => m * power >= rough * 0.74);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(+(i * step).toFixed(10));
  return ticks;
}

// Powers of ten, with 2 and 5 times them where these are few.
function logTicks(low, high, count) {
  const all = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) for (const m of [1, 2, 5]) all.push(m * 10 ** e);
  const inside = all.filter((x) => x >= low * 0.999 && x <= high * 1.001);
  if (inside.length <= count) return inside;
  const decades = inside.filter((x) => Math.abs(Math.log10(x) - Math.round(Math.log10(x))) < 1e-9);
  return decades.length >= 2 ? thinned(decades, count) : thinned(inside, count);
}

function thinned(ticks, count) {
  const every = Math.ceil(ticks.length / count);
  return ticks.filter((_, i) => i % every === 0);
}
