// The page of trainings: reads the summary and fills the sections; those that have nothing to say go.

function trainingGlance(root, data) {
  for (const training of data.trainings) {
    root.append(el(
      "div", { class: "run" },
      data.trainings.length > 1 ? el("h2", null, training.name) : null,
      el("p", null, [training.asked > training.steps ? `${training.steps.toLocaleString("en")} of ${plural(training.asked, "step")}` : plural(training.steps, "step"), ...training.facts.filter(([k]) => ["kind", "policy", "prm", "gate", "credit", "target", "mode"].includes(k)).map(([k, v]) => (k === "kind" ? v : `${k}\u00a0${v}`))].join(" · ")),
      training.summary.map((line) => el("p", { class: "best" }, line.replaceAll("->", "→"))),
      el("details", null, el("summary", null, "settings"), el("dl", { class: "facts" }, training.facts.map(([k, v]) => el("div", null, el("dt", null, k), el("dd", null, v))))),
    ));
  }
}

function auditSection(root, data) {
  const audited = data.trainings.filter((training) => training.audit);
  for (const { name, audit } of audited) {
    const { fired, signs, trends } = audit;
    const few = !trends.length;
    if (data.trainings.length > 1) root.append(el("h3", { class: "run" }, name));
    root.append(
      fired
        ? el("div", { class: "alert" }, el("b", null, "The PRM looks hacked."), el("ul", { class: "signs" }, signs.map((sign) => el("li", null, sign))))
        : el("p", { class: "verdict" }, el("b", null, !audit.against ? "No credit came from a PRM, so none was hacked." : few ? "Too few steps to tell; it takes 8." : signs.length ? `No hacking seen, with one sign of it: ${signs[0]}.` : "No hacking seen.")),
    );
    if (!few) root.append(scrolled(
      `Trends of ${name}`,
      el("thead", null, el("tr", null, ["metric", "first quarter", "last quarter", "change", "standard error"].map((t) => el("th", { scope: "col" }, t)))),
      el("tbody", null, trends.map(([metric, first, last, change, error]) => el(
        "tr", null, el("th", { scope: "row" }, inWords(metric)), ...[fixed(first), fixed(last)].map((x) => el("td", { class: "number" }, x)),
        el("td", { class: `number${Math.abs(change) > 2 * error ? " sure" : ""}` }, signed(change)), el("td", { class: "number" }, fixed(error)),
      ))),
    ));
  }
  root.append(el("p", { class: "note" }, "Means over the first and the last quarter of the steps; a change of more than two standard errors is bold. An audit looks back, and does not predict. It sees all signs only with a held-out scorer, which is not trained against."));
  return audited.length > 0;
}

function evaluationSection(root, data) {
  const judged = data.trainings.filter((training) => training.quality);
  if (!judged.length) return false;
  const names = [...new Set(judged.flatMap((training) => training.quality.map(([name]) => name)))];
  const shown = (value) => (typeof value === "number" ? plain(value) : value === null || value === undefined ? "–" : String(value));
  root.append(scrolled(
    "Held-out rows",
    el("thead", null, el("tr", null, ["training", ...names].map((t) => el("th", { scope: "col" }, t)))),
    el("tbody", null, judged.map(({ name, quality }) => el("tr", null, el("th", { scope: "row" }, name), names.map((one) => el("td", { class: "number" }, shown(new Map(quality).get(one))))))),
  ));
  return true;
}

drawn((data) => {
  document.querySelector("header .kind").textContent = `stepbeam report, ${plural(data.trainings.length, "training")}`;
  trainingGlance(document.getElementById("glance"), data);
  const sections = { audit: auditSection, evaluation: evaluationSection, curves: panelsSection, credits: creditsSection };
  for (const [id, fill] of Object.entries(sections)) {
    if (fill(document.querySelector(`#${id} .content`), data) === false) withoutSection(id);
  }
});

openOnPaper("details");
