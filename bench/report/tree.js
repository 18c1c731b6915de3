// The tree of a beam search, from left to right; a node is a step, its colour the search's value of it.

const FATES = {
  kept: { text: "kept in the beam", mark: (r) => SHAPES[0](r) },
  done: { text: "finished", mark: (r) => SHAPES[3](r * 1.15) },
  pruned: { text: "pruned", mark: (r) => SHAPES[0](r * 0.62) },
  cut: { text: "cut at a limit", mark: (r) => SHAPES[1](r * 0.9) },
  failed: { text: "failed", mark: (r) => SHAPES[5](r) },
};

const MANY = 150; // candidates

function treeView(root, details, memory) {
  const trees = details.trees;
  if (!trees.length) {
    root.append(el("p", { class: "empty" }, "No tree search was run on this problem, or its tree was not kept."));
    return;
  }
  const state = memory;
  // Of a large tree they are most, and most of them repeat another's text.
  const pruned = () => state.pruned ?? trees[current].parent.length <= MANY;
  const key = (tree) => `${tree.scorer} ${tree.n}`;
  const largest = trees.findIndex((t) => t.n === Math.max(...trees.filter((x) => x.n <= 16).map((x) => x.n), 0));
  const remembered = trees.findIndex((t) => key(t) === state.tree);
  let current = remembered >= 0 ? remembered : Math.max(0, largest);
  const controls = el("div", { class: "controls" });
  const box = el("div", { class: "tree", tabindex: 0, role: "group", "aria-label": "Search tree; arrow keys move: right to a child, left to the parent, up and down at one depth" });
  const legend = el("p", { class: "note fates" });
  const panel = el("div", { class: "panel", "aria-live": "polite" });
  const shown = {};

  function build() {
    controls.replaceChildren(
      selectBox("Search", trees.map((t, i) => [i, `beam search (${t.scorer}), N = ${t.n}`]), current, (v) => { current = Number(v); state.tree = key(trees[current]); build(); draw(); }),
      tick("pruned candidates", pruned(), (on) => { state.pruned = on; draw(); }),
    );
  }

  function draw() {
    const tree = trees[current];
    const pool = details.pools.find((p) => p.strategy !== "sample" && p.scorer === tree.scorer && p.n === tree.n);
    const range = scoreRange([tree.value]);
    const fates = Object.keys(FATES).filter((f) => tree.fate.includes(f));
    legend.replaceChildren(
      ...[fates.map((f) => el("span", null, svg("svg", { width: 14, height: 14, "aria-hidden": true }, svg("path", { class: `node ${f}`, d: FATES[f].mark(5.5), transform: "translate(7 7)", fill: "var(--card)" })), `${FATES[f].text} (${tree.fate.filter((x) => x === f).length})`)),
      el("span", null, "value ", scaleKey(range, 100)),
      tree.value.includes(null) ? el("span", null, "hollow: no value (a repeat, or not scored)") : null,
      chosenPath(tree, pool).size ? el("span", null, svg("svg", { width: 22, height: 14, "aria-hidden": true }, svg("path", { class: "edge chosen", d: "M1 7H21" })), "the chosen solution") : null,
      ].flat().filter(Boolean),
    );
    Object.assign(shown, drawTree(box, tree, { range, chosen: chosenPath(tree, pool), pruned: pruned() }, pick));
    pick(null);
  }

  function pathTo(tree, node) {
    const path = [];
    for (let at = node; at >= 0; at = tree.parent[at]) path.unshift(at);
    return path;
  }

  function pick(node) {
    shown.at = node;
    const tree = trees[current];
    const path = node === null ? [] : pathTo(tree, node);
    shown.mark(new Set(path), node);
    if (node === null) {
      panel.replaceChildren(el("p", { class: "empty" }, "Point at a node, or press it, to read its step and the steps before it."));
      return;
    }
    const range = scoreRange([tree.value]);
    const stop = STOPS[tree.stop[node]] ?? "";
    panel.replaceChildren(
      el("p", null, el("b", null, FATES[tree.fate[node]]?.text ?? tree.fate[node]), ` · value ${score(tree.value[node])} · step ${path.length} · ${stop}`),
      el("div", { class: "steps inline" }, path.map((n) => stepBox(details.texts[tree.text[n]], tree.value[n], range))),
    );
  }

  box.addEventListener("keydown", (event) => {
    const tree = trees[current];
    const at = shown.at ?? null;
    if (event.key === "Escape") return pick(null);
    if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    if (at === null) return pick(shown.columns[0]?.[0] ?? null);
    const column = shown.columns[tree.depth[at] - shown.first];
    const i = column.indexOf(at);
    const next = {
      ArrowLeft: tree.parent[at] >= 0 ? tree.parent[at] : at,
      ArrowRight: shown.columns[tree.depth[at] - shown.first + 1]?.find((n) => tree.parent[n] === at) ?? at,
      ArrowUp: column[Math.max(0, i - 1)],
      ArrowDown: column[Math.min(column.length - 1, i + 1)],
    }[event.key];
    pick(next);
    shown.scrollTo(next);
  });

  root.append(controls, legend, box, panel);
  build();
  onWidth(box, draw);
}

