// Everything on one problem.

// What was chosen for one problem is kept for the next.
const remembered = {
  view: "solutions",
  solutions: { pool: null, scorer: null, grade: "all", sort: "order" },
  tree: { tree: null, pruned: null },
};

function problemDetail(root, details, line, chances, { go, back }) {
  const view = el("div", { class: "view" });
  const step = (text, label, by) => el("button", { type: "button", "data-by": by, "data-key": label, onclick: () => go(by), "aria-label": label }, text);
  const all = line.right + line.wrong + line.unknown;

  function draw() {
    view.replaceChildren();
    if (remembered.view === "tree") treeView(view, details, remembered.tree);
    else solutionsView(view, details, remembered.solutions);
  }

  const views = [{ value: "solutions", text: "Solutions" }, { value: "tree", text: "Search trees" }];
  if (!details.trees.length) remembered.view = "solutions";
  root.replaceChildren(
    el(
      "div", { class: "detail-head" }, el("h3", null, line.id || "(no id)"),
      el("span", { class: "steps-nav" }, step("‹", "Problem before", -1), step("›", "Next problem", 1), el("button", { type: "button", class: "back", onclick: back }, "list")),
    ),
    details.prompt.length
      ? el("div", { class: "prompt-text", tabindex: 0, role: "region", "aria-label": "Prompt" }, details.prompt.map(([role, text]) => [role ? el("span", { class: "role" }, role) : null, cutText(text.replace(/\n+$/, ""), "pre")]))
      : el("p", { class: "empty" }, "The run does not keep its prompts."),
    el(
      "dl", { class: "facts" },
      el("div", null, el("dt", null, "gold answer"), el("dd", null, details.answer === null ? "not known" : String(details.answer))),
      all ? el("div", null, el("dt", null, "samples"), el("dd", null, [`${line.right} right`, `${line.wrong} wrong`, ...(line.unknown ? [`${line.unknown} ungraded`] : [])].join(", "))) : null,
    ),
    el("ul", { class: "verdicts", "aria-label": "Curves at their largest N" }, chances.filter(({ curve, chance }) => !curve.reference && chance !== null).map(({ curve, look, chance }) => el(
      "li", { class: chance >= 0.5 ? "right" : "wrong" }, swatch(look), el("span", null, curve.label), el("b", null, chance === 1 ? "✓" : chance === 0 ? "✗" : fixed(chance, 2)),
    ))),
    details.trees.length
      ? choice("view", "Look at", views, remembered.view, (v) => { remembered.view = v; draw(); })
      : el("p", { class: "note" }, "There is no search tree: no strategy drew this problem’s solutions step by step."),
    view,
  );
  draw();
}
