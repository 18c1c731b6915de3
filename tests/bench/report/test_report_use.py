"""The page for everybody: thousands of problems, long texts, keyboard, screen reader, paper."""

import json
import re

import pytest

from bench.report.page import write_report

pytestmark = pytest.mark.slow
HEAD = "document.querySelector('.detail h3')?.textContent"
IDS = "[...document.querySelectorAll('.list .id')].map((e) => e.textContent)"


@pytest.fixture
def opened(tmp_path, make_run, browser):
    """Opens the report on runs of these shapes, and sees to it in the end that nothing went wrong in it."""

    def go(*shapes, width=1280, dark=False, by=()):
        browser.errors.clear()
        runs = [make_run(tmp_path / f"run{i}", **shape) for i, shape in enumerate(shapes)]
        for run in runs if by else ():
            rows = [json.loads(line) for line in (run / "problems.jsonl").read_text().splitlines()]
            lines = [json.dumps(row | {"fields": dict.fromkeys(by, i % 2)}) + "\n" for i, row in enumerate(rows)]
            (run / "problems.jsonl").write_text("".join(lines))
        write_report(runs, tmp_path / "report.html", by=by)
        browser.open(tmp_path / "report.html", width=width, dark=dark)
        browser.wait("document.querySelector('.detail h3')")
        browser.run("document.documentElement.style.scrollBehavior = 'auto'")
        return browser

    yield go
    assert browser.errors == []


def choose(page, key, value):
    page.run(f"""(() => {{
        const select = [...document.querySelectorAll("select, input[type=search]")]
            .find((s) => (s.dataset.key ?? "Find") === "{key}");
        select.focus();
        select.value = "{value}";
        select.dispatchEvent(new Event(select.tagName === "INPUT" ? "input" : "change"));
    }})()""")


def press(page, selector, key="Enter"):
    """Focus an element and press a key, as who has no pointer does."""
    page.run(f"document.querySelector('{selector}').focus()")
    page.press(key)


def test_thousands_are_listed_a_hundred_at_a_time(opened):
    page = opened({"problems": 1234, "n": 1, "scorers": (), "trees": False})
    assert page.run("document.querySelectorAll('.list li').length") == 100
    assert page.run("document.querySelectorAll('*').length") < 3000
    status = "document.querySelector('.pager span').textContent"
    press(page, '.pager [data-page="1"]')
    assert page.run(status) == "101–200 of 1,234"
    assert page.run("document.activeElement.dataset.page") == "1"
    assert page.run("document.querySelector('.list').start") == 101
    page.run("document.querySelectorAll('.list button')[99].click()")
    page.wait(f"{HEAD} === 'problem-199'")
    press(page, '[aria-label="Next problem"]')
    page.wait(f"{HEAD} === 'problem-200'")
    assert page.run(status) == "201–300 of 1,234"
    assert page.run("document.querySelector('.list [aria-current]').dataset.problem") == "200"
    assert page.run("document.activeElement.ariaLabel") == "Next problem"
    choose(page, "Find", "problem-1233")
    assert page.run(IDS) == ["problem-1233"]
    assert page.run("document.querySelector('.pager').hidden")
    press(page, '[aria-label="Next problem"]')  # the open one is not in the list any more
    page.wait(f"{HEAD} === 'problem-1233'")
    choose(page, "Find", "no such problem")
    assert page.run("document.querySelector('.list').innerText").startswith("No problem is like that.")
    press(page, ".list .empty button")
    assert page.run("document.querySelectorAll('.list li').length") == 100
    assert page.run("document.querySelector('input[type=search]').value") == ""


def test_what_went_wrong_comes_first_and_leads_to_the_problems(opened):
    page = opened({"problems": 5, "bad": True}, {"problems": 3, "seed": 1})
    assert page.run("document.querySelector('main > section').id") == "failures"
    said = page.run("document.querySelector('#failures').innerText")
    assert "5 of 40 samples failed (13%)" in said
    assert "no reply to problem-0 in 3 s" in said
    assert "5 of 40 samples have no score of orm" in said
    choose(page, "Run", "1")
    press(page, "#failures .failures:nth-of-type(2) button.small")
    assert len(page.run(IDS)) == 5
    assert page.run("document.activeElement.dataset.problem") == "0"
    page.wait("document.querySelector('.troubles')")
    troubles = page.run("document.querySelector('.troubles').innerText").splitlines()
    assert troubles == [
        "#0 failed: no reply to problem-0 in 3 s", "#1 cut", "#2 ungraded: it took too long to compare",
        "#3 not scored by orm: too long for it", "#3 not scored by prm: too long for it",
    ]  # fmt: skip
    filters = page.run("[...document.querySelectorAll('#problems [data-key=Show] option')].map((o) => o.textContent)")
    assert {"failed (5 problems)", "cut (5 problems)", "ungraded (5 problems)"} <= set(filters)
    choose(page, "Run", "1")
    assert len(page.run(IDS)) == 3
    press(page, "#failures button.link")
    page.wait(f"{HEAD} === 'problem-0'")
    assert len(page.run(IDS)) == 5


