// What failed, was cut, or could not be graded or scored, and why: it stands before all else.

const WRONG = {
  failed: { short: "failed", said: () => "failed" },
  cut: { short: "cut", said: () => "were cut by the token limit" },
  unfinished: { short: "unfinished", said: () => "were left unfinished" },
  ungraded: { short: "ungraded", said: () => "could not be graded" },
  unscored: { short: "not scored", said: (scorer) => `have no score of ${scorer}` },
};

// `look({run, filter, id})` shows problems in their list.
function failuresSection(root, data, look) {
  const bad = data.runs.map((run, place) => ({ run, place })).filter(({ run }) => run.failures.length);
  for (const { run, place } of bad) {
    if (data.runs.length > 1) root.append(el("h3", { class: "run" }, run.name));
    const groups = new Map();
    run.failures.forEach((row, i) => {
      const key = [row.kind, row.strategy, row.scorer].join(" ");
      groups.set(key, [...(groups.get(key) ?? []), { ...row, i }]);
    });
    for (const rows of groups.values()) root.append(failureGroup(rows, run, data.runs.length > 1 ? "h4" : "h3", (what) => look({ run: place, ...what })));
  }
  if (bad.length) root.append(el("p", { class: "note" }, "What failed, was cut, unfinished or could not be graded counts as wrong, unless it has a grade that says right. Reasons that differ in numbers or ids alone are counted together, and shown as first given."));
  return bad.length > 0;
}

function failureGroup(rows, run, heading, look) {
  const { kind, strategy, scorer, of } = rows[0];
  const count = rows.reduce((sum, row) => sum + row.count, 0);
  const places = new Map(run.list.map((p, i) => [p.id, i]));
  const named = (id) => (places.has(id)
    ? el("button", { type: "button", class: "link", title: id, onclick: () => look({ id: places.get(id) }) }, idText(id))
    : el("span", { title: id }, idText(id)));
  const what = strategy === "sample" ? "samples" : `solutions of ${strategy.replaceAll("_", " ")}`;
  const percent = (100 * count) / of;
  const share = percent < 0.1 ? "under 0.1%" : `${percent < 9.95 ? trimmed(percent.toPrecision(2)) : Math.round(percent)}%`;
  return el(
    "div", { class: "failures" },
    el(heading, null, `${count.toLocaleString("en")} of ${of.toLocaleString("en")} ${what} ${WRONG[kind].said(scorer)} (${count === of ? "all" : share})`),
    el("ul", null, rows.map((row) => el(
      "li", null,
      el("span", { class: "count" }, `${row.count.toLocaleString("en")} ×`),
      el("span", { class: "why" }, row.reason),
      el(
        "span", { class: "where" }, el("span", null, `in ${plural(row.problems, "problem")}:`),
        row.first.map(named), row.problems > row.first.length ? el("span", null, "…") : null,
        run.list.some((p) => p.bad.includes(row.i)) ? el("button", { type: "button", class: "small", "aria-label": `show them: ${row.reason}`, onclick: () => look({ filter: `reason:${row.i}` }) }, "show them") : null,
      ),
    ))),
  );
}
