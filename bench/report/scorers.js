// How far scorers can be trusted: AUC, calibration, and Best-of-N as N grows.

function scorersSection(root, data, styles) {
  const many = data.runs.length > 1;
  const any = data.runs.some((run) => run.scorers.length);
  if (!any) {
    root.append(el("p", { class: "empty" }, "No scorer judged the samples of ", many ? "these runs." : "this run.", " Add --scorer to see how well one agrees with right and wrong."));
    return;
  }
  data.runs.forEach((run, r) => {
    if (many) root.append(el("h3", { class: "run" }, run.name));
    if (!run.scorers.length) {
      root.append(el("p", { class: "empty" }, "No scorer judged the samples of this run."));
      return;
    }
    root.append(scorerTable(run, many), ...verdicts(run), el("div", { class: "cards" }, run.scorers.map((s) => scorerCard(s, (curve) => lookOf(data, styles, r, curve)))));
  });
  root.append(el(
    "p", { class: "note" },
    "On finished solutions of known grade. AUC: the chance that a right solution scores above a wrong one, of all problems or of the same problem; 0.5 is chance. ",
    "ECE: the mean distance between score and share right. A score that is no probability has no calibration.",
  ));
}

function lookOf(data, styles, run, scorer) {
  const place = data.curves.findIndex((c) => c.run === run && c.strategy === "best_of_n" && c.scorer === scorer);
  return place < 0 ? { colour: "var(--c0)", shape: SHAPES[0], dash: null } : styles[place];
}

function scorerTable(run, many) {
  const none = el("span", { class: "quiet" }, "–");
  const number = (x) => el("td", { class: "number" }, x === null || x === undefined ? none.cloneNode(true) : fixed(x));
  const ranged = (value, low, high) => el("td", { class: "number" }, el("b", null, fixed(value)), el("small", null, interval(low, high)));
  return scrolled(
    many ? `Scorers, ${run.name}` : "Scorers",
    el("thead", null, el("tr", null, ["scorer", "AUC within a problem", "AUC", "accuracy at 0.5", "ECE", "solutions", "silent"].map((t) => el("th", { scope: "col" }, t)))),
    el("tbody", null, run.scorers.map((s) => el(
      "tr", null,
      el("th", { scope: "row" }, s.name),
      s.auc_within ? ranged(s.auc_within.value, s.auc_within.low, s.auc_within.high) : number(null),
      number(s.auc),
      s.accuracy ? ranged(...s.accuracy) : number(null),
      number(s.ece),
      el("td", { class: "number" }, s.labels.toLocaleString("en")),
      el("td", { class: "number" }, s.silent.toLocaleString("en")),
    ))),
  );
}

// Where Best-of-N turns down: more samples find more that the scorer is wrong about.
function verdicts(run) {
  return run.scorers.flatMap((s) => s.best_of_n).filter((turn) => turn.falls.length).map((turn) => {
    const worst = turn.falls.at(-1);
    return el(
      "p", { class: "alert" }, el("b", null, `Over-optimised: ${turn.scorer}. `),
      `Best-of-N is best at N = ${turn.peak}, and ${fixed(-worst.difference)} worse at N = ${worst.n} `,
      `(${interval(worst.low, worst.high, signed)}, ${pEquals(worst.p)}): with more samples it finds more that the scorer is wrong about. A vote (weighted majority) or fewer samples are safer.`,
    );
  });
}

// `looksOf` gives the look of the Best-of-N curve of a scorer, or of a scorer under a reducer.
function scorerCard(scorer, looksOf) {
  const card = el("article", { class: "card" }, el("h3", null, scorer.name));
  card.append(el("h4", null, "Share right against score"));
  if (scorer.bins?.length) card.append(figure((box) => reliabilityDiagram(box, scorer, looksOf(scorer.best_of_n[0]?.scorer)), false));
  else card.append(el("p", { class: "empty" }, scorer.labels ? "Its scores are no probabilities (beyond 0 to 1)." : "It has no opinion on any finished solution."));
  const turns = scorer.best_of_n.filter((turn) => turn.points.length > 1);
  for (const turn of turns) {
    const under = turn.scorer === scorer.name ? "" : ` (${turn.scorer})`;
    card.append(el("h4", null, `Best-of-N${under}: accuracy against N`), figure((box) => turnChart(box, turn, looksOf(turn.scorer))), turnText(turn));
  }
  if (!turns.length) card.append(el("h4", null, "Best-of-N: accuracy against N"), el("p", { class: "empty" }, "There is no Best-of-N curve with it in this run."));
  return card;
}