// The nodes on the way to the solution that the search chose.
function chosenPath(tree, pool) {
  const wanted = pool?.solutions.find((s) => s.chosen)?.steps;
  if (!wanted?.length) return new Set();
  for (let node = 0; node < tree.parent.length; node++) {
    if (tree.fate[node] === "pruned" || tree.text[node] !== wanted.at(-1)) continue;
    const path = [];
    for (let at = node; at >= 0 && path.length <= wanted.length; at = tree.parent[at]) path.unshift(at);
    if (path.length === wanted.length && path.every((n, i) => tree.text[n] === wanted[i])) return new Set(path);
  }
  return new Set();
}

// Columns by depth, every node near its parent, none on another.
function layout(tree, keep, gap) {
  const first = tree.depth.reduce((a, b) => Math.min(a, b), Infinity);
  const columns = [];
  tree.depth.forEach((d, n) => keep(n) && (columns[d - first] ??= []).push(n));
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
  return { columns, y, first };
}

function drawTree(box, tree, { range, chosen, pruned }, pick) {
  const keep = (n) => pruned || tree.fate[n] !== "pruned";
  const widest = Math.max(1, ...Object.values(tree.depth.reduce((all, d, n) => (keep(n) ? { ...all, [d]: (all[d] ?? 0) + 1 } : all), {})));
  const r = widest > 24 ? 4.5 : 6.5;
  const gap = widest > 24 ? 11 : widest > 8 ? 16 : 24;
  const { columns, y, first } = layout(tree, keep, gap);
  const ys = columns.flat().map((n) => y[n]);
  const [top, bottom] = [Math.min(0, ...ys), Math.max(0, ...ys)];
  const width = Math.max(box.clientWidth - 2, 30 + columns.length * 30);
  const height = Math.max(90, bottom - top + 3 * r + 20);
  const xOf = (depth) => 14 + ((width - 30) * (depth + 1)) / Math.max(1, columns.length);
  const shift = (height - (bottom - top)) / 2 - top;
  const round = (v) => Math.round(v * 10) / 10;
  const px = (n) => (n < 0 ? 14 : round(xOf(tree.depth[n] - first)));
  const py = (n) => (n < 0 ? round(shift) : round(y[n] + shift));
  const nodes = columns.flat();
  const edges = new Map(nodes.map((n) => {
    const from = tree.parent[n];
    const middle = (px(from) + px(n)) / 2;
    const d = `M${px(from)} ${py(from)}C${middle} ${py(from)} ${middle} ${py(n)} ${px(n)} ${py(n)}`;
    return [n, svg("path", { class: `edge ${tree.fate[n]}${chosen.has(n) ? " chosen" : ""}`, d })];
  }));
  const dots = new Map(nodes.map((n) => [n, svg("path", {
    class: `node ${tree.fate[n]}${tree.value[n] === null ? " silent" : ""}`, "data-node": n,
    d: (FATES[tree.fate[n]] ?? FATES.kept).mark(r), transform: `translate(${px(n)} ${py(n)})`,
    style: { fill: scoreColour(tree.value[n], range, "var(--card)", 100) ?? "var(--card)" },
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
    columns, first,
    mark(path, node) {
      for (const [n, edge] of edges) edge.classList.toggle("path", path.has(n));
      for (const [n, dot] of dots) dot.classList.toggle("at", n === node);
    },
    scrollTo(n) {
      const left = px(n) - box.scrollLeft;
      if (left < 30) box.scrollLeft -= 60 - left;
      if (left > box.clientWidth - 30) box.scrollLeft += left - box.clientWidth + 60;
    },
  };
}
