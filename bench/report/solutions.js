// A pool of solutions, their steps coloured by a scorer.

const FIRST = 32; // solutions shown before "show more"

// Scores to colours: blue above the middle, orange below; beyond 0 to 1 the scores of the problem say what is high.
function scoreRange(lists) {
  const all = lists.flat(2).filter(Number.isFinite);
  const [low, high] = [all.reduce((a, b) => Math.min(a, b), Infinity), all.reduce((a, b) => Math.max(a, b), -Infinity)];
  if (!all.length || (low >= 0 && high <= 1)) return { low: 0, high: 1 };
  return { low, high: high > low ? high : low + 1 };
}

function scoreColour(value, range, base = "transparent", most = 60) {
  if (value === null || value === undefined) return null;
  const { low, high } = range;
  const t = (2 * (value - low)) / (high - low) - 1;
  return `color-mix(in srgb, var(${t >= 0 ? "--high" : "--low"}) ${Math.round(most * Math.min(1, Math.abs(t)))}%, ${base})`;
}

function scaleKey(range, most) {
  const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => scoreColour(range.low + t * (range.high - range.low), range, "var(--card)", most));
  return el("span", { class: "key" }, score(range.low), el("span", { class: "bar", style: { background: `linear-gradient(90deg, ${stops.join(", ")})` } }), score(range.high));
}

// A step and its score; there is no `range` where there is no scorer at all.
function stepBox(text, value, range, thought) {
  const silent = range && (value === null || value === undefined);
  return el(
    "span", { class: `step${silent ? " silent" : ""}${thought ? " thought" : ""}`, title: thought ? "thinking" : null, style: { background: scoreColour(value, range) ?? "" } },
    cutText(text.replace(/\n+$/, "") || "\u00a0", "span", { class: "text" }), range ? el("span", { class: "score" }, score(value)) : null,
  );
}

// How a solution counts, and what its badge says: of one that is right whatever went wrong stands among its facts.
const GRADES = {
  right: ["right", "✓ right"], wrong: ["wrong", "✗ wrong"], failed: ["wrong", "✗ failed"], cut: ["wrong", "✗ cut"],
  unfinished: ["wrong", "✗ unfinished"], ungraded: ["unknown", "? ungraded"],
};
const gradeOf = (solution) => GRADES[solution.correct ? "right" : solution.trouble ?? "wrong"];
const STOPS = { eos: "finished", length: "cut by the token limit", failed: "failed", open: "unfinished" };

function solutionsView(root, details, memory) {
  const pools = details.pools;
  if (!pools.length) {
    root.append(el("p", { class: "empty" }, "The run keeps no solutions of this problem."));
    return;
  }
  const state = memory;
  const controls = el("div", { class: "controls" });
  const cards = el("div", { class: "solutions" });
  const name = (pool) => (pool.strategy === "sample" ? plural(pool.solutions.length, "sample") : `${pool.strategy.replaceAll("_", " ")}${pool.scorer ? ` (${pool.scorer})` : ""}, N = ${pool.n}`);
  const poolKey = (pool) => [pool.strategy, pool.scorer, pool.n].join(" ");
  const remembered = pools.findIndex((pool) => poolKey(pool) === state.pool);
  let [current, all] = [Math.max(0, remembered), false];

  function build() {
    const pool = pools[current];
    const scorers = Object.keys(pool.scores);
    // At first the one that has most to say.
    const spoken = (s) => pool.scores[s].steps.flat().filter((v) => v !== null).length;
    if (!scorers.includes(state.scorer)) state.scorer = scorers.reduce((a, b) => (a && spoken(a) >= spoken(b) ? a : b), "");
    const change = (key) => (value) => { state[key] = value; all = false; draw(); };
    keepingFocus(controls, () => controls.replaceChildren(
      selectBox("Pool", pools.map((p, i) => [i, name(p)]), current, (v) => { current = Number(v); state.pool = poolKey(pools[current]); all = false; build(); }),
      ...(scorers.length ? [selectBox("Colour by", scorers.map((s) => [s, s]), state.scorer, change("scorer"))] : []),
      selectBox("Show", [["all", "all"], ["right", "right"], ["wrong", "wrong"], ["unknown", "ungraded"], ["failed", "failed"], ["cut", "cut"], ["unfinished", "unfinished"]], state.grade, change("grade")),
      selectBox("Sort", [["order", "as drawn"], ...(scorers.length ? [["score", "highest score first"]] : [])], state.sort, change("sort")),
    ));
    draw();
  }

  function draw() {
    const pool = pools[current];
    const said = pool.scores[state.scorer];
    const range = said ? scoreRange([said.steps, said.values]) : null;
    const kinds = (solution) => ["all", gradeOf(solution)[0], solution.trouble];
    let places = pool.solutions.map((_, i) => i).filter((i) => kinds(pool.solutions[i]).includes(state.grade));
    if (state.sort === "score" && said) places.sort((a, b) => (said.values[b] ?? -Infinity) - (said.values[a] ?? -Infinity) || a - b);
    const shown = all ? places : places.slice(0, FIRST);
    cards.replaceChildren(
      ...troubles(pool),
      ...(range ? [el("p", { class: "note" }, "Steps by score: ", scaleKey(range), " (a dash: no opinion)")] : []),
      ...shown.map((i) => solutionCard(pool.solutions[i], details.texts, said, i, range, pool)),
      ...(places.length > shown.length ? [el("button", { type: "button", class: "more", ...onPaper(`… ${plural(places.length - shown.length, "solution")} more`), onclick: () => { all = true; draw(); cards.querySelectorAll("article")[FIRST].focus(); } }, `show ${places.length - shown.length} more`)] : []),
      ...(places.length ? [] : [el("p", { class: "empty" }, "None is like that.")]),
    );
  }

  root.append(controls, cards);
  build();
}

