// The section of curves: what they are drawn against, which of them, and the legend.

function pointsOf(curve) {
  return curve.points.map(([n, y, low, high, flops, tokens, secs]) => ({ y, low, high, costs: { flops, tokens, seconds: secs, n } }));
}

function readoutLines(point, axes) {
  const known = axes.filter((a) => a !== "n" && a !== "seconds").map((a) => `${cost(a, point.costs[a])} ${AXES[a].text}`);
  const time = axes.includes("seconds") ? [seconds(point.costs.seconds)] : [];
  return [`accuracy ${fixed(point.y)} (${interval(point.low, point.high)}) at N = ${point.costs.n}`, [...known, ...time].join(" · ")];
}

function curvesSection(root, data, styles) {
  const inRuns = (axis) => data.runs.filter((run) => run.axes.includes(axis)).length;
  const state = {
    axis: inRuns("flops") === data.runs.length ? "flops" : "n",
    hidden: new Set(),
    bands: data.curves.length < 10,
  };
  const many = data.runs.length > 1;
  const box = el("div", { class: "chart", tabindex: 0, role: "group", "aria-label": CHART_KEYS });
  const note = el("p", { class: "note" });
  const legend = el("div", { class: "legend" });
  let drawn = { emphasise: () => {} };

  function shown() {
    return data.curves
      .map((curve, place) => ({ curve, place }))
      .filter(({ curve, place }) => !state.hidden.has(place) && data.runs[curve.run].axes.includes(state.axis));
  }

  function draw() {
    const { axis } = state;
    const usable = data.curves.filter((curve) => data.runs[curve.run].axes.includes(axis));
    const all = usable.flatMap(pointsOf);
    const xs = all.map((p) => p.costs[axis]);
    const [least, most] = [Math.min(...xs), Math.max(...xs)];
    const series = shown().map(({ curve, place }) => ({
      name: many ? `${curve.label}, ${data.runs[curve.run].name}` : curve.label,
      look: styles[place],
      reference: curve.reference,
      points: pointsOf(curve).map((p) => ({ ...p, x: p.costs[axis], lines: readoutLines(p, data.runs[curve.run].axes) })),
    }));
    const sizes = [...new Set(all.map((p) => p.costs.n))].sort((a, b) => a - b);
    drawn = chart(box, series, {
      label: `Accuracy against ${AXES[axis].title}, ${plural(series.length, "curve")}; the table below has the numbers`,
      title: AXES[axis].title,
      ticks: (count) => (axis === "n" ? thinned(sizes, count) : logTicks(least, most, count)),
      tickText: (t) => (axis === "n" ? String(t) : cost(axis, t)),
      xs: [least, most],
      domain: accuracyDomain(all),
      bands: state.bands,
      height: Math.round(Math.min(480, Math.max(300, box.clientWidth * 0.56))),
    });
    const absent = data.runs.filter((run) => !run.axes.includes(axis)).map((run) => run.name);
    note.textContent = absent.length
      ? `Not drawn, as their ${AXES[axis].text} are unknown: ${absent.join(", ")}.`
      : state.bands
        ? "Bands are 95% intervals over problems."
        : "The band of a curve (95% interval over problems) shows when the curve is pointed at.";
  }

  function entry(curve, place) {
    const button = el(
      "button", {
        type: "button", "aria-pressed": String(!state.hidden.has(place)), "data-curve": place,
        onclick: () => {
          state.hidden.has(place) ? state.hidden.delete(place) : state.hidden.add(place);
          button.setAttribute("aria-pressed", String(!state.hidden.has(place)));
          draw();
        },
        onpointerenter: () => drawn.emphasise(nullable(shown().findIndex((s) => s.place === place))),
        onpointerleave: () => drawn.emphasise(null),
        onfocus: () => drawn.emphasise(nullable(shown().findIndex((s) => s.place === place))),
        onblur: () => drawn.emphasise(null),
      },
      swatch(styles[place]), el("span", null, curve.label),
    );
    return el("li", null, button);
  }

  function all(on) {
    state.hidden = new Set(on ? [] : data.curves.keys());
    for (const button of legend.querySelectorAll("button[data-curve]")) button.setAttribute("aria-pressed", String(on));
    draw();
  }

  legend.append(
    el(
      "p", { class: "legend-head" }, el("span", null, "Press to hide or show"),
      el("button", { type: "button", class: "small", onclick: () => all(true) }, "all"),
      el("button", { type: "button", class: "small", onclick: () => all(false) }, "none"),
    ),
    ...data.runs.map((run, r) => [
      many ? el("h3", null, run.name) : null,
      el("ul", null, data.curves.map((curve, place) => (curve.run === r ? entry(curve, place) : null))),
    ]).flat().filter(Boolean),
  );
  const axes = Object.entries(AXES).map(([value, { text }]) => ({
    value, text, disabled: !inRuns(value), title: inRuns(value) ? null : "not known for every point",
  }));
  root.append(
    el(
      "div", { class: "controls" },
      choice("axis", "Against", axes, state.axis, (axis) => { state.axis = axis; draw(); }),
      tick("all interval bands", state.bands, (on) => { state.bands = on; draw(); }),
    ),
    el("div", { class: "curves" }, el("div", { class: "plot" }, box, note), legend),
  );
  onWidth(box, draw);
}

const nullable = (place) => (place < 0 ? null : place);
