// The tree of a search, from left to right; a node is what a candidate adds, its colour the search's value of it.

const FATES = {
  kept: { text: "kept", mark: (r) => SHAPES[0](r) },
  done: { text: "finished", mark: (r) => SHAPES[3](r * 1.15) },
  pruned: { text: "pruned", mark: (r) => SHAPES[0](r * 0.62) },
  cut: { text: "cut at a limit", mark: (r) => SHAPES[1](r * 0.9) },
  failed: { text: "failed", mark: (r) => SHAPES[5](r) },
};

const fateOf = (fate) => FATES[fate] ?? { ...FATES.kept, text: fate }; // of a file that somebody else wrote

const MANY = 150; // candidates

function treeView(root, details, memory) {
  const trees = details.trees.map(withLevels);
  const state = memory;
  // Of a large tree they are most, and most of them repeat another's text.
  const pruned = () => state.pruned ?? trees[current].parent.length <= MANY;
  const name = (tree) => `${tree.strategy.replaceAll("_", " ")}${tree.scorer ? ` (${tree.scorer})` : ""}, N = ${tree.n}`;
  const largest = trees.findIndex((t) => t.n === Math.max(...trees.filter((x) => x.n <= 16).map((x) => x.n), 0));
  const remembered = trees.findIndex((t) => name(t) === state.tree);
  let current = remembered >= 0 ? remembered : Math.max(0, largest);
  const controls = el("div", { class: "controls" });
  const box = el("div", { class: "tree", tabindex: 0, role: "group", "aria-label": "Search tree; arrow keys move: right to a child, left to the parent, up and down at one depth. The list below has all of it as text" });
  const legend = el("p", { class: "note fates" });
  const panel = el("div", { class: "panel", "aria-live": "polite", tabindex: 0, role: "group", "aria-label": "The candidate that was picked" });
  const list = el("details", { class: "outline", ontoggle: () => list.open && outline() }, el("summary", null, "The tree as a list"));
  const shown = {};

  controls.append(
    selectBox("Search", trees.map((t, i) => [i, name(t)]), current, (v) => { current = Number(v); state.tree = name(trees[current]); draw(); }),
    tick("pruned candidates", pruned(), (on) => { state.pruned = on; draw(); }),
  );

  function draw() {
    const tree = trees[current];
    controls.querySelector("input").checked = pruned();
    const range = rangeOf(tree);
    const keep = kept(tree, pruned());
    const chosen = chosenPath(tree, details);
    const fates = [...new Set([...Object.keys(FATES), ...tree.fate])].filter((f) => tree.fate.includes(f));
    legend.replaceChildren(
      ...[fates.map((f) => el("span", null, svg("svg", { width: 14, height: 14, "aria-hidden": true }, svg("path", { class: `node ${f}`, d: fateOf(f).mark(5.5), transform: "translate(7 7)", fill: "var(--card)" })), `${fateOf(f).text} (${tree.fate.filter((x) => x === f).length})`)),
      range ? el("span", null, "value ", scaleKey(range, 100)) : null,
      range && tree.value.includes(null) ? el("span", null, "dashed: no value (a repeat, or not scored)") : null,
      chosen.size ? el("span", null, svg("svg", { width: 22, height: 14, "aria-hidden": true }, svg("path", { class: "edge chosen", d: "M1 7H21" })), "the chosen solution") : null,
      ].flat().filter(Boolean),
    );
    Object.assign(shown, drawTree(box, tree, { range, chosen, keep }, pick));
    if (list.open) outline();
    pick(null);
  }

  // None where no value was given at all, as by a search without a scorer.
  const rangeOf = (tree) => (tree.value.some((v) => v !== null) ? scoreRange([tree.value]) : null);
  const textOf = (tree, node) => details.texts[tree.text[node]];
  const said = (tree, node) => [fateOf(tree.fate[node]).text, rangeOf(tree) && (tree.value[node] === null ? "no value" : `value ${score(tree.value[node])}`)].filter(Boolean).join(", ");

  function pick(node) {
    shown.at = node;
    const tree = trees[current];
    const path = pathTo(tree, node);
    shown.mark(new Set(path), node);
    if (node === null) {
      panel.replaceChildren(el("p", { class: "empty" }, "Point at a node, or press it, to read its step and the steps before it."));
      return;
    }
    const range = rangeOf(tree);
    const before = path.slice(0, -1).map((n) => stepBox(textOf(tree, n), tree.value[n], range));
    const long = path.reduce((sum, n) => sum + textOf(tree, n).length, 0) > 600;
    panel.replaceChildren(
      el("p", null, el("b", null, `Step ${path.length}`), `: ${said(tree, node)}, ${STOPS[tree.stop[node]] ?? tree.stop[node]}`),
      el("div", { class: "steps inline" }, stepBox(textOf(tree, node), tree.value[node], range)),
      before.length ? el("details", { open: !long }, el("summary", null, `after ${plural(before.length, "step")}`), el("div", { class: "steps inline" }, before)) : "",
    );
    panel.scrollTop = 0;
  }

  // For who cannot see the picture; a list in a list is a step further.
  function outline() {
    const tree = trees[current];
    const [keep, chosen] = [kept(tree, pruned()), chosenPath(tree, details)];
    const children = new Map();
    tree.parent.forEach((parent, n) => keep(n) && children.set(parent, [...(children.get(parent) ?? []), n]));
    const listed = (parent) => el("ul", null, (children.get(parent) ?? []).map((n) => el(
      "li", null, el("span", { class: "text" }, clipped(textOf(tree, n).trim() || "(empty)")), ` ${said(tree, n)}${chosen.has(n) ? ", chosen" : ""}`,
      children.has(n) ? listed(n) : null,
    )));
    list.replaceChildren(list.firstChild, el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "The tree as a list" }, listed(-1)));
  }

  box.addEventListener("keydown", (event) => {
    const tree = trees[current];
    const at = shown.at ?? null;
    if (event.key === "Escape") return pick(null);
    if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    const column = shown.columns[at === null ? 0 : tree.level[at]];
    const i = column.indexOf(at);
    const next = at === null ? column[0] : {
      ArrowLeft: tree.parent[at] >= 0 ? tree.parent[at] : at,
      ArrowRight: shown.columns[tree.level[at] + 1]?.find((n) => tree.parent[n] === at) ?? at,
      ArrowUp: column[Math.max(0, i - 1)],
      ArrowDown: column[Math.min(column.length - 1, i + 1)],
    }[event.key];
    if (next === undefined) return;
    pick(next);
    shown.scrollTo(next);
  });

  root.append(controls, legend, box, panel, list);
  onWidth(box, draw);
}

