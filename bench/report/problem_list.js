// The list of a run's problems: search, filter, sort, and open one.

const SQUARES = 20; // in a row, which is what a phone has room for
const PAGE = 100; // lines at a time: a list of thousands stays as quick as a short one

function problemsSection(root, data, styles) {
  const state = { run: 0, query: "", filter: "all", by: [], sort: "order", open: null, page: 0 };
  const controls = el("div", { class: "controls" });
  const note = el("p", { class: "note" });
  const list = el("ol", { class: "list", "aria-label": "Problems" });
  const turn = (text, by) => el("button", { type: "button", "data-page": by, onclick: () => turnPage(by) }, text);
  const pager = el("div", { class: "pager", role: "group", "aria-label": "Pages of the list" }, turn("‹ before", -1), el("span"), turn("after ›", 1));
  const detail = el("div", { class: "detail", tabindex: -1 });
  const count = el("p", { class: "note", role: "status" });
  const key = el("p", { class: "note" });
  const pair = el("div", { class: "pair" }, el("div", { class: "left" }, list, pager, count, key), detail);
  let found = [];

  const ours = (run) => data.curves.map((curve, place) => ({ curve, place })).filter(({ curve }) => curve.run === run);
  const fields = () => data.by.filter((record) => record.run === state.run);
  const wrong = (chance) => chance !== null && chance < 0.5;

  function filters() {
    const { failures, list: lines } = data.runs[state.run];
    const strategies = ours(state.run).map((one, i) => ({ ...one, i })).filter(({ curve }) => !curve.reference);
    const kinds = [...new Set(failures.map((row) => row.kind))];
    const having = (kind) => lines.filter((p) => p.bad.some((i) => failures[i].kind === kind)).length;
    return [
      ["all", "all problems"], ["mixed", "some samples right, some not"], ["none", "no sample right"], ["every", "every sample right"],
      ...(kinds.length ? [
        { group: "went wrong", options: kinds.map((kind) => [`bad:${kind}`, `${WRONG[kind].short} (${plural(having(kind), "problem")})`]) },
        { group: "went wrong because", options: failures.map((row, i) => [`reason:${i}`, `${WRONG[row.kind].short}: ${firstOf(row.reason, 60)}`]) },
      ] : []),
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
    if (state.query && !`${p.id} ${p.prompt}`.toLowerCase().includes(state.query.toLowerCase())) return false;
    if (state.by.some((value, i) => value && p.by[i] !== value)) return false;
    const [kind, of] = state.filter.split(":");
    if (kind === "mixed") return p.right > 0 && p.wrong + p.unknown > 0;
    if (kind === "none") return p.right === 0;
    if (kind === "every") return p.right > 0 && p.wrong + p.unknown === 0;
    if (kind === "bad") return p.bad.some((i) => data.runs[state.run].failures[i].kind === of);
    if (kind === "reason") return p.bad.includes(Number(of));
    if (kind === "wrong") return p.right > 0 && wrong(p.curves[Number(of)]);
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
    const run = data.runs[state.run];
    const p = run.list[place];
    const all = p.right + p.wrong + p.unknown;
    const gap = state.sort.startsWith("gap:") ? p.gaps[state.sort.slice(4)] : undefined;
    const bad = [...new Set(p.bad.map((i) => WRONG[run.failures[i].kind].short))];
    return el("li", null, el(
      "button", { type: "button", "data-problem": place, "aria-current": place === state.open ? "true" : null, onclick: () => open(place) },
      el("span", { class: "id", title: p.id }, idText(p.id)),
      all ? el("span", { class: "share" }, shareBar(p, all), ` ${p.right}/${all} right`) : el("span", { class: "share" }, "no samples"),
      el("span", { class: "prompt" }, p.prompt || "(prompt not kept)"),
      el(
        "span", { class: "squares" }, squares(p),
        bad.length ? el("span", { class: "bad" }, ` ${bad.join(", ")}`) : null,
        gap === undefined ? null : el("span", { class: "gap" }, ` wrong − right: ${signed(scoreOf(gap), 2)}`),
      ),
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
    if (!mine.length) return null;
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
    state.page = 0;
    count.textContent = `${found.length.toLocaleString("en")} of ${plural(run.list.length, "problem")}.`;
    key.textContent = `A square is a curve at its largest N, full where it is right.${state.sort.startsWith("gap:") ? " Wrong − right: the best wrong solution’s score less the best right one’s." : ""}`;
    drawPage();
    steps();
  }

  function drawPage() {
    const first = state.page * PAGE;
    const page = found.slice(first, first + PAGE);
    list.start = first + 1;
    list.scrollTop = 0;
    keepingFocus(list, () => list.replaceChildren(...page.map(item)));
    if (!found.length) list.append(el("li", { class: "empty" }, "No problem is like that. ", el("button", { type: "button", class: "small", onclick: () => look({}) }, "show all")));
    pager.hidden = found.length <= PAGE;
    pager.children[1].textContent = `${first + 1}–${first + page.length} of ${found.length.toLocaleString("en")}`;
    for (const button of pager.querySelectorAll("button")) able(button, pageAt(Number(button.dataset.page)));
  }

  const pageAt = (by) => state.page + by >= 0 && (state.page + by) * PAGE < found.length;

  function turnPage(by) {
    if (!pageAt(by)) return;
    state.page += by;
    drawPage();
  }

  // The neighbour of the open problem in the list as it is now; after what is not in it comes the first.
  function near(by) {
    const at = found.indexOf(state.open);
    return at < 0 ? found[by > 0 ? 0 : -1] : found[at + by];
  }

  function steps() {
    for (const button of detail.querySelectorAll("[data-by]")) able(button, near(Number(button.dataset.by)) !== undefined);
  }

  // Within the list alone: the page itself stays where the reader is.
  function reveal(button) {
    const [frame, mine] = [list.getBoundingClientRect(), button.getBoundingClientRect()];
    if (mine.top < frame.top) list.scrollTop -= frame.top - mine.top;
    if (mine.bottom > frame.bottom) list.scrollTop += mine.bottom - frame.bottom;
  }

  function toPageOf(place) {
    const page = Math.floor(found.indexOf(place) / PAGE);
    if (page < 0 || page === state.page) return;
    state.page = page;
    drawPage();
  }

  // To the open problem in the list, or where it is not in it any more to the first.
  function back() {
    toPageOf(state.open);
    (list.querySelector("[aria-current]") ?? list.querySelector("button")).focus();
  }

  async function open(place, jump = true) {
    if (place === undefined) return; // past the end of the list
    state.open = place;
    toPageOf(place);
    for (const button of list.querySelectorAll("[data-problem]")) {
      const mine = Number(button.dataset.problem) === place;
      mine ? button.setAttribute("aria-current", "true") : button.removeAttribute("aria-current");
      if (mine) reveal(button);
    }
    const run = state.run;
    const details = await unpackedProblem(`p${run}-${place}`);
    if (state.open !== place || state.run !== run) return; // another was opened meanwhile
    const chances = ours(run).map(({ curve, place: c }, i) => ({ curve, look: styles[c], chance: data.runs[run].list[place].curves[i] }));
    const kept = keepingFocus(detail, () => problemDetail(detail, details, data.runs[run].list[place], chances, { go: (by) => open(near(by)), back }));
    steps();
    // Beside the list it is in sight already; under it, on a phone, it is not.
    if (jump && detail.getBoundingClientRect().top > list.getBoundingClientRect().bottom - 1) detail.scrollIntoView({ block: "start" });
    if (jump && !kept) detail.focus({ preventScroll: true });
  }

  function build(first = true) {
    const run = data.runs[state.run];
    const change = (key) => (value) => { state[key] = value; show(); };
    const runs = data.runs.map((r, i) => [i, r.name]);
    const categories = fields().map(({ field, rows }, i) => selectBox(
      field, [["", "all"], ...rows.map((row) => [row.value, row.value])], state.by[i] ?? "", (v) => { state.by[i] = v; show(); }, `by:${field}`,
    ));
    // Of a run without a list only what leads to another is left.
    pair.hidden = !run.list.length;
    keepingFocus(controls, () => controls.replaceChildren(
      ...(runs.length > 1 ? [selectBox("Run", runs, state.run, (v) => { Object.assign(state, { run: Number(v), filter: "all", by: [], sort: "order", open: null }); build(); })] : []),
      ...(run.list.length ? [
        el("label", { class: "field" }, el("span", null, "Find"), el("input", { type: "search", placeholder: "id or prompt", value: state.query, oninput: (e) => { state.query = e.target.value; show(); } })),
        selectBox("Show", filters(), state.filter, change("filter")),
        ...categories,
        selectBox("Sort", sorts(), state.sort, change("sort")),
      ] : []),
    ));
    const left = run.listed - run.list.length;
    note.textContent = left > 0 ? `The first ${run.list.length.toLocaleString("en")} of ${plural(run.listed, "problem")}; ${plural(left, "problem")} left out to keep this file small (--problems ${run.listed} takes all). Curves and tables count every problem.` : "";
    note.hidden = left <= 0;
    show();
    if (!first) return;
    if (found.length) open(found[0], false);
    else detail.replaceChildren();
  }

  // Shows problems that another section speaks of: those of a filter, those of a category, or one.
  function look({ run = state.run, filter = "all", by = null, id = null }) {
    Object.assign(state, { open: run === state.run ? state.open : null, run, filter, query: "", by: [], sort: "order" });
    if (by) state.by[by[0]] = by[1];
    build(false);
    root.closest("section").scrollIntoView({ block: "start" });
    const first = id ?? found[0];
    if (state.open === null) detail.replaceChildren(); // what is there is of another run
    if (first === undefined) detail.focus({ preventScroll: true });
    else open(first, id !== null);
    if (id === null) list.querySelector("button")?.focus({ preventScroll: true });
  }

  list.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const item = event.target.closest("li");
    if (!by || !item) return;
    event.preventDefault();
    (by > 0 ? item.nextElementSibling : item.previousElementSibling)?.querySelector("button").focus();
  });

  root.append(controls, note, pair);
  build();
  return look;
}

const outcome = (chance) => (chance === 1 ? "right" : chance === 0 ? "wrong" : `right with chance ${fixed(chance, 2)}`);