def test_a_run_without_failures_has_no_section_of_them(opened):
    page = opened({"problems": 2})
    assert page.run("document.querySelectorAll('#failures, a[href=\"#failures\"]').length") == 0


def test_long_solutions_are_drawn_a_part_at_a_time(opened, tmp_path, make_run, browser):
    run = make_run(tmp_path / "long", problems=1, scorers=("prm",), trees=False)
    rows = [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]
    for row in rows:
        row["steps"] = ["<think>\n", *(f"thought {i}\n" for i in range(3000)), "</think>\n", "word " * 26_000, "4"]
    (run / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_report([run], tmp_path / "report.html")
    browser.errors.clear()
    browser.open(tmp_path / "report.html")
    browser.wait("document.querySelector('.solution')")
    assert browser.run("document.querySelectorAll('.solution *').length") < 2000
    thinking, said = (f"document.querySelectorAll('.solution details')[{i}]" for i in (0, 1))
    assert re.match(r"thinking: 3,00\d steps, 37,\d{3} characters", browser.run(f"{thinking}.innerText"))
    browser.run(f"{thinking}.open = true, {said}.open = true")
    browser.wait(f"{thinking}.querySelectorAll('.step').length === 200 && {said}.querySelector('.step')")
    assert browser.run(f"{said}.querySelector('.text').textContent.length") == 3001
    browser.run(f"{said}.querySelector('button').click(), {thinking}.querySelector('.steps > button').click()")
    assert browser.run(f"{said}.querySelector('.text').textContent.length") == 130_000
    assert browser.run(f"{thinking}.querySelectorAll('.step').length") >= 3000
    assert browser.run("document.activeElement.textContent").startswith("thought 199")
    assert browser.errors == []


def test_paper_has_long_solutions_and_says_what_it_leaves_out(opened):
    page = opened({"problems": 1, "n": 64, "text": "word " * 700 + "{}", "trees": False})
    page.run("""addEventListener("beforeprint", () => {
        window.steps = document.querySelectorAll(".solution .step").length;
        window.more = [...document.querySelectorAll(".detail [data-paper]")].map((b) => b.dataset.paper);
    })""")
    page.paper()
    assert page.run("steps") == 64, "two of each of the 32 that are drawn"
    assert page.run("more.at(-1)") == "… 32 solutions more"
    assert page.run("more.slice(0, -1)") == ["… 501 characters more"] * 64
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.run("getComputedStyle(document.querySelector('.more'), '::after').content") == '"… 32 solutions more"'
    page.call("Emulation.setEmulatedMedia", media="")
    assert page.run("[...document.querySelectorAll('.solution details')].some((d) => d.open)") is False


def edit(path, change):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(change(row)) + "\n" for row in rows))


@pytest.fixture
def shown(tmp_path, browser):
    """Opens the report on runs that a test has made."""

    def go(*runs, **options):
        browser.errors.clear()
        write_report(runs, tmp_path / "report.html", **options)
        browser.open(tmp_path / "report.html")
        browser.run("document.documentElement.style.scrollBehavior = 'auto'")
        return browser

    yield go
    assert browser.errors == []


def test_a_reason_leads_nowhere_when_its_problems_are_left_out(shown, tmp_path, make_run):
    def failing(row):
        bad = row["problem"] == "problem-5" and row["strategy"] == "sample"
        return row | ({"stop": "failed", "correct": False, "reason": "boom"} if bad else {})

    one, other = make_run(tmp_path / "one"), make_run(tmp_path / "other", problems=6, seed=1)
    edit(other / "samples.jsonl", failing)
    page = shown(one, other, problems=3)
    assert "boom" in page.run("document.querySelector('#failures').innerText")
    assert page.run("document.querySelectorAll('#failures button').length") == 0
    page = shown(one, other)
    page.wait(f"{HEAD} === 'problem-0'")
    press(page, "#failures button.small")
    page.wait(f"{HEAD} === 'problem-5'")
    assert page.run(IDS) == ["problem-5"]


