"""The page in a real browser: it draws, it answers, it complains of nothing, and it fits a phone."""

import json

import pytest

from bench.report.page import write_report

pytestmark = pytest.mark.slow
HOSTILE = '</script><img src=x onerror="window.hacked = 1"><b>bold</b> {}'


@pytest.fixture
def opened(tmp_path, make_run, browser):
    """Makes runs as asked, opens their report, and sees to it in the end that nothing went wrong in it."""

    def go(*shapes, width=1280, dark=False):
        browser.errors.clear()
        runs = [make_run(tmp_path / f"run{i}", **shape) for i, shape in enumerate(shapes)]
        write_report(runs, tmp_path / "report.html")
        browser.open(tmp_path / "report.html", width=width, dark=dark)
        return browser

    yield go
    assert browser.errors == []
    assert browser.run("document.querySelectorAll('.alert').length") == browser.run(
        "[...document.querySelectorAll('.alert')].filter((a) => a.textContent.startsWith('Over-optimised')).length"
    )


def choose(browser, label, value):
    """Pick of a select box what has this value."""
    browser.run(f"""(() => {{
        const field = [...document.querySelectorAll(".field")].find((f) => f.firstChild.textContent === "{label}");
        const select = field.querySelector("select, input");
        select.value = "{value}";
        select.dispatchEvent(new Event(select.tagName === "INPUT" ? "input" : "change"));
    }})()""")