const clipped = (text, most = 300) => (text.length > most ? `${text.slice(0, most)}…` : text);

// With the steps to each node: a parent comes before its children.
function withLevels(tree) {
  const level = [];
  tree.parent.forEach((parent, n) => { level[n] = parent < 0 ? 0 : level[parent] + 1; });
  return { ...tree, level };
}

function pathTo(tree, node) {
  const path = [];
  for (let at = node ?? -1; at >= 0; at = tree.parent[at]) path.unshift(at);
  return path;
}

// Which nodes are shown: without the pruned, all that lead to another.
function kept(tree, pruned) {
  const shown = tree.fate.map((fate) => pruned || fate !== "pruned");
  for (let n = shown.length - 1; n >= 0; n--) if (shown[n] && tree.parent[n] >= 0) shown[tree.parent[n]] = true;
  return (n) => shown[n];
}

// The nodes on the way to the solution that the search chose.
function chosenPath(tree, details) {
  const pool = details.pools.find((p) => p.strategy === tree.strategy && p.scorer === tree.scorer && p.n === tree.n);
  const chosen = pool?.solutions.find((s) => s.chosen);
  const text = (list) => list.map((t) => details.texts[t]).join("");
  const wanted = chosen?.steps.length ? text(chosen.steps) : null;
  for (let node = 0; wanted !== null && node < tree.parent.length; node++) {
    if (tree.fate[node] === "pruned" || !wanted.endsWith(details.texts[tree.text[node]])) continue;
    const path = pathTo(tree, node);
    if (text(path.map((n) => tree.text[n])) === wanted) return new Set(path);
  }
  return new Set();
}

