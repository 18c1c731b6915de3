// The table against a baseline, and the compute to reach the baseline's best accuracy.

const FOLD = 32; // the ratio at either end

function comparisonSection(root, data, styles) {
  if (data.baseline === null) {
    root.append(el("p", { class: "empty" }, "There is no strategy in this run to compare."));
    return;
  }
  const state = { baseline: data.baseline, n: "largest", sort: null, down: true };
  const many = data.runs.length > 1;
  const name = (place) => (many ? `${data.curves[place].label}, ${data.runs[data.curves[place].run].name}` : data.curves[place].label);
  const sizes = [...new Set(data.curves.flatMap((c) => c.points.map((p) => p[0])))].sort((a, b) => a - b);
  const axes = ["flops", "tokens", "seconds"].filter((a) => data.runs.some((run) => run.axes.includes(a)));
  const body = el("div", { class: "tables" });

  function rows() {
    const found = [];
    data.curves.forEach((curve, place) => {
      const last = curve.points.at(-1)[0];
      for (const point of curve.points) {
        const n = point[0];
        if (state.n !== "all" && n !== (state.n === "largest" ? last : Number(state.n))) continue;
        const paired = data.paired[state.baseline]?.[place]?.[n] ?? null;
        found.push({ curve, place, point, n, accuracy: point[1], difference: paired?.difference ?? null, p: paired?.p ?? null, paired });
      }
    });
    if (state.sort) {
      const order = (row) => row[state.sort] ?? Infinity * (state.down ? -1 : 1);
      found.sort((a, b) => (state.down ? order(b) - order(a) : order(a) - order(b)) || 0);
    }
    return found;
  }

  // The difference at either end of a strip: what holds all of the table's intervals.
  function spread() {
    const ends = Object.values(data.paired[state.baseline]).flatMap((by) => Object.values(by)).flatMap((c) => [-c.low, c.high]);
    return Math.max(0.1, Math.ceil(Math.max(0, ...ends) * 10 - 1e-9) / 10);
  }

  function header(key, text) {
    if (!key) return el("th", { scope: "col" }, text);
    const sorted = state.sort === key ? (state.down ? "descending" : "ascending") : null;
    const turn = () => {
      if (state.sort !== key) [state.sort, state.down] = [key, key !== "p"];
      else if (state.down === (key !== "p")) state.down = !state.down;
      else state.sort = null;
      draw();
      root.querySelector(`button[data-sort="${key}"]`).focus();
    };
    const sign = sorted === "descending" ? " ↓" : sorted ? " ↑" : "";
    return el("th", { scope: "col", "aria-sort": sorted }, el("button", { type: "button", "data-sort": key, onclick: turn }, text + sign));
  }

  function rowHead(place) {
    const { label, run } = data.curves[place];
    const text = el("span", null, label, many ? el("small", null, data.runs[run].name) : null);
    return el("th", { scope: "row" }, el("span", { class: "name" }, swatch(styles[place]), text));
  }

  function differenceCells({ curve, place, paired }) {
    if (place === state.baseline) return [el("td", { colspan: 3, class: "quiet" }, "the baseline")];
    if (!paired) {
      const alike = data.alike[curve.run][data.curves[state.baseline].run];
      const why = curve.reference ? "a bound, not a strategy" : alike ? "not compared" : "has other problems";
      return [el("td", { colspan: 3, class: "quiet" }, why)];
    }
    if (paired.same) return [el("td", { colspan: 2, class: "quiet" }, "the same on every problem"), el("td", { class: "number" }, "1")];
    const place01 = linear([-spread(), spread()], [0, 1]);
    const label = `difference ${signed(paired.difference)}, ${interval(paired.low, paired.high, signed)}`;
    return [
      el("td", { class: "number" }, el("b", null, signed(paired.difference)), el("small", null, interval(paired.low, paired.high, signed))),
      el("td", { class: "picture" }, strip(place01(paired.low), place01(paired.difference), place01(paired.high), 0.5, label)),
      el("td", { class: `number${paired.p < 0.05 ? " sure" : ""}` }, pText(paired.p)),
    ];
  }

  function line(row) {
    const [n, accuracy, low, high, flops, tokens, secs] = row.point;
    const costs = { flops, tokens, seconds: secs };
    return el(
      "tr", row.place === state.baseline ? { class: "baseline" } : null,
      rowHead(row.place),
      el("td", { class: "number" }, String(n)),
      el("td", { class: "number" }, el("b", null, fixed(accuracy)), el("small", null, interval(low, high))),
      differenceCells(row),
      axes.map((a) => el("td", { class: "number" }, data.runs[row.curve.run].axes.includes(a) ? cost(a, costs[a]) : "–")),
    );
  }

  function reachTable() {
    const found = data.curves.map((curve, place) => ({ place, reach: data.reach[state.baseline]?.[place] ?? null })).filter((r) => r.reach);
    if (!found.length) return [];
    const { accuracy } = found[0].reach;
    if (!accuracy) return [el("h3", null, "Compute to reach its best accuracy"), el("p", { class: "note" }, "The baseline is never right: there is nothing to reach.")];
    const place01 = (r) => (r === null ? 0.5 : r === "inf" ? 1.2 : r === 0 ? -0.2 : linear([-Math.log(FOLD), Math.log(FOLD)], [0, 1])(Math.log(r)));
    return [
      el("h3", null, "Compute to reach its best accuracy"),
      el(
        "p", { class: "note" },
        `The cost at which each curve first reaches ${fixed(accuracy)}, the best of ${name(state.baseline)}, as a multiple of what the baseline pays for it. `,
        "Below ×1 is cheaper; ∞: it never gets there. The interval is over draws of the problems, in each of which the baseline's own best is the mark.",
      ),
      scrolled(
        `Compute to reach ${fixed(accuracy)}`,
        el("thead", null, el("tr", null, ["strategy", "cost", "95% interval", `1/${FOLD} to ${FOLD} times`, "gets there"].map((t) => header(null, t)))),
        el("tbody", null, found.map(({ place, reach }) => el(
          "tr", null,
          rowHead(place),
          el("td", { class: "number" }, el("b", null, times(reach.value)), el("small", null, reach.measure === "flops" ? "FLOPs" : "samples")),
          el("td", { class: "number" }, timesBetween(reach.low, reach.high)),
          el("td", { class: "picture" }, reach.value === null ? "–" : strip(place01(reach.low), place01(reach.value), place01(reach.high), 0.5, times(reach.value), "below")),
          el("td", { class: "number" }, `${Math.round(100 * reach.reached)}% of draws`),
        ))),
      ),
    ];
  }

  function draw() {
    const costs = axes.map((a) => header(null, AXES[a].text));
    const left = body.querySelector(".scroll")?.scrollLeft ?? 0;
    body.replaceChildren(
      scrolled(
        "Accuracy and paired differences",
        el("thead", null, el("tr", null, header(null, "strategy"), header("n", "N"), header("accuracy", "accuracy"), header("difference", "difference"), header(null, `−${spread()} to +${spread()}`), header("p", "p"), costs)),
        el("tbody", null, rows().map(line)),
      ),
      el(
        "p", { class: "note" },
        "Differences are paired, problem by problem, with the baseline at the same N; small figures are 95% intervals. ",
        "p is the sign-flip test's, of no difference at all; it does not allow for many comparisons. Costs are the mean a problem.",
      ),
      ...reachTable(),
    );
    body.querySelector(".scroll").scrollLeft = left;
  }

  const baselines = Object.keys(data.paired).map(Number);
  const options = many
    ? data.runs.map((run, r) => ({ group: run.name, options: baselines.filter((b) => data.curves[b].run === r).map((b) => [b, `${data.curves[b].label}, ${run.name}`]) }))
    : baselines.map((b) => [b, data.curves[b].label]);
  root.append(
    el(
      "div", { class: "controls" },
      selectBox("Baseline", options, state.baseline, (v) => { state.baseline = Number(v); draw(); }),
      selectBox("N", [["largest", "the largest of each"], ["all", "all"], ...sizes.map((n) => [n, n])], state.n, (v) => { state.n = v; draw(); }),
    ),
    body,
  );
  draw();
}

// A table that scrolls by itself where it is wider than the page.
function scrolled(label, ...parts) {
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, el("table", null, parts));
}
