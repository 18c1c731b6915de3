"""The page of trainings in a real browser: it draws, it answers, it complains of nothing, and it fits a phone."""

import json

import pytest

from bench.report.trainings import write_training_report
from tests.bench.report.trainings import make_scorer_training, make_training

pytestmark = pytest.mark.slow
HOSTILE = '</script><img src=x onerror="window.hacked = 1"><b>bold</b> {}'


@pytest.fixture
def opened(tmp_path, browser):
    def go(*folders, width=1280, dark=False):
        browser.errors.clear()
        write_training_report(folders, tmp_path / "report.html")
        browser.open(tmp_path / "report.html", width=width, dark=dark)
        return browser

    yield go
    assert browser.errors == []


KINDS = {
    "one": lambda path: [make_training(path / "a")],
    "hacked": lambda path: [make_training(path / "hacked", hacked=True)],
    "one step": lambda path: [make_training(path / "a", steps=1)],
    "several": lambda path: [make_training(path / name, hacked=name == "hacked") for name in ("a", "hacked", "c")],
    "scorer": lambda path: [make_scorer_training(path / "prm")],
    "mixed": lambda path: [make_training(path / "a"), make_scorer_training(path / "a-rather-long-name-of-a-prm-of-8B")],
    "hostile": lambda path: [make_training(path / "a", text=HOSTILE)],
    "long": lambda path: [make_training(path / "a", text="word" * 300 + "{}")],
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("width", [400, 1280])
def test_any_training_is_drawn_and_fits(opened, tmp_path, make, width):
    folders = make(tmp_path)
    browser = opened(*folders, width=width, dark=width == 400)
    policies = [folder for folder in folders if (folder / "attributions.jsonl").exists()]
    if policies:
        browser.wait("document.querySelector('.credit-group')")
        assert browser.run("document.querySelectorAll('.credit-group').length") == 6
    assert browser.run("document.querySelectorAll('#audit, #credits').length") == (2 if policies else 0)
    assert browser.run("document.querySelectorAll('nav a').length") == browser.run(
        "document.querySelectorAll('main > section').length"
    )
    charts = browser.run("document.querySelectorAll('.panels .chart svg').length")
    assert charts == browser.run("document.querySelectorAll('.panels .card').length") >= 3
    assert browser.run("document.documentElement.scrollWidth") <= width
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
    assert browser.run("document.documentElement.scrollWidth") <= width
    shown = "[...document.querySelectorAll('header, main')].map((part) => part.textContent).join()"
    assert not browser.run(f"/NaN|undefined|Infinity|\\[object/.test({shown})")
    assert not browser.run("/NaN|undefined/.test(document.querySelector('main').innerHTML)")
    assert browser.run("document.querySelectorAll('main img').length") == 0
    assert browser.run("window.hacked ?? null") is None
    assert browser.run("document.querySelectorAll('.alert').length") == sum(f.name == "hacked" for f in folders)


def test_credits_are_walked_through_step_by_step(opened, tmp_path):
    browser = opened(make_training(tmp_path / "a"))
    browser.wait("document.querySelector('.credit-group')")
    head = "document.querySelector('.credits small').textContent"
    assert "step 1" in browser.run(head)
    first = browser.run("document.querySelector('.credit-group .step').textContent")
    assert "PRM 0.50" in first
    assert "3 tokens" in first
    browser.run("document.querySelector('[aria-label=\"Next training step\"]').focus()")
    browser.run("document.activeElement.click()")
    browser.wait(f"{head}.includes('step 2')")
    assert browser.run("document.activeElement.getAttribute('aria-label')") == "Next training step"
    browser.run("""(() => {
        const select = [...document.querySelectorAll("#credits select")].at(-1);
        select.value = "mixed";
        select.dispatchEvent(new Event("change"));
    })()""")
    browser.wait("document.querySelectorAll('.credit-group').length === 3")
    browser.run("document.querySelector('.panels .chart').focus()")
    browser.press("ArrowRight")
    assert "step" in browser.run("document.querySelector('.panels .tip').textContent")
    values = browser.run("""[...document.querySelectorAll("#curves table tbody tr")]
        .find((row) => row.cells[0].textContent === "reward").textContent""")
    assert values == "reward0.05step 11step 200.05step 11step 2020"


def test_small_credits_and_trainings_without_a_prm(opened, tmp_path):
    folder = make_training(tmp_path / "a")
    rows = [{"step": t, "reward": 0.5, "prm_share": 0.0, "repeated": t / 20, "steps": t} for t in range(1, 21)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = [json.loads(line) for line in (folder / "attributions.jsonl").read_text().splitlines()]
    (folder / "attributions.jsonl").write_text(
        "".join(json.dumps(row | {"advantage": 0.003 * (-1) ** row["place"]}) + "\n" for row in given)
    )
    browser = opened(folder)
    browser.wait("document.querySelector('.credit-group')")
    shown = browser.run("[...document.querySelectorAll('.credit-group .step b')].map((b) => b.textContent)")
    assert set(shown) == {"+0.003", "−0.003"}
    assert "20 of 500 steps" in browser.run("document.getElementById('glance').textContent")
    verdict = browser.run("document.querySelector('#audit .verdict').textContent")
    assert verdict.startswith("No credit came from a PRM, so none was hacked.")
    assert browser.run("document.querySelectorAll('.alert').length") == 0


def test_a_log_of_more_steps_than_a_call_takes_arguments(opened, tmp_path):
    (tmp_path / "prm").mkdir()
    rows = (f'{{"step": {t}, "loss": {t % 1000}}}\n' for t in range(1, 150_001))
    (tmp_path / "prm" / "log.jsonl").write_text("".join(rows))
    browser = opened(tmp_path / "prm")
    cells = browser.run("[...document.querySelector('#curves tbody tr').cells].map((cell) => cell.textContent).join()")
    assert cells == "loss,1step 1,0step 150000,0step 1000,999step 999,150000"