// Columns by depth, every node near its parent, none on another.
function layout(tree, keep, gap) {
  const columns = [];
  tree.level.forEach((level, n) => keep(n) && (columns[level] ??= []).push(n));
  const y = [];
  let before = new Map();
  for (const column of columns) {
    column.sort((a, b) => (before.get(tree.parent[a]) ?? 0) - (before.get(tree.parent[b]) ?? 0) || a - b);
    const families = new Map();
    for (const n of column) families.set(tree.parent[n], [...(families.get(tree.parent[n]) ?? []), n]);
    let floor = -Infinity;
    let off = 0;
    for (const [parent, nodes] of families) {
      const middle = y[parent] ?? 0;
      nodes.forEach((n, i) => {
        const wish = middle + (i - (nodes.length - 1) / 2) * gap;
        y[n] = Math.max(wish, floor + gap);
        floor = y[n];
        off += y[n] - wish;
      });
    }
    for (const n of column) y[n] -= off / column.length;
    before = new Map(column.map((n, i) => [n, i]));
  }
  return { columns, y };
}

function drawTree(box, tree, { range, chosen, keep }, pick) {
  const many = [];
  tree.level.forEach((level, n) => { many[level] = (many[level] ?? 0) + (keep(n) ? 1 : 0); });
  const widest = Math.max(1, ...many);
  const r = widest > 24 ? 4.5 : 6.5;
  const gap = widest > 24 ? 11 : widest > 8 ? 16 : 24;
  const { columns, y } = layout(tree, keep, gap);
  const ys = columns.flat().map((n) => y[n]);
  const [top, bottom] = [Math.min(0, ...ys), Math.max(0, ...ys)];
  const width = Math.max(box.clientWidth - 2, 30 + columns.length * 30);
  const height = Math.max(90, bottom - top + 3 * r + 20);
  const xOf = (depth) => 14 + ((width - 30) * (depth + 1)) / Math.max(1, columns.length);
  const shift = (height - (bottom - top)) / 2 - top;
  const round = (v) => Math.round(v * 10) / 10;
  const px = (n) => (n < 0 ? 14 : round(xOf(tree.level[n])));
  const py = (n) => (n < 0 ? round(shift) : round(y[n] + shift));
  const nodes = columns.flat();
  const edges = new Map(nodes.map((n) => {
    const from = tree.parent[n];
    const middle = (px(from) + px(n)) / 2;
    const d = `M${px(from)} ${py(from)}C${middle} ${py(from)} ${middle} ${py(n)} ${px(n)} ${py(n)}`;
    return [n, svg("path", { class: `edge ${tree.fate[n]}${chosen.has(n) ? " chosen" : ""}`, d })];
  }));
  const dots = new Map(nodes.map((n) => [n, svg("path", {
    class: `node ${tree.fate[n]}${range && tree.value[n] === null ? " silent" : ""}`, "data-node": n,
    d: fateOf(tree.fate[n]).mark(r), transform: `translate(${px(n)} ${py(n)})`,
    style: { fill: scoreColour(tree.value[n], range ?? {}, "var(--card)", 100) ?? "var(--card)" },
  })]));
  const picture = svg(
    "svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${plural(nodes.length, "candidate")} in ${plural(columns.length, "round")}` },
    [...edges.values()].sort((a, b) => a.classList.contains("chosen") - b.classList.contains("chosen")),
    svg("circle", { class: "root", cx: 14, cy: round(shift), r: 4 }),
    [...dots.values()],
  );
  const near = (event) => {
    const frame = picture.getBoundingClientRect();
    const [mx, my] = [event.clientX - frame.left, event.clientY - frame.top];
    const away = (n) => Math.hypot(px(n) - mx, py(n) - my);
    const best = nodes.reduce((a, b) => (a !== null && away(a) <= away(b) ? a : b), null);
    if (best !== null && away(best) < 22) pick(best);
  };
  picture.addEventListener("pointermove", near);
  picture.addEventListener("pointerdown", near);
  box.replaceChildren(picture);
  return {
    columns,
    mark(path, node) {
      for (const [n, edge] of edges) edge.classList.toggle("path", path.has(n));
      for (const [n, dot] of dots) dot.classList.toggle("at", n === node);
    },
    scrollTo(n) {
      for (const [along, side, at] of [["scrollLeft", "clientWidth", px(n)], ["scrollTop", "clientHeight", py(n)]]) {
        box[along] = Math.min(Math.max(box[along], at + 30 - box[side]), at - 30);
      }
    },
  };
}
