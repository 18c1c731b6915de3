// A chart for each kind of number in the logs of trainings. Colour tells the training, or of a single one the number.

const inWords = (name) => name.replace(/^(evaluation|seconds)\./, (_, part) => (part === "evaluation" ? "held-out " : "")).replaceAll("_", " ");

// A number of any size: rates are small, tokens many.
function plain(x) {
  if (x !== 0 && Math.abs(x) < 1e-3) return x.toExponential(1).replace(".0e", "e").replaceAll("-", "−");
  return Math.abs(x) >= 1e4 ? (x < 0 ? "−" : "") + short(Math.abs(x)) : String(+x.toPrecision(4)).replace("-", "−");
}

function looksOfPanel(trainings, names) {
  const many = trainings.length > 1;
  return trainings.map((_, t) => names.map((_, m) => ({
    colour: `var(--c${(many ? t : m) % COLOURS})`,
    shape: SHAPES[(many ? t : m) % SHAPES.length],
    dash: DASHES[m % DASHES.length], // for lines on top of each other too
  })));
}

// In a loop: more numbers than a call takes arguments may be in a log.
function extentOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// Out to a little more than there is, and no further than nought where nothing lies below it.
function domainOf(values) {
  const [low, high] = extentOf(values);
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
}

function panel(data, [title, unit, names]) {
  const many = data.trainings.length > 1;
  const styles = looksOfPanel(data.trainings, names);
  const series = data.trainings.flatMap((training, t) => names.map((name, m) => ({ name, t, look: styles[t][m], points: training.series[name] ?? [] }))).filter((s) => s.points.length);
  const called = (s) => [names.length > 1 || !many ? inWords(s.name) : null, many ? data.trainings[s.t].name : null].filter(Boolean).join(", ");
  const xs = series.flatMap((s) => s.points.map(([step]) => step));
  const values = series.flatMap((s) => s.points.map(([, value]) => value));
  const [least, most] = extentOf(xs);
  const marked = (name) => series.some((s) => s.name === name && s.points.length <= MARKED);
  const lookInWords = (name, m) => (many ? { ...styles[0][m], colour: "var(--soft)", shape: null } : { ...styles[0][m], shape: marked(name) ? styles[0][m].shape : null });
  const box = el("div", { class: "chart small", tabindex: 0, role: "group", "aria-label": CHART_KEYS });
  onWidth(box, () => chart(box, series.map((s) => ({
    name: called(s), look: s.look,
    points: s.points.map(([x, y]) => ({ x, y, lines: [`step ${x}: ${plain(y)}`] })),
  })), {
    label: `${title}: ${series.map((s) => `${called(s)} from ${plain(s.points[0][1])} to ${plain(s.points.at(-1)[1])}`).join("; ")}`,
    even: true,
    ticks: (count) => [...new Set(linearTicks(least, most, count).map(Math.round))],
    tickText: String,
    valueText: plain,
    title: "step",
    xs: [least, most],
    domain: domainOf(values),
    height: 210,
  }));
  return el(
    "figure", { class: "card panel-card" },
    el("figcaption", null, el("h3", null, title), unit ? el("small", null, unit) : null),
    box,
    names.length > 1 || names[0].includes(".") ? el("ul", { class: "names" }, names.map((name, m) => el("li", null, swatch(lookInWords(name, m)), el("span", null, inWords(name))))) : null,
  );
}

function numbersTable(training, panels) {
  const rows = panels.flatMap(([, , names]) => names).filter((name) => training.series[name]);
  const row = (name) => {
    const points = training.series[name];
    const [least, most] = extentOf(points.map(([, value]) => value));
    const [low, high] = [least, most].map((value) => points.find(([, v]) => v === value));
    const at = ([step, value]) => el("td", { class: "number" }, plain(value), el("small", null, `step ${step}`));
    return el("tr", null, el("th", { scope: "row" }, inWords(name)), at(points[0]), at(points.at(-1)), at(low), at(high), el("td", { class: "number" }, points.length));
  };
  const head = ["number", "first", "last", "lowest", "highest", "values"];
  return scrolled(
    `Numbers of ${training.name}`,
    el("thead", null, el("tr", null, head.map((t) => el("th", { scope: "col" }, t)))),
    el("tbody", null, rows.map(row)),
  );
}

function panelsSection(root, data) {
  const looks = looksOfPanel(data.trainings, [""]);
  if (data.trainings.length > 1) root.append(el("ul", { class: "names trainings" }, data.trainings.map(({ name }, t) => el("li", null, swatch(looks[t][0]), el("span", null, name)))));
  root.append(el("div", { class: "cards panels" }, data.panels.map((one) => panel(data, one))));
  root.append(el("details", { class: "numbers" }, el("summary", null, "The same in numbers"), data.trainings.map((training) => [
    data.trainings.length > 1 ? el("h3", { class: "run" }, training.name) : null, numbersTable(training, data.panels),
  ])));
}