SHAPES = {
    "plain": {"problems": 6},
    "one problem": {"problems": 1},
    "no scorers": {"scorers": ()},
    "all wrong": {"right": 0.0},
    "all right": {"right": 1.0},
    "silent": {"silent": True},
    "logits": {"scale": 9.0},
    "no trees": {"trees": False},
    "no costs": {"cost": 0.0},
    "one sample": {"n": 1},
    "hostile": {"text": HOSTILE},
    "long": {"text": "word" * 300 + " {}"},
    "bad": {"bad": True},
    "long names": {"scorers": ("a-reward-model-of-8B-parameters-v0.2", "another_process_reward_model_of_72B")},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("width", [360, 1280])
def test_any_run_is_drawn_and_fits(opened, shape, width):
    browser = opened(shape, width=width)
    browser.wait("document.querySelector('.solution')")
    assert browser.run("document.documentElement.scrollWidth") <= width
    if shape.get("trees", True) and shape.get("scorers", True):
        browser.run("document.querySelector('input[value=tree]').click()")
        assert browser.run("document.querySelectorAll('.tree .node').length") == 4
        assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.querySelectorAll('.curves .series').length") >= 2
    assert not browser.run("/NaN|undefined|Infinity|\\[object/.test(document.querySelector('main').textContent)")
    assert not browser.run("/NaN|undefined/.test(document.querySelector('main').innerHTML)")


@pytest.mark.parametrize("width", [360, 1280])
def test_a_chart_of_31_curves_can_be_used(opened, width):
    browser = opened({"problems": 3, "scorers": tuple(f"scorer{i}" for i in range(29)), "trees": False}, width=width)
    assert browser.run("document.querySelectorAll('.curves .series').length") == 31
    looks = browser.run("""[...document.querySelectorAll('.curves .series')].map((s) => [
        s.querySelector('.line').getAttribute('stroke'), s.querySelector('.line').getAttribute('stroke-dasharray'),
        s.querySelector('.marker')?.getAttribute('d')].join())""")
    assert len(set(looks)) == 31
    chart, legend = (
        browser.run(f"document.querySelector('.curves {part}').getBoundingClientRect().height")
        for part in (".chart", ".legend")
    )
    assert chart + legend < 1000, "a name and the chart are on one screen"
    browser.run("document.querySelectorAll('.legend button[data-curve]')[30].dispatchEvent(new Event('pointerenter'))")
    assert browser.run("document.querySelectorAll('.curves .series.on').length") == 1
    assert browser.run("getComputedStyle(document.querySelector('.curves .series:not(.on)')).opacity") == "0.1"
    right = "Math.max(...[...document.querySelectorAll('.list %s')].map((e) => e.getBoundingClientRect().right))"
    assert browser.run(right % ".squares rect") <= browser.run(right % "button")
    assert browser.run("document.querySelectorAll('.list li:first-child .squares rect').length") == 30
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_infinite_scores_and_reducers_are_shown(make_run, tmp_path, browser):
    path = make_run(tmp_path / "run", problems=4, scorers=("orm", "prm"))
    for name in ("scores", "results", "points", "trees"):
        file = path / f"{name}.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for row in rows:
            if row["scorer"] == "orm" and name == "scores":
                row["value"] = "inf" if row["value"] > 0.5 else "-inf"
                row["steps"] = [None, row["value"]]
            if row["scorer"] == "prm" and name == "trees":
                row["value"] = "-inf" if row["value"] is None else row["value"]
        if name in ("results", "points"):
            both = [row | {"scorer": f"prm:{how}"} for row in rows if row["scorer"] == "prm" for how in ("min", "mean")]
            rows = [row for row in rows if row["scorer"] != "prm"] + both
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    browser.errors.clear()
    write_report([path], tmp_path / "report.html")
    browser.open(tmp_path / "report.html")
    browser.wait("document.querySelector('.solution')")
    heads = browser.run("[...document.querySelectorAll('.card')].map((c) => c.textContent)")
    assert "Best-of-N (prm:min): accuracy" in heads[1]
    assert "Best-of-N (prm:mean): accuracy" in heads[1]
    assert browser.run("document.querySelectorAll('.card .chart svg').length") == 4
    choose(browser, "Colour by", "orm")
    assert "∞" in browser.run("document.querySelector('.solutions').textContent")
    choose(browser, "Sort", "gap:orm")
    browser.run("document.querySelector('input[value=tree]').click()")
    assert browser.run("document.querySelectorAll('.tree .node').length") == 4
    assert not browser.run("/NaN|undefined|Infinity|\\[object/.test(document.querySelector('main').textContent)")
    assert not browser.run("/NaN|undefined/.test(document.querySelector('main').innerHTML)")
    assert browser.errors == []


def test_hostile_text_is_shown_as_it_is(opened):
    browser = opened({"text": HOSTILE})
    browser.wait("document.querySelector('.solution')")
    assert "<b>bold</b> 0" in browser.run("document.querySelector('.solution .step').textContent")
    assert browser.run("document.querySelectorAll('main img, .solution .step .text *').length") == 0
    assert browser.run("window.hacked ?? null") is None


def test_the_axis_switches(opened):
    browser = opened({}, {"cost": 0.0})
    title = "document.querySelector('.curves .axis-title').textContent"
    assert "N" in browser.run(title), "where a run's FLOPs are unknown, N is what all curves have"
    for axis, word in (("flops", "FLOPs"), ("tokens", "tokens"), ("seconds", "seconds"), ("n", "N")):
        browser.run(f"document.querySelector('input[name=axis][value={axis}]').click()")
        assert word in browser.run(title)
        drawn = browser.run("document.querySelectorAll('.curves .series').length")
        assert drawn == (4 if axis in ("flops", "seconds") else 8)
    browser.run("document.querySelector('.legend button[data-curve]').click()")
    assert browser.run("document.querySelectorAll('.curves .series').length") == 7


def test_the_figures_in_the_table_are_the_runs(opened, tmp_path):
    browser = opened({"problems": 9})
    choose(browser, "N", "all")
    cells = browser.run("""[...document.querySelectorAll("#comparison table:first-of-type tbody tr")]
        .filter((row) => row.cells.length > 5)
        .map((row) => [row.cells[1].textContent, row.cells[2].querySelector("b").textContent])""")
    points = [json.loads(line) for line in (tmp_path / "run0" / "points.jsonl").read_text().splitlines()]
    wanted = [[str(p["n"]), f"{p['accuracy']:.3f}"] for p in points]
    assert cells[: len(wanted)] == wanted


def test_the_baseline_switches(opened):
    browser = opened({"problems": 9})
    base = "document.querySelector('tr.baseline').cells[0].textContent"
    row = """[...document.querySelectorAll('#comparison tbody tr')]
        .find((r) => r.cells[0].textContent === '%s').cells[3].firstChild.textContent"""
    assert browser.run(base) == "self-consistency"
    ahead = browser.run(row % "Best-of-N (orm)")
    choose(browser, "Baseline", "2")
    assert browser.run(base) == "Best-of-N (orm)"
    behind = browser.run(row % "self-consistency")
    assert {ahead[0], behind[0]} == {"+", "−"}
    assert ahead[1:] == behind[1:]
    assert "the best of Best-of-N (orm)" in browser.run("document.querySelector('.tables').textContent")


def test_problems_are_found_sorted_and_opened(opened):
    browser = opened({"problems": 12, "n": 4}, {"problems": 3})
    ids = "[...document.querySelectorAll('.list .id')].map((e) => e.textContent)"
    head = "document.querySelector('.detail-head h3')?.textContent"
    browser.wait(f"{head} === 'problem-0'")
    browser.run("document.querySelectorAll('.list button')[5].click()")
    browser.wait(f"{head} === 'problem-5'")
    browser.run("document.querySelector('[aria-label=\"Next problem\"]').click()")
    browser.wait(f"{head} === 'problem-6'")
    choose(browser, "Find", "what is 11")
    assert browser.run(ids) == ["problem-11"]
    choose(browser, "Find", "")
    choose(browser, "Sort", "hard")
    shares = browser.run("[...document.querySelectorAll('.list .share')].map((e) => parseInt(e.textContent))")
    assert shares == sorted(shares)
    choose(browser, "Run", "1")
    assert len(browser.run(ids)) == 3
    choose(browser, "Colour by", "orm")
    choose(browser, "Sort", "order")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_point_is_read_where_it_is_tapped_or_pointed_at(opened, width):
    browser = opened({"problems": 5}, width=width)
    browser.run("document.documentElement.style.scrollBehavior = 'auto'")
    browser.run("document.querySelector('.curves').scrollIntoView({block: 'center'})")
    place = browser.run("""(() => {
        const mark = document.querySelector(".curves [data-series='2'] .marker:nth-of-type(4)");
        const frame = mark.getBoundingClientRect();
        return [frame.x + frame.width / 2, frame.y + frame.height / 2];
    })()""")
    (browser.tap if width == 390 else browser.point)(*place)
    browser.wait("document.querySelector('.curves .tip.on')")
    assert "at N = 2" in browser.run("document.querySelector('.curves .tip').textContent")
    browser.point(5, 5)


def test_on_a_phone_an_opened_problem_comes_into_view(opened):
    browser = opened({"problems": 9}, width=390)
    browser.wait("document.querySelector('.solution')")
    browser.run("document.documentElement.style.scrollBehavior = 'auto'")
    browser.run("document.getElementById('problems').scrollIntoView()")
    browser.run("document.querySelectorAll('.list button')[3].click()")
    browser.wait("document.querySelector('.detail-head h3').textContent === 'problem-3'")
    browser.wait("Math.abs(document.querySelector('.detail').getBoundingClientRect().top) < 120")
    browser.run("document.querySelector('.back').click()")
    browser.wait("document.activeElement.dataset.problem === '3'")


def test_arrow_keys_read_the_chart_and_the_tree(opened):
    browser = opened({"problems": 2})
    browser.run("document.querySelector('.curves .chart').focus()")
    for key in ("ArrowRight", "ArrowDown", "ArrowRight"):
        browser.press(key)
    assert "self-consistency" in browser.run("document.querySelector('.curves .unseen').textContent")
    assert browser.run("document.querySelector('.curves .tip').classList.contains('on')")
    browser.wait("document.querySelector('.solution')")
    browser.run("document.querySelector('input[value=tree]').click()")
    browser.wait("document.querySelector('.tree svg')")
    browser.run("document.querySelector('.tree').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        browser.press(key)
    assert "cut at a limit" in browser.run("document.querySelector('.panel').textContent")


def test_both_themes_can_be_read(opened):
    """The contrast of text with what lies under it, as WCAG 2 counts it: 4.5 or more."""
    browser = opened({"problems": 2})
    for dark in (False, True):
        browser.look(width=1280, dark=dark)
        assert browser.run(CONTRAST) == []


CONTRAST = """(() => {
    const parse = (c) => c.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
    const probe = document.body.appendChild(document.createElement("i"));
    const read = (name) => {
        probe.style.color = `var(--${name})`;
        return light(parse(getComputedStyle(probe).color));
    };
    const bad = [];
    for (const text of ["ink", "soft", "link"]) for (const under of ["page", "card", "faint"]) {
        const [a, b] = [read(text), read(under)].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < 4.5) bad.push([text, under, (a + 0.05) / (b + 0.05)]);
    }
    probe.remove();
    return bad;
})()"""


def test_steps_to_the_neighbours_follow_the_list(opened):
    page = opened({"problems": 6})
    page.run("document.querySelector('[data-problem=\"3\"]').click()")
    page.wait(
        "document.querySelector('.detail h3')?.textContent === document.querySelectorAll('.list .id')[3].textContent"
    )
    step = "document.querySelector('[aria-label=\"{}\"]')"
    before, after = step.format("Problem before"), step.format("Next problem")
    for query, shown in (("no such problem", 0), ("", 6)):
        choose(page, "Find", query)
        assert page.run("document.querySelectorAll('.list [data-problem]').length") == shown
        assert page.run(f"[{before}, {after}].map((b) => b.ariaDisabled)") == [str(shown == 0).lower()] * 2
        page.run(f"{before}.click(), {after}.click()")
    page.run(f"for (let i = 0; i < 9; i++) {after}.click()")  # faster than details are unpacked
    choose(page, "Sort", "easy")
    place = page.run("[...document.querySelectorAll('.list button')].findIndex((b) => b.ariaCurrent === 'true')")
    ids = page.run("[...document.querySelectorAll('.list .id')].map((id) => id.textContent)")
    if place < 5:
        page.run(f"{after}.click()")
        page.wait(f"document.querySelector('.detail h3').textContent === '{ids[place + 1]}'")