def test_the_way_back_to_the_list_is_always_one(opened):
    page = opened({"problems": 250, "n": 1, "scorers": (), "trees": False}, width=390)
    press(page, '.pager [data-page="1"]')
    press(page, ".detail .back")
    assert page.run("document.activeElement.dataset.problem") == "0"
    choose(page, "Find", "problem-24")
    press(page, ".detail .back")
    assert page.run("document.activeElement.dataset.problem") == "24"
    choose(page, "Find", "No such problem")
    press(page, ".detail .back")
    assert page.run("document.activeElement.textContent") == "show all"
    choose(page, "Find", "PROBLEM-24")
    assert "problem-24" in page.run(IDS)


def test_a_list_of_no_problems_is_a_note_alone(shown, tmp_path, make_run):
    page = shown(make_run(tmp_path / "run"), problems=0)
    assert page.run("document.querySelectorAll('#problems select, #problems input').length") == 0
    assert page.run("document.querySelector('#problems').innerText").strip().endswith("count every problem.")


def test_a_solution_is_called_what_it_counts_as(shown, tmp_path, make_run):
    """A pool's file may say that a cut solution is right; a reason beside a score is no failure."""
    ends = [("length", True), ("length", None), ("length", False), ("open", False), ("eos", None), ("failed", False)]

    def ended(row):
        stop, correct = ends[row["index"]]
        return row | {"stop": stop, "correct": correct}

    run = make_run(tmp_path / "run", problems=1, n=6, scorers=("orm",), trees=False)
    edit(run / "samples.jsonl", ended)
    edit(run / "scores.jsonl", lambda row: row | {"reason": "three rollouts of four"})
    page = shown(run)
    page.wait("document.querySelector('.solution')")
    badges = "[...document.querySelectorAll('.solution .badge:first-child')].map((b) => b.textContent)"
    assert page.run(badges) == ["✓ right", "✗ cut", "✗ cut", "✗ unfinished", "? ungraded", "✗ failed"]
    assert "1 right, 4 wrong, 1 ungraded" in page.run("document.querySelector('.detail .facts').innerText")
    assert "not scored" not in page.run("document.querySelector('.troubles').innerText")
    show = "[...document.querySelectorAll('.detail select')].find((s) => s.dataset.key === 'Show')"
    for value, count in (("right", 1), ("wrong", 4), ("unknown", 1), ("cut", 3), ("unfinished", 1), ("failed", 1)):
        page.run(f"{show}.value = '{value}', {show}.dispatchEvent(new Event('change'))")
        assert page.run("document.querySelectorAll('.solution').length") == count


def test_odd_ids_and_texts_are_shown_short_and_whole(shown, tmp_path, make_run):
    names = {"problem-0": "", "problem-1": "i" * 100_000}
    run = make_run(tmp_path / "run", problems=2, trees=False, bad=True)
    for file in ("samples", "scores", "results"):
        edit(run / f"{file}.jsonl", lambda row: row | {"problem": names[row["problem"]]})
    edit(run / "problems.jsonl", lambda row: row | {"id": names[row["id"]], "prompt": "x" * 2999 + "😀" * 9})
    page = shown(run)
    page.wait("document.querySelector('.prompt-text pre')")
    assert page.run(IDS) == ["(no id)", "i" * 60 + "…"]
    assert page.run("document.querySelectorAll('#failures button.link')[1].textContent.length") == 61
    assert page.run("document.querySelector('.prompt-text pre').textContent") == "x" * 2999 + "…"


def test_a_category_of_a_controls_name_keeps_the_focus(opened):
    page = opened({"problems": 4}, by=["Sort", "Show"])
    for key in ("by:Sort", "by:Show"):
        choose(page, key, "1")
        assert page.run("document.activeElement.dataset.key") == key
        assert len(page.run(IDS)) == 2


