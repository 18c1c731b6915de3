// Tables of results by category, below the curves; there are some where the report was asked for them.

function breakdownTables(root, data) {
  for (const { run, field, rows } of data.by ?? []) {
    const title = data.runs.length > 1 ? `By ${field}, ${run}` : `By ${field}`;
    const cells = ([value, problems, label, n, accuracy, low, high]) => [
      el("th", { scope: "row" }, value),
      el("td", { class: "number" }, problems),
      el("td", null, label),
      el("td", { class: "number" }, n),
      el("td", { class: "number" }, el("b", null, fixed(accuracy)), el("small", null, interval(low, high))),
    ];
    root.append(
      el("h3", null, title),
      scrolled(
        title,
        el("thead", null, el("tr", null, [field, "problems", "strategy", "N", "accuracy"].map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", null, rows.map((row) => el("tr", null, cells(row)))),
      ),
    );
  }
}