// Why solutions failed, were cut, or were not graded or scored; those of one reason in one line.
function troubles(pool) {
  const lines = new Map();
  const add = (what, reason, solution) => {
    const line = reason ? `${what}: ${reason}` : what;
    lines.set(line, [...(lines.get(line) ?? []), `#${solution.index}`]);
  };
  pool.solutions.forEach((solution, i) => {
    const kind = solution.trouble;
    if (kind) add(WRONG[kind].short, solution.reason, solution);
    for (const [scorer, said] of Object.entries(pool.scores)) if (said.values[i] === null && said.reasons[i] && kind !== "failed") add(`not scored by ${scorer}`, said.reasons[i], solution);
  });
  const some = (names) => (names.length > 12 ? `${names.slice(0, 12).join(" ")} and ${names.length - 12} more` : names.join(" "));
  return lines.size ? [el("ul", { class: "troubles", "aria-label": "What went wrong" }, [...lines].map(([line, names]) => el("li", null, el("b", null, some(names)), ` ${line}`)))] : [];
}

function solutionCard(solution, texts, said, place, range, pool) {
  const [kind, grade] = gradeOf(solution);
  const steps = solution.steps.map((t) => texts[t]);
  const scores = said?.steps[place] ?? null;
  const aligned = scores?.length === steps.length; // a scorer may cut a text otherwise than the file
  const tops = Object.entries(pool.scores).filter(([, s]) => topPlace(s.values, pool.solutions) === place).map(([name]) => name);
  const facts = [
    STOPS[solution.stop] ?? solution.stop,
    solution.tokens === null ? null : plural(solution.tokens, "token"),
    said?.reasons[place] ?? null,
    solution.reason,
  ].filter(Boolean);
  const thought = steps.slice(0, solution.thought);
  const rest = steps.slice(solution.thought);
  const size = (texts) => texts.reduce((sum, text) => sum + text.length, 0);
  const boxes = (texts, from) => () => stepBoxes(texts, aligned ? scores.slice(from) : [], range, from === 0 && thought.length > 0);
  return el(
    "article", { class: `solution ${kind}`, tabindex: -1 },
    el(
      "header", null,
      el("span", { class: `badge ${kind}` }, grade),
      el("span", { class: "index" }, `#${solution.index}`),
      el("span", { class: "answer" }, "answer ", solution.answer === null ? el("i", null, "none") : el("b", null, String(solution.answer))),
      said ? el("span", { class: "value" }, "score ", el("b", null, score(said.values[place]))) : null,
      solution.chosen ? el("span", { class: "badge" }, pool.strategy === "sample" ? "the vote’s" : "chosen") : null,
      tops.length ? el("span", { class: "badge" }, `top of ${tops.join(", ")}`) : null,
      el("span", { class: "facts" }, facts.join(" · ")),
    ),
    thought.length ? folded([`thinking: ${plural(thought.length, "step")}, ${plural(size(thought), "character")}`], boxes(thought, 0)) : null,
    steps.length === 0 ? el("p", { class: "empty" }, "No step was made.") : size(rest) > 600
      ? folded([el("span", { class: "peek" }, stepPeek(aligned ? scores.slice(thought.length) : [], range)), ` ${plural(rest.length, "step")}`], boxes(rest, thought.length))
      : rest.length ? boxes(rest, thought.length)() : null,
  );
}

const STEPS = 200; // that are drawn at once

function stepBoxes(texts, scores, range, thought) {
  const inline = texts.every((text) => text.length <= 40);
  const made = (from, to) => texts.slice(from, to).map((text, i) => stepBox(text, scores[from + i] ?? null, range, thought));
  const box = el("div", { class: `steps${inline ? " inline" : ""}` }, made(0, STEPS));
  if (texts.length > STEPS) {
    const more = el("button", { type: "button", class: "small", ...onPaper(`… ${plural(texts.length - STEPS, "step")} more`), onclick: () => {
      const rest = made(STEPS);
      more.replaceWith(...rest);
      rest[0].tabIndex = -1;
      rest[0].focus({ preventScroll: true });
    } }, `show all ${texts.length.toLocaleString("en")} steps`);
    box.append(more);
  }
  return box;
}

// The finished solution that a scorer puts highest, the first of equals.
function topPlace(values, solutions) {
  let best = -1;
  values.forEach((v, i) => {
    if (v !== null && solutions[i].stop === "eos" && (best < 0 || v > values[best])) best = i;
  });
  return best;
}

// A long solution in one line: a cell a step, of very many the first.
function stepPeek(scores, range) {
  return scores.slice(0, 100).map((v) => el("span", { class: "cell", style: { background: scoreColour(v, range, "var(--card)", 90) ?? "" } }));
}