@pytest.mark.parametrize("shapes", [[{"problems": 3, "bad": True}], [{"problems": 2}, {"problems": 2, "seed": 1}]])
def test_all_that_can_be_pressed_is_reached_by_keyboard(opened, shapes):
    page = opened(*shapes, by=["level"])
    page.run("for (const part of document.querySelectorAll('details')) part.open = true")
    page.run("""(() => {
        const all = [...document.querySelectorAll("a, button, select, summary, input, [tabindex='0']")];
        window.wanted = all.filter((node) => node.checkVisibility() && node.type !== "radio" && !node.disabled);
        window.seen = new Set();
        window.faint = [];
        addEventListener("focusin", ({ target }) => {
            seen.add(target);
            const drawn = (node) => node && getComputedStyle(node).outlineStyle !== "none";
            if (!drawn(target) && !drawn(target.nextElementSibling)) faint.push(target.outerHTML.slice(0, 120));
        });
    })()""")
    for _ in range(page.run("wanted.length + 20")):
        page.press("Tab")
    assert page.run("wanted.filter((node) => !seen.has(node)).map((node) => node.outerHTML.slice(0, 120))") == []
    assert page.run("faint") == []


def test_the_focus_stays_where_something_was_chosen(opened):
    page = opened({"problems": 4}, {"problems": 4, "seed": 1}, by=["level"])
    at = "document.activeElement.dataset.key"
    choices = [
        ("Pool", "1"),
        ("Colour by", "prm"),
        ("Run", "1"),
        ("by:level", "1"),
        ("Sort", "hard"),
        ("Strategy", "2"),
    ]
    for key, value in (*choices, ("Order", "low"), ("Baseline", "2")):
        choose(page, key, value)
        assert page.run(at) == key
    page.run("document.querySelector('#comparison [data-sort=accuracy]').focus()")
    page.press("Enter")
    assert page.run("document.activeElement.dataset.sort") == "accuracy"
    press(page, ".list button", "ArrowDown")
    assert page.run("document.activeElement.closest('li').previousElementSibling !== null")


SHAPES = {
    "plain": [{"problems": 3}],
    "bad": [{"problems": 3, "bad": True}],
    "several runs": [{"problems": 3, "bad": True}, {"problems": 3, "seed": 1, "scorers": ("orm",)}],
    "no scorer": [{"problems": 2, "scorers": ()}],
    "no trees": [{"problems": 2, "trees": False}],
    "many": [{"problems": 120, "n": 2, "trees": False, "scale": 9.0}],
}


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_axe_finds_nothing(opened, axe, shapes):
    page = opened(*shapes, by=["level"])
    for width in (1280, 400):
        for dark in (False, True):
            page.look(width=width, dark=dark)
            for view in ("solutions", "tree"):
                radio = f"document.querySelector('input[value={view}]')"
                if page.run(f"{radio}?.disabled === false"):
                    page.run(f"{radio}.click()")
                page.run("for (const part of document.querySelectorAll('details')) part.open = true")
                page.run("new Promise((done) => setTimeout(done, 50))")
                assert axe(page) == []
    choose(page, "Find", "no such problem")
    assert axe(page) == []


def test_paper_has_all_of_it_in_light_colours(opened):
    long = {"problems": 9, "bad": True, "scorers": ("a-reward-model-of-8B-parameters-v0.2", "prm")}
    page = opened(long, {"problems": 9, "seed": 1}, by=["level"], dark=True)
    theme = {"name": "prefers-color-scheme", "value": "dark"}
    page.call("Emulation.setEmulatedMedia", media="print", features=[theme])
    page.call("Emulation.setDeviceMetricsOverride", width=695, height=1000, deviceScaleFactor=1, mobile=False)
    hidden = page.run("""[...document.querySelectorAll("nav, select, .choice, .pager, .steps-nav")]
        .filter((node) => node.checkVisibility()).map((node) => node.outerHTML.slice(0, 80))""")
    assert hidden == []
    assert page.run("[...document.querySelectorAll('main > section')].every((s) => s.checkVisibility())")
    assert page.run("getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()") == "#1c2127"
    wide = page.run("""[...document.querySelectorAll("main *")].filter((node) => node.checkVisibility() &&
        !node.closest(".unseen") && node.getBoundingClientRect().right > 696).map((n) => n.outerHTML.slice(0, 80))""")
    assert wide == []
    assert page.run("Math.min(...[...document.querySelectorAll('tbody th')].map((th) => th.offsetWidth))") > 90
    page.call("Emulation.setEmulatedMedia", media="", features=[])
    parts = "[...document.querySelectorAll('header details, .detail details')]"
    page.run(f"addEventListener('beforeprint', () => {{ window.onPaper = {parts}.map((d) => d.open); }})")
    paper = page.paper()
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 12
    assert all(page.run("onPaper"))
    assert not any(page.run(f"{parts}.map((d) => d.open)")), "the page is as it was"
