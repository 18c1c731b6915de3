"""Search trees in a real browser: of any shape, by pointer, by keys and as a list."""

import json

import pytest

from bench.report.page import write_report

pytestmark = pytest.mark.slow

STEP = "It follows that there are {} of them.\n"


def grown(
    width, depth, *, strategy="mine:own", scorer=None, value=lambda place: 0.5, fate=lambda place: "kept", text=STEP
):
    """Candidates row by row, `width` of each depth, all on the first of the row before."""
    return [
        {
            "problem": "problem-0", "strategy": strategy, "scorer": scorer, "n": width, "node": place,
            "parent": (place // width - 1) * width if place >= width else -1, "depth": 0, "text": text.format(place),
            "stop": "open", "value": value(place), "fate": fate(place),
        }
        for place in range(width * depth)
    ]  # fmt: skip


TREES = {
    "wide": grown(64, 3, scorer="prm", strategy="beam_search"),
    "deep": grown(3, 40),
    "long steps": grown(4, 4, text="word " * 400 + "{}"),
    "without values": grown(4, 3, value=lambda place: None),
    "a step after a pruned one": grown(3, 3, fate=lambda place: "pruned" if place < 6 else "done"),
    "an unheard-of fate": grown(3, 2, fate=lambda place: "lost"),
    "beyond one": grown(3, 2, value=lambda place: "inf" if place == 1 else -3.0 * place),
}


@pytest.fixture
def opened(tmp_path, make_run, browser):
    def go(rows, width=1280):
        browser.errors.clear()
        run = make_run(tmp_path / "run", problems=2, trees=False)
        (run / "trees.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        write_report([run], tmp_path / "report.html")
        browser.open(tmp_path / "report.html", width=width)
        browser.wait("document.querySelector('.solution')")
        return browser

    yield go
    assert browser.errors == []
    assert browser.run("document.querySelectorAll('.alert').length") == 0


@pytest.mark.parametrize("rows", TREES.values(), ids=TREES)
@pytest.mark.parametrize("width", [400, 1280])
def test_any_tree_is_drawn_fits_and_can_be_read_as_text(opened, rows, width):
    browser = opened(rows, width)
    browser.run("document.querySelector('input[value=tree]').click()")
    tick = "document.querySelector('.view .tick input')"
    if not browser.run(f"{tick}.checked"):
        browser.run(f"{tick}.click()")
    assert browser.run("document.querySelectorAll('.tree .node').length") == len(rows)
    assert browser.run("document.querySelector('.view select').selectedOptions[0].textContent").startswith(
        rows[0]["strategy"].replace("_", " ")
    )
    browser.run("document.querySelector('.outline summary').click()")
    browser.wait("document.querySelector('.outline li')")
    assert browser.run("document.querySelectorAll('.outline li').length") == len(rows)
    depth = """[...document.querySelectorAll('.outline li')].map((li) => {
        let depth = 0;
        for (let at = li; (at = at.parentElement.closest('.outline li')); ) depth += 1;
        return depth;
    })"""
    assert max(browser.run(depth)) == max(row["node"] // row["n"] for row in rows)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert not browser.run("/NaN|undefined|Infinity/.test(document.querySelector('.view').innerHTML)")


def test_what_leads_to_a_kept_candidate_stays(opened):
    browser = opened(TREES["a step after a pruned one"])
    browser.run("document.querySelector('input[value=tree]').click()")
    browser.run("document.querySelector('.view .tick input').click()")
    shown = "[...document.querySelectorAll('.tree .node')].map((e) => Number(e.dataset.node)).sort((a, b) => a - b)"
    assert browser.run(shown) == [0, 3, 6, 7, 8]
    assert "NaN" not in browser.run("document.querySelector('.tree').innerHTML")


def test_keys_reach_the_last_step_of_a_deep_tree(opened):
    browser = opened(TREES["deep"], 400)
    browser.run("document.querySelector('input[value=tree]').click()")
    browser.run("document.querySelector('.tree').focus()")
    for _ in range(40):
        browser.press("ArrowRight")
    assert browser.run("document.querySelector('.panel b').textContent") == "Step 40"
    assert "of them" in browser.run("document.querySelector('.panel .step').textContent")
    assert "after 39 steps" in browser.run("document.querySelector('.panel summary').textContent")
    assert browser.run("document.querySelector('.panel details').open") is False
    inside = """(() => {
        const [a, b] = ['.node.at', '.tree'].map((s) => document.querySelector(s).getBoundingClientRect());
        return a.left >= b.left && a.right <= b.right;
    })()"""
    assert browser.run(inside)
    browser.press("Escape")
    assert browser.run("document.querySelectorAll('.node.at').length") == 0


def test_a_problem_without_a_tree_says_so(opened):
    browser = opened(TREES["deep"])
    browser.run("document.querySelector('input[value=tree]').click()")
    browser.run("document.querySelectorAll('.list button')[1].click()")
    browser.wait("document.querySelector('.detail h3').textContent === 'problem-1'")
    assert browser.run("document.querySelectorAll('.detail input[value=tree]').length") == 0
    assert "There is no search tree" in browser.run("document.querySelector('.detail').textContent")
    assert browser.run("document.querySelectorAll('.solution').length") > 0
