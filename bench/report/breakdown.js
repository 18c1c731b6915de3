// Results by category: a dot and its interval for each, where the report was asked for them.

function breakdowns(root, data, styles, look) {
  data.by.forEach((record, place) => root.append(...breakdown(record, place, data, styles, look)));
}

function breakdown({ run, field, rows }, place, data, styles, look) {
  const title = data.runs.length > 1 ? `By ${field}, ${data.runs[run].name}` : `By ${field}`;
  const curves = data.curves.map((curve, i) => ({ curve, i })).filter(({ curve, i }) => curve.run === run && rows.some((row) => row.points[i]));
  const last = ({ curve }) => (curve.reference ? -1 : curve.points.at(-1)[1]);
  const state = { curve: curves.reduce((a, b) => (last(a) >= last(b) ? a : b)).i, sort: "order" };
  const which = data.by.slice(0, place).filter((other) => other.run === run).length; // of the fields that a problem's line has
  const domain = accuracyDomain(rows.flatMap((row) => Object.values(row.points)).map(([, , low, high]) => ({ low, high })));
  const x = linear(domain, [0, 100]);
  const ticks = linearTicks(...domain, 4);
  const box = el("div", { class: "breakdown" });
  const listed = data.runs[run].list.length > 0;

  function picture(point) {
    const [, accuracy, low, high] = point;
    const look = styles[state.curve];
    return svg(
      "svg", { class: "forest", width: "100%", height: 20, "aria-hidden": true },
      ticks.map((t) => svg("line", { class: "grid", x1: `${x(t)}%`, x2: `${x(t)}%`, y1: -80, y2: 100 })),
      svg("line", { class: "whole", x1: `${x(whole())}%`, x2: `${x(whole())}%`, y1: -80, y2: 100 }),
      svg("line", { class: "range", x1: `${x(low)}%`, x2: `${x(high)}%`, y1: 10, y2: 10, stroke: look.colour }),
      svg("svg", { x: `${x(accuracy)}%`, y: 10, overflow: "visible" }, marker({ ...look, shape: look.shape ?? SHAPES[0] }, 0, 0, 4.5)),
    );
  }

  const whole = () => data.curves[state.curve].points.at(-1)[1];

  function ordered() {
    const key = { low: (row) => row.points[state.curve]?.[1] ?? 2, most: (row) => -row.problems }[state.sort] ?? (() => 0);
    return rows.filter((row) => row.points[state.curve]).sort((a, b) => key(a) - key(b));
  }

  function draw() {
    const n = data.curves[state.curve].points.at(-1)[0];
    const value = (row) => (listed
      ? el("button", { type: "button", class: "link", "aria-label": `${row.value}: show its problems`, onclick: () => look({ run, by: [which, row.value] }) }, row.value)
      : row.value);
    box.replaceChildren(
      scrolled(
        title,
        el("thead", null, el(
          "tr", null, el("th", { scope: "col" }, field), el("th", { scope: "col" }, "accuracy"),
          el("th", { scope: "col", class: "scale" }, el("span", { class: "unseen" }, "accuracy and its interval, drawn"), svg("svg", { class: "forest", width: "100%", height: 16, "aria-hidden": true }, ticks.map((t) => svg("text", { class: "tick-text", x: `${x(t)}%`, y: 12, "text-anchor": "middle" }, tickNumber(t, ticks))))),
        )),
        el("tbody", null, ordered().map((row) => el(
          "tr", null,
          el("th", { scope: "row" }, value(row), el("small", null, plural(row.problems, "problem"))),
          el("td", { class: "number" }, el("b", null, fixed(row.points[state.curve][1])), el("small", null, interval(...row.points[state.curve].slice(2)))),
          el("td", { class: "scale" }, picture(row.points[state.curve])),
        ))),
      ),
      el("p", { class: "note" }, `${data.curves[state.curve].label} at N = ${n}, with 95% intervals over the problems of each; dashed: ${fixed(whole())}, of all problems.${listed ? " Press a name for its problems." : ""}`),
    );
  }

  draw();
  return [
    el("h3", { class: "by" }, title),
    el(
      "div", { class: "controls" },
      selectBox("Strategy", curves.map(({ curve, i }) => [i, curve.label]), state.curve, (v) => { state.curve = Number(v); draw(); }),
      selectBox("Order", [["order", "as named"], ["low", "lowest first"], ["most", "most problems first"]], state.sort, (v) => { state.sort = v; draw(); }),
    ),
    box,
    folded([`every strategy by ${field}`], () => scrolled(
      `${title}: every strategy`,
      el("thead", null, el("tr", null, [field, "problems", ...curves.map(({ curve }) => `${curve.label}, N = ${curve.points.at(-1)[0]}`)].map((t) => el("th", { scope: "col" }, t)))),
      el("tbody", null, rows.map((row) => el("tr", null, el("th", { scope: "row" }, row.value), el("td", { class: "number" }, row.problems), curves.map(({ i }) => el("td", { class: "number" }, row.points[i] ? fixed(row.points[i][1]) : "–"))))),
    )),
  ];
}
