"""`stepbeam reproduce NAME --quick`, killed in its middle: the same command again ends with the same page."""

import re
from pathlib import Path

import pytest

from tests.bench.reproduce.quick_runs import LONGEST, Quick, finish, kill, started
from tests.waiting import until

# What appears in the middle of the work: amid searches, trainings, a policy's training, and a verifier's.
MIDDLES = {
    "pav": "beam/*_none_0_w2.json",
    "pav-rl": "arms/kebdig_outcome_only_0.json",
    "verigate": "trainings/word_sort_*/metrics.jsonl",
    "genrm": "models/genrm_cot_lora_0/log.jsonl",
}
_CLOCK = re.compile(r"\d+ \| \d+% \|$", re.MULTILINE)


def pages(out: Path) -> dict[str, str]:
    """The pages of a folder, but for what a clock says: the columns `seconds` and `scoring` of verigate.md."""
    return {path.name: _CLOCK.sub("", path.read_text(encoding="utf-8")) for path in out.glob("*.md")}


def units(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.glob("*/*.json")}


@pytest.mark.slow
@pytest.mark.parametrize("name", MIDDLES)
def test_killed_in_its_middle_it_ends_with_the_same_page(name: str, whole: Quick, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with started(name, out) as process:
        until(lambda: process.poll() is not None or any(out.glob(MIDDLES[name])), 2 * LONGEST)
        assert process.poll() is None
        kill(process)
    kept = units(out)
    assert kept
    assert not pages(out)
    finish(name, out)
    assert {path: when for path, when in units(out).items() if path in kept} == kept  # none is made again
    assert units(out).keys() == {out / path.relative_to(whole(name)) for path in units(whole(name))}
    assert pages(out) == pages(whole(name))