function figure(draw, keys = true) {
  const box = el("div", keys ? { class: "chart small", tabindex: 0, role: "group", "aria-label": CHART_KEYS } : { class: "chart small tall" });
  onWidth(box, () => draw(box));
  return box;
}

function turnText({ peak, falls, points }) {
  const last = points.at(-1)[0];
  if (falls.length) return el("p", { class: "note warn" }, `Falls significantly below its maximum (N = ${peak}) from N = ${falls[0].n}.`);
  return el("p", { class: "note" }, peak === last ? "Still rising at the largest N." : `Best at N = ${peak}; what it loses after is within chance.`);
}

function turnChart(box, turn, look) {
  const fell = new Set(turn.falls.map((f) => f.n));
  const points = turn.points.map(([n, y, low, high]) => ({
    x: n, y, low, high,
    lines: [`N = ${n}: ${fixed(y)} (${interval(low, high)})`, ...(n === turn.peak ? ["its maximum"] : []), ...(fell.has(n) ? ["significantly below its maximum"] : [])],
  }));
  chart(box, [{ name: `Best-of-N (${turn.scorer})`, look: { ...look, dash: null }, points }], {
    label: `Best-of-N accuracy with ${turn.scorer} against N. ${points.map((p) => p.lines.join(", ")).join("; ")}`,
    title: "N",
    ticks: (count) => thinned(points.map((p) => p.x), count),
    tickText: String,
    xs: [points[0].x, points.at(-1).x],
    domain: accuracyDomain(points),
    bands: true,
    height: 190,
  });
}

function reliabilityDiagram(box, scorer, look) {
  const width = Math.max(220, box.clientWidth);
  const height = 250;
  const pad = { left: 42, right: 14, top: 10, bottom: 44 };
  const x = linear([0, 1], [pad.left, width - pad.right]);
  const y = linear([0, 1], [height - pad.bottom, pad.top]);
  const most = Math.max(...scorer.bins.map((b) => b.count));
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const text = (b) => `score ${fixed(b.score, 2)}: ${fixed(b.label, 2)} right (${interval(b.low, b.high, (v) => fixed(v, 2))}), ${plural(b.count, "solution")}`;
  box.replaceChildren(svg(
    "svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Calibration of ${scorer.name}. ${scorer.bins.map(text).join("; ")}` },
    ticks.map((t) => svg("path", { class: "grid", d: `M${pad.left} ${y(t)}H${width - pad.right}M${x(t)} ${pad.top}V${height - pad.bottom}` })),
    ticks.map((t) => svg("text", { class: "tick-text", x: pad.left - 7, y: y(t) + 4, "text-anchor": "end" }, String(t))),
    ticks.map((t) => svg("text", { class: "tick-text", x: x(t), y: height - pad.bottom + 17, "text-anchor": "middle" }, String(t))),
    svg("path", { class: "axis", d: `M${x(0)} ${y(1)}V${y(0)}H${x(1)}` }),
    svg("text", { class: "axis-title", x: (pad.left + width - pad.right) / 2, y: height - 6, "text-anchor": "middle" }, "mean score"),
    scorer.bins.map((b) => svg("path", { class: "mass", d: `M${x(b.score)} ${y(0)}v${(-26 * b.count) / most}` })),
    svg("path", { class: "diagonal", d: `M${x(0)} ${y(0)}L${x(1)} ${y(1)}` }),
    svg("g", { class: "series on" }, 
      scorer.bins.map((b) => svg("path", { class: "whisker", d: `M${x(b.score)} ${y(b.low)}V${y(b.high)}`, stroke: look.colour })),
      scorer.bins.map((b) => filled(marker(look, x(b.score), y(b.label)), null, [svg("title", null, text(b))])),
    ),
  ));
}
