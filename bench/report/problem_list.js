// The list of a run's problems: search, filter, sort, and open one.

const SQUARES = 20; // in a row, which is what a phone has room for

function problemsSection(root, data, styles) {
  const state = { run: 0, query: "", filter: "all", sort: "order", open: null };
  const controls = el("div", { class: "controls" });
  const note = el("p", { class: "note" });
  const list = el("ol", { class: "list", "aria-label": "Problems" });
  const detail = el("div", { class: "detail", tabindex: -1 });
  const count = el("p", { class: "note", role: "status" });
  let found = [];

  const ours = (run) => data.curves.map((curve, place) => ({ curve, place })).filter(({ curve }) => curve.run === run);
  const wrong = (chance) => chance !== null && chance < 0.5;

  function filters() {
    const strategies = ours(state.run).map((one, i) => ({ ...one, i })).filter(({ curve }) => !curve.reference);
    return [
      ["all", "all problems"], ["mixed", "some samples right, some not"], ["none", "no sample right"], ["every", "every sample right"],
      ["unknown", "with ungraded samples"],
      { group: "wrong though a sample is right", options: strategies.map(({ curve, i }) => [`wrong:${i}`, `wrong: ${curve.label}`]) },
    ];
  }

  function sorts() {
    const scorers = [...new Set(data.runs[state.run].list.flatMap((p) => Object.keys(p.gaps)))];
    return [
      ["order", "order of the run"], ["hard", "fewest right first"], ["easy", "most right first"], ["missed", "most curves wrong first"],
      ...(scorers.length ? [{ group: "most misled scorer first", options: scorers.map((s) => [`gap:${s}`, `misled: ${s}`]) }] : []),
    ];
  }

  const share = (p) => p.right / Math.max(1, p.right + p.wrong + p.unknown);

  function passes(p) {
    if (state.query && !`${p.id} ${p.prompt}`.toLowerCase().includes(state.query)) return false;
    const [kind, i] = state.filter.split(":");
    if (kind === "mixed") return p.right > 0 && p.wrong + p.unknown > 0;
    if (kind === "none") return p.right === 0;
    if (kind === "every") return p.right > 0 && p.wrong + p.unknown === 0;
    if (kind === "unknown") return p.unknown > 0;
    if (kind === "wrong") return p.right > 0 && wrong(p.curves[Number(i)]);
    return true;
  }

  function sorted(places) {
    const problems = data.runs[state.run].list;
    const strategies = ours(state.run).map(({ curve }) => !curve.reference);
    const scorer = state.sort.startsWith("gap:") ? state.sort.slice(4) : null;
    const missed = (p) => p.curves.filter((c, i) => strategies[i] && wrong(c)).length;
    const key = {
      order: (p, i) => i, hard: (p) => share(p), easy: (p) => -share(p), missed: (p) => -missed(p),
    }[state.sort] ?? ((p) => -scoreOf(p.gaps[scorer] ?? -Infinity));
    return places.map((i) => [key(problems[i], i), i]).sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1])).map(([, i]) => i);
  }

  function item(place) {
    const p = data.runs[state.run].list[place];
    const all = p.right + p.wrong + p.unknown;
    const gap = state.sort.startsWith("gap:") ? p.gaps[state.sort.slice(4)] : undefined;
    return el("li", null, el(
      "button", { type: "button", "data-problem": place, "aria-current": place === state.open ? "true" : null, onclick: () => open(place) },
      el("span", { class: "id" }, p.id),
      all ? el("span", { class: "share" }, shareBar(p, all), ` ${p.right}/${all} right`) : el("span", { class: "share" }, "no samples"),
      el("span", { class: "prompt" }, p.prompt || "(prompt not kept)"),
      el("span", { class: "squares" }, squares(p), gap === undefined ? null : el("span", { class: "gap" }, ` wrong − right: ${signed(scoreOf(gap), 2)}`)),
    ));
  }

  function shareBar(p, all) {
    const w = 56;
    const right = (w * p.right) / all;
    const unknown = (w * p.unknown) / all;
    return svg(
      "svg", { class: "share-bar", width: w, height: 8, "aria-hidden": true },
      svg("rect", { class: "wrong", width: w, height: 8 }), svg("rect", { class: "unknown", x: right, width: unknown, height: 8 }), svg("rect", { class: "right", width: right, height: 8 }),
    );
  }

  // A square a curve, as full as its chance of being right at its largest N.
  function squares(p) {
    const mine = ours(state.run).map((one, i) => ({ ...one, chance: p.curves[i] })).filter(({ curve, chance }) => !curve.reference && chance !== null);
    const label = mine.map(({ curve, chance }) => `${curve.label}: ${outcome(chance)}`).join("; ");
    const corner = (i) => [13 * (i % SQUARES), 13 * Math.floor(i / SQUARES)];
    return svg(
      "svg", { width: 13 * Math.min(SQUARES, mine.length), height: 13 * Math.ceil(mine.length / SQUARES) - 2, role: "img", "aria-label": label },
      mine.map(({ curve, place, chance }, i) => svg(
        "g", { transform: `translate(${corner(i)})` }, svg("title", null, `${curve.label}: ${outcome(chance)}`),
        svg("rect", { x: 0.75, y: 0.75, width: 9.5, height: 9.5, fill: styles[place].colour, "fill-opacity": chance, stroke: styles[place].colour, "stroke-width": 1.5 }),
      )),
    );
  }

  function show() {
    const run = data.runs[state.run];
    found = sorted(run.list.map((_, i) => i).filter((i) => passes(run.list[i])));
    count.textContent = `${found.length} of ${plural(run.list.length, "problem")}. A square is a curve at its largest N, full where it is right.${state.sort.startsWith("gap:") ? " Wrong − right: the best wrong solution’s score less the best right one’s." : ""}`;
    list.replaceChildren(...found.map(item));
    if (!found.length) list.append(el("li", { class: "empty" }, "No problem is like that."));
    steps();
  }

  // The neighbour of the open problem in the list as it is now, after any filter.
  function near(by) {
    const at = found.indexOf(state.open);
    return at < 0 ? undefined : found[at + by];
  }

  function steps() {
    for (const button of detail.querySelectorAll("[data-by]")) button.disabled = near(Number(button.dataset.by)) === undefined;
  }

  // Within the list alone: the page itself stays where the reader is.
  function reveal(button) {
    const [frame, mine] = [list.getBoundingClientRect(), button.getBoundingClientRect()];
    if (mine.top < frame.top) list.scrollTop -= frame.top - mine.top;
    if (mine.bottom > frame.bottom) list.scrollTop += mine.bottom - frame.bottom;
  }

  async function open(place, jump = true) {
    if (place === undefined) return; // past the end of the list
    state.open = place;
    for (const button of list.querySelectorAll("button")) {
      const mine = Number(button.dataset.problem) === place;
      mine ? button.setAttribute("aria-current", "true") : button.removeAttribute("aria-current");
      if (mine) reveal(button);
    }
    const run = state.run;
    const details = await unpackedProblem(`p${run}-${place}`);
    if (state.open !== place || state.run !== run) return; // another was opened meanwhile
    const chances = ours(run).map(({ curve, place: c }, i) => ({ curve, look: styles[c], chance: data.runs[run].list[place].curves[i] }));
    problemDetail(detail, details, data.runs[run].list[place], chances, { go: (by) => open(near(by)), back: () => list.querySelector("[aria-current]")?.focus() });
    steps();
    // Beside the list it is in sight already; under it, on a phone, it is not.
    if (jump && detail.getBoundingClientRect().top > list.getBoundingClientRect().bottom - 1) detail.scrollIntoView({ block: "start" });
    if (jump) detail.focus({ preventScroll: true });
  }

  function build() {
    const run = data.runs[state.run];
    const change = (key) => (value) => { state[key] = value; show(); };
    const runs = data.runs.map((r, i) => [i, r.name]);
    controls.replaceChildren(
      ...(runs.length > 1 ? [selectBox("Run", runs, state.run, (v) => { Object.assign(state, { run: Number(v), filter: "all", sort: "order", open: null }); build(); })] : []),
      el("label", { class: "field" }, el("span", null, "Find"), el("input", { type: "search", placeholder: "id or prompt", value: state.query, oninput: (e) => { state.query = e.target.value.toLowerCase(); show(); } })),
      selectBox("Show", filters(), state.filter, change("filter")),
      selectBox("Sort", sorts(), state.sort, change("sort")),
    );
    const left = run.listed - run.list.length;
    note.textContent = left > 0 ? `The first ${run.list.length} of ${plural(run.listed, "problem")}; ${plural(left, "problem")} left out to keep this file small (--problems ${run.listed} takes all). Curves and tables count every problem.` : "";
    note.hidden = left <= 0;
    show();
    if (found.length) open(found[0], false);
    else detail.replaceChildren();
  }

  root.append(controls, note, el("div", { class: "pair" }, el("div", { class: "left" }, list, count), detail));
  build();
}

const outcome = (chance) => (chance === 1 ? "right" : chance === 0 ? "wrong" : `right with chance ${fixed(chance, 2)}`);
