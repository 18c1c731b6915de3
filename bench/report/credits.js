// What each step of some solutions was credited with, at the training steps of which it was written down.

const KINDS = { mixed: "mixed", all_wrong: "all wrong", all_right: "all right" };
const SIGNALS = { outcome: "credit from the outcome", prm: "credit from the PRM", both: "credit from outcome and PRM", none: "no credit" };
const PLACES = {
  right: { text: "in solutions with a reward", look: { colour: "var(--c0)", shape: SHAPES[0], dash: null } },
  wrong: { text: "in solutions without", look: { colour: "var(--c1)", shape: SHAPES[1], dash: "7 4" } },
  size: { text: "its size, of all", look: { colour: "var(--c2)", shape: SHAPES[2], dash: "2 3" } },
};

function creditsSection(root, data) {
  const usable = data.trainings.map((training, t) => [t, training]).filter(([, training]) => training.credits.steps.length);
  if (!usable.length) return false;
  const state = { training: usable[0][0], step: null, kind: "all" };
  const controls = el("div", { class: "controls" });
  const note = el("p", { class: "note" });
  const view = el("div", { class: "credits" });

  function build() {
    const { steps, recorded } = data.trainings[state.training].credits;
    if (!steps.includes(state.step)) state.step = steps[0];
    const near = (by) => steps[steps.indexOf(state.step) + by];
    const step = (text, label, by) => el("button", { type: "button", "aria-label": label, onclick: () => go(near(by), label) }, text);
    const select = selectBox("Training step", steps.map((s) => [s, `step ${s}`]), state.step, (v) => go(Number(v), "select"));
    controls.replaceChildren(
      ...(usable.length > 1 ? [selectBox("Training", usable.map(([t, training]) => [t, training.name]), state.training, (v) => { state.training = Number(v); build(); })] : []),
      select,
      el("span", { class: "steps-nav" }, step("‹", "Training step before", -1), step("›", "Next training step", 1)),
      selectBox("Groups", [["all", "all"], ...Object.entries(KINDS)], state.kind, (v) => { state.kind = v; draw(); }),
    );
    note.textContent = recorded > steps.length ? `${steps.length} of the ${recorded} steps with credits; all are in attributions.jsonl.` : "";
    draw();
  }

  function go(step, key) {
    if (step === undefined) return; // past the last
    state.step = step;
    build();
    (controls.querySelector(`[aria-label="${key}"]`) ?? controls.querySelector("select:last-of-type"))?.focus();
  }

  async function draw() {
    const [training, step] = [state.training, state.step];
    const found = await unpacked(`c${training}-${step}`);
    if (state.training !== training || state.step !== step) return; // another was opened meanwhile
    const { most } = data.trainings[training].credits;
    const groups = found.groups.filter((group) => state.kind === "all" || group.kind === state.kind);
    const box = el("div", { class: "chart small", tabindex: 0, role: "group", "aria-label": CHART_KEYS });
    view.replaceChildren(
      el(
        "figure", { class: "card panel-card" },
        el("figcaption", null, el("h3", null, "Credit by place in the solution"), el("small", null, `mean advantage, all groups of step ${step}`)),
        box, el("ul", { class: "names" }, Object.entries(PLACES).filter(([name]) => found.places[name]).map(([, { text, look }]) => el("li", null, swatch(look), el("span", null, text)))),
      ),
      el("p", { class: "note" }, "A box is a step of a solution, by its advantage: ", scaleKey({ low: -most, high: most }), " Beside the text stand its advantage, and the PRM’s score where there is one."),
      ...groups.map((group) => groupCard(group, most)),
      ...(groups.length ? [] : [el("p", { class: "empty" }, "None of the groups shown is like that.")]),
      ...(found.left ? [el("p", { class: "note" }, `${plural(found.left, "more group")} of this step in attributions.jsonl.`)] : []),
    );
    onWidth(box, () => placesChart(box, found.places, step));
  }

  root.append(controls, note, view);
  build();
  return true;
}

function placesChart(box, places, step) {
  const series = Object.entries(PLACES).filter(([name]) => places[name]).map(([name, { text, look }]) => ({
    name: text, look, points: places[name].map(([x, y]) => ({ x, y, lines: [`place ${x}: ${signed(y)}`] })),
  }));
  const all = series.flatMap((s) => s.points);
  const xs = extentOf(all.map((p) => p.x));
  const [low, high] = domainOf([0, ...all.map((p) => p.y)]);
  chart(box, series, {
    label: `Mean advantage by place in the solution at training step ${step}`,
    even: true,
    ticks: (count) => [...new Set(linearTicks(xs[0], xs[1], count).map(Math.round))],
    tickText: String,
    valueText: plain,
    title: "place of the step in its solution",
    xs,
    domain: [low, high],
    height: 210,
  });
}

function groupCard(group, most) {
  return el(
    "article", { class: "solution credit-group" },
    el("header", null, el("b", null, group.problem), el("span", { class: "badge" }, KINDS[group.kind] ?? group.kind), el("span", { class: "facts" }, SIGNALS[group.signal] ?? group.signal)),
    el("ol", { class: "credited" }, group.solutions.map(({ reward, steps }) => el(
      "li", null,
      el("span", { class: "reward" }, "reward ", el("b", null, reward === null ? "–" : plain(reward))),
      el("div", { class: `steps${steps.every(([text]) => text.length <= 60) ? " inline" : ""}` }, steps.map((step) => creditBox(step, most))),
    ))),
  );
}

function creditBox([text, tokens, value, advantage], most) {
  return el(
    "span", { class: "step", title: plural(tokens, "token"), style: { background: scoreColour(advantage, { low: -most, high: most }) ?? "" } },
    el("span", { class: "text" }, text.replace(/\n+$/, "") || "\u00a0"),
    el("span", { class: "score" }, el("b", null, signed(advantage)), value === null ? null : ` PRM ${score(value)}`, el("span", { class: "unseen" }, `, ${plural(tokens, "token")}`)),
  );
}
