// Reads the summary and fills the sections.

function glance(root, data) {
  data.runs.forEach((run, r) => {
    const curves = data.curves.map((curve, place) => ({ curve, place })).filter(({ curve }) => curve.run === r && !curve.reference);
    const points = curves.flatMap(({ curve, place }) => curve.points.map((point) => ({ curve, place, point })));
    // Of equal accuracies the one at the least N.
    const best = points.reduce((a, b) => (a && (a.point[1] > b.point[1] || (a.point[1] === b.point[1] && a.point[0] <= b.point[0])) ? a : b), null);
    const base = curves.find(({ curve }) => curve.label === data.curves[data.baseline]?.label);
    const settings = el("details", null, el("summary", null, "settings"), el("dl", { class: "facts" }, run.config.map(([k, v]) => el("div", null, el("dt", null, k), el("dd", null, v)))));
    root.append(el(
      "div", { class: "run" },
      data.runs.length > 1 ? el("h2", null, run.name) : null,
      el("p", null, [plural(run.problems, "problem"), ...run.config.filter(([k]) => ["task", "policy", "n", "seed"].includes(k)).map(([k, v]) => `${k}\u00a0${v}`)].join(" · ")),
      best ? el("p", { class: "best" }, ...bestText(data, best, base)) : null,
      run.config.length ? settings : null,
      run.notes.length ? el("details", null, el("summary", null, "notes"), el("ul", { class: "notes" }, run.notes.map((note) => el("li", null, note)))) : null,
    ));
  });
}

function bestText(data, { curve, place, point }, base) {
  const [n, y, low, high] = point;
  if (y === 0) return ["No strategy is right on any problem."];
  const text = ["Best: ", el("b", null, curve.label), ` at N\u00a0=\u00a0${n}, accuracy `, el("b", null, fixed(y)), ` (${interval(low, high)})`];
  const paired = base && data.paired[base.place]?.[place]?.[n];
  if (paired) text.push(`, ${signed(paired.difference)} on ${base.curve.label} at the same N (${interval(paired.low, paired.high, signed)}, ${pEquals(paired.p)})`);
  return [...text, "."];
}

function section(id, fill) {
  const root = document.querySelector(`#${id} .content`);
  try {
    fill(root);
  } catch (error) {
    root.append(el("p", { class: "alert" }, `This section could not be drawn: ${error}`));
    throw error;
  }
}

drawn((data) => {
  const styles = looks(data.curves, data.runs.length);
  glance(document.getElementById("glance"), data);
  let look; // shows problems in their list, which is made last
  section("failures", (root) => {
    if (!failuresSection(root, data, (what) => look(what))) withoutSection("failures");
  });
  section("curves", (root) => {
    curvesSection(root, data, styles);
    breakdowns(root, data, styles, (what) => look(what));
  });
  section("comparison", (root) => comparisonSection(root, data, styles));
  section("scorers", (root) => scorersSection(root, data, styles));
  section("problems", (root) => { look = problemsSection(root, data, styles); });
});

openOnPaper("header details, .breakdown + details, .detail details");
