"""Reranking saved pools from the command line."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.commands.cli import main
from bench.commands.options import separator
from bench.inputs.specs import version_of
from bench.pools.saved_pool import read_pools
from bench.tiny import weights_folder
from tests.processes import start_command
from tests.shared_data import DATA, needs_data
from tests.waiting import until
from verifiers import Stop
from verifiers.interface.capabilities import separator_of
from verifiers.interface.errors import BadInput


def solution(answer: str, **fields: object) -> dict[str, object]:
    return {"text": f"It is simple.\nThe answer is {answer}.", **fields}


def write(path: Path, rows: list[dict[str, object]]) -> str:
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return str(path)


def results(folder: Path) -> dict[tuple[str, str | None, int], list[float]]:
    table: dict[tuple[str, str | None, int], list[float]] = {}
    for line in (folder / "results.jsonl").read_text().splitlines():
        row = json.loads(line)
        table.setdefault((row["strategy"], row["scorer"], row["n"]), []).append(row["correct"])
    return table


def test_recorded_verdicts_become_scores(tmp_path: Path) -> None:
    verdicts = [["Yes", "No", None, "Yes"], [None, None], ["No"], []]
    solutions = [solution("2", verdicts=v, brevity=7, length=7, note="words") for v in verdicts]
    [pool] = read_pools([write(tmp_path / "p.jsonl.gz", [{"prompt": "?", "solutions": solutions}])])
    assert set(pool.recorded) == {"verdicts", "brevity"}
    assert pool.recorded["verdicts"].values()[[0, 2]].tolist() == pytest.approx([2 / 3, 0.0])
    assert np.isnan(pool.recorded["verdicts"].values()[[1, 3]]).all()
    assert all(s.stop is Stop.EOS and len(s.steps) == 2 for s in pool.solutions)


def test_curves_of_a_saved_pool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pools = [
        {
            "id": "votes-right",
            "prompt": "1+1?",
            "answer": "2",
            "solutions": [solution("2", score=0.1), solution("2.0", score=0.2), solution("3", score=0.9)],
        },
        {
            "id": "score-right",
            "prompt": "2+2?",
            "answer": "4",
            "solutions": [solution("5", score=0.1), solution("5", score=0.2), solution("4", score=0.9)],
        },
    ]
    assert main(["rerank", write(tmp_path / "p.jsonl.gz", pools), "--n=3", f"--out={tmp_path / 'out'}"]) == 0
    table = results(tmp_path / "out")
    assert table["self_consistency", None, 2] == pytest.approx([2 / 3, 1 / 3], abs=0.1)
    assert table["best_of_n", "score", 2] == pytest.approx([1 / 3, 2 / 3])
    assert table["pass@n", None, 1] == pytest.approx([2 / 3, 1 / 3])
    assert (tmp_path / "out" / "curve.png").stat().st_size > 1000
    assert "best_of_n (score)" in capsys.readouterr().out


def test_every_way_to_select(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the whole pool a curve says what the strategies themselves choose."""
    solutions = [solution("2", score=0.6), solution("2", score=0.5), solution("3", score=0.9), solution("3", score=0.1)]
    pools = write(tmp_path / "p.jsonl.gz", [{"prompt": "1+1?", "answer": "2", "solutions": solutions}])
    ways = ("best_of_n", "weighted_majority", "pessimistic", "soft")
    command = ["rerank", pools, "--n=4", f"--select={','.join(ways)}", f"--out={tmp_path / 'out'}"]
    assert main(command) == 0
    table = results(tmp_path / "out")
    assert [table[way, "score", 4] for way in ways[:3]] == [[0.0], [1.0], [1.0]]
    mass = np.exp(np.array([0.6, 0.5, 0.9, 0.1]) / 0.1)
    assert table["soft", "score", 4] == pytest.approx([mass[:2].sum() / mass.sum()])
    assert table["soft", "score", 1] == pytest.approx([0.5])
    assert main([*command[:3], "--select=median"]) == 2
    assert "--select median: use best_of_n, weighted_majority, pessimistic, soft" in capsys.readouterr().err


def test_a_trained_scorer_beside_a_recorded_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solutions = [{"text": f"7-9=8\n8*3={x}\n={x}", "human": float(x == 4)} for x in (4, 1, 4, 5)]
    row = {"id": "c", "prompt": "C 7-9*3\n", "answer": "4", "solutions": solutions}
    command = ["rerank", write(tmp_path / "p.jsonl.gz", [row]), "--scorer=tiny:orm", "--n=4"]
    assert main([*command, f"--out={tmp_path / 'out'}"]) == 0
    assert {scorer for _, scorer, _ in results(tmp_path / "out")} == {None, "orm", "human"}
    assert main([*command[:2], "--scorer=human=tiny:orm", f"--out={tmp_path / 'out'}"]) == 2
    assert "the pools record scores of that name" in capsys.readouterr().err


def test_pools_of_mixed_sizes_stay_in_the_denominator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pools = [
        {"id": "empty", "prompt": "?", "answer": "1", "solutions": []},
        {"id": "one", "prompt": "?", "answer": "1", "solutions": [solution("1")]},
        {"id": "cut", "prompt": "?", "answer": "1", "solutions": [solution("1", stop="length")] * 2},
    ]
    assert main(["rerank", write(tmp_path / "p.jsonl.gz", pools), "--n=2", f"--out={tmp_path / 'out'}"]) == 0
    assert results(tmp_path / "out")["self_consistency", None, 2] == [0.0, 1.0, 0.0]
    assert "2 of 3 pools hold fewer than 2 solutions" in capsys.readouterr().out


OWN = """
import numpy as np
from verifiers import Scores

class Lengths:
    def __init__(self, separator=None):
        if separator:
            self.separator = separator

    def score(self, problems, solutions):
        for solution in solutions:
            print("steps", [step.text for step in solution.steps])
        return Scores(tuple(np.array([len(s.text) for s in x.steps], float) for x in solutions))

plain, blank = Lengths(), Lengths("\\n\\n")
"""


def importable(folder: Path, package: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`package.parts` with this text, for `--scorer=package.parts:NAME`."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("")
    (folder / package / "parts.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importable(tmp_path, "pool_scorers", OWN, monkeypatch)


def steps_seen(output: str) -> list[list[str]]:
    return [eval(line.removeprefix("steps ")) for line in output.splitlines() if line.startswith("steps ")]


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("options", "cut", "note"),
    [
        (("--scorer=pool_scorers.parts:plain",), ["a\n", "b\n\n", "4"], False),
        (("--scorer=pool_scorers.parts:blank",), ["a\nb\n\n", "4"], False),
        (("--scorer=pool_scorers.parts:blank", r"--separator=\n"), ["a\n", "b\n\n", "4"], True),
        (("--scorer=pool_scorers.parts:plain", r"--separator=b\n\n"), ["a\nb\n\n", "4"], False),
    ],
)
def test_texts_are_cut_as_each_scorer_was_trained(tmp_path: Path, capsys, options, cut, note) -> None:
    given = ["a\nb", "\n\n", "4"]
    row = {"id": "a", "prompt": "?", "answer": "4", "solutions": [{"text": "a\nb\n\n4"}, {"steps": given}]}
    assert main(["rerank", write(tmp_path / "p.jsonl.gz", [row]), *options, f"--out={tmp_path / 'out'}"]) == 0
    printed = capsys.readouterr().out
    assert steps_seen(printed) == [cut, given]
    assert (r"blank scores steps that end with '\n' and was trained on steps that end with '\n\n'" in printed) == note


def test_a_pavs_format_is_its_bases() -> None:
    from bench.inputs.specs import load_scorer

    assert separator_of(load_scorer("pav:tiny:prm,k=4")) == "\n"
    assert separator_of(load_scorer("tiny:orm")) is None


def test_escapes_of_a_separator() -> None:
    assert separator(r"\n\n") == separator("\n\n") == "\n\n"
    assert separator(r"\t") == "\t"
    assert separator(r"\\n") == r"\n"
    assert separator(" ки") == " ки"


def test_steps_and_scores_of_a_pool(tmp_path: Path) -> None:
    def read(*solutions: object):
        return read_pools([write(tmp_path / "p.jsonl.gz", [{"id": None, "prompt": "?", "solutions": solutions}])])

    [pool] = read({"steps": ["a\n", "b"], "brevity": 7, "scores": {"prm": 0.5}}, {"text": "c", "brevity": 8})
    assert pool.problem.id == "p.jsonl-00000"
    assert [[step.text for step in solution.steps] for solution in pool.solutions] == [["a\n", "b"], ["c"]]
    np.testing.assert_array_equal(pool.recorded["prm"].values(), [0.5, np.nan])
    assert set(pool.recorded) == {"prm"}
    [pool] = read({"steps": ["Yes", "No"], "text": "YesNo", "brevity": 7})
    assert set(pool.recorded) == {"brevity"}
    with pytest.raises(BadInput, match=r"p.jsonl.gz:1: solution 0: 'text' is not its 'steps' joined"):
        read({"steps": ["a", "b"], "text": "a\nb"})
    with pytest.raises(BadInput, match=r"p.jsonl.gz:1: solution 1: 'steps' must be a list of texts"):
        read({"text": "a"}, {"steps": [1]})
    with pytest.raises(BadInput, match=r"p.jsonl.gz:1: solution 0: 'scores' is 0.5; an object"):
        read({"text": "a", "scores": 0.5})
    with pytest.raises(BadInput, match=r"p.jsonl.gz:1: solution 0: scores\['prm'\] is 'high'; use a number"):
        read({"text": "a", "scores": {"prm": "high"}})


def test_the_notes_speak_of_what_the_scores_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solutions = [solution(str(x), chance=x / 10, brevity=x, index=x) for x in (1, 2, 3)]
    rows = [{"id": "a", "prompt": "?", "answer": "2", "solutions": solutions}]
    assert main(["rerank", write(tmp_path / "p.jsonl.gz", rows), f"--out={tmp_path / 'out'}"]) == 0
    printed = capsys.readouterr().out
    assert "- taken as scores from the file: chance, brevity\n" in printed
    assert "- not taken as scores: index (it says how" in printed
    assert "- chance: AUC 0.500; right and wrong told apart at 0.5 with accuracy 0.667" in printed
    assert "- brevity: AUC 0.500 on 3 finished solutions" in printed
    for answer, kind in (("9", "wrong"), ("2", "right")):
        one = [{**rows[0], "answer": answer, "solutions": solutions[1:2]}]
        assert main(["rerank", write(tmp_path / "p.jsonl.gz", one), f"--out={tmp_path / 'out'}"]) == 0
        printed = capsys.readouterr().out
        assert f"- chance: all 1 finished solutions with a score are {kind}; nothing can be told apart" in printed
        assert "nan" not in printed


SLOW = """
import os, time
import numpy as np
from verifiers import Scores, Spend

class Slow:
    def score(self, problems, solutions):
        with open("calls.txt", "a") as file:
            file.write("x")
        time.sleep(float(os.environ.get("SLOW", "0")))
        values = [[(sum(map(ord, x.text)) * 7919 % 1009) / 997 if len(x.text) % 5 else np.nan] for x in solutions]
        rows = tuple(np.full(len(x.steps), v[0]) for x, v in zip(solutions, values))
        return Scores(rows, tuple(Spend(scorer_calls=1, scored_tokens=len(x.text)) for x in solutions))

slow, other = Slow(), Slow()
"""


@pytest.fixture
def slow_pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    importable(tmp_path, "slow_scorers", SLOW, monkeypatch)
    monkeypatch.chdir(tmp_path)
    # Two pools a call.
    answers = [[(7 * i + 3 * j) % 5 for j in range(130)] for i in range(20)]
    rows = [
        {"id": f"q{i}", "prompt": f"{i}?", "answer": "1", "solutions": [solution(str(a), digit=a) for a in row]}
        for i, row in enumerate(answers)
    ]
    return write(tmp_path / "p.jsonl.gz", rows)


def calls() -> int:
    found = Path("calls.txt")
    count = len(found.read_text()) if found.exists() else 0
    found.unlink(missing_ok=True)
    return count


@pytest.mark.slow
def test_a_killed_rerank_goes_on_and_ends_the_same(slow_pools: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["rerank", slow_pools, "--scorer=slow_scorers.parts:slow", "--n=4"]
    assert main([*command, "--out=whole"]) == 0
    assert calls() == 10
    process = start_command([*command, "--out=killed"], SLOW="1")
    kept = Path("killed/rerank-scores.jsonl")
    until(lambda: kept.exists() and kept.read_bytes().count(b"\n") >= 3)
    process.kill()
    process.join()
    assert not Path("killed/results.jsonl").exists()
    done = kept.read_bytes().count(b"\n")
    assert 3 <= done < 20
    assert done % 2 == 0
    with open(kept, "ab") as file:
        file.write(b'{"scorer": "torn')
    calls()
    capsys.readouterr()
    assert main([*command, "--out=killed"]) == 0
    assert calls() == 10 - done // 2
    assert Path("killed/results.jsonl").read_bytes() == Path("whole/results.jsonl").read_bytes()
    lines = [[json.loads(line) for line in Path(f, kept.name).read_text().splitlines()] for f in ("killed", "whole")]
    assert [(row["problem"], row["values"]) for row in lines[0]] == [(r["problem"], r["values"]) for r in lines[1]]
    assert f"- slow_scorers.parts:slow: {done} pools as scored before in rerank-scores.jsonl" in capsys.readouterr().out


def test_a_model_trained_anew_is_another_scorer(tmp_path: Path) -> None:
    folder = tmp_path / "orm"
    shutil.copytree(weights_folder("orm"), folder)
    before = version_of(f"orm:{folder},dtype=bfloat16")
    assert before.startswith(f"orm:{folder},dtype=bfloat16 ")
    shutil.copy(weights_folder("orm_overfit") / "model.safetensors", folder)
    assert version_of(f"orm:{folder},dtype=bfloat16") != before
    pav = version_of("pav:tiny:prm,tiny:prover,alpha=0.5")
    assert len(pav.split()) == 3
    assert version_of("slow_scorers.parts:slow") == "slow_scorers.parts:slow"


@pytest.mark.slow
def test_kept_scores_are_those_of_the_same_scorer_and_solutions(slow_pools: str, capsys) -> None:
    command = ["rerank", slow_pools, "--n=4", "--out=out"]
    assert main([*command, "--scorer=slow_scorers.parts:slow", "--limit=5"]) == 0
    assert calls() == 3
    assert main([*command, "--scorer=renamed=slow_scorers.parts:slow"]) == 0
    assert calls() == 8  # what is new in the pool
    assert main([*command, "--scorer=slow_scorers.parts:slow", "--scorer=slow_scorers.parts:other"]) == 0
    assert calls() == 10  # what the other scorer says
    assert main([*command, "--scorer=slow_scorers.parts:slow", "--separator=simple"]) == 0
    assert calls() == 10  # other steps
    Path("out/rerank-scores.jsonl").write_text('{"mine": 1}\n')
    assert main([*command, "--scorer=slow_scorers.parts:slow"]) == 2
    assert "out/rerank-scores.jsonl:1: not a line that was written here" in capsys.readouterr().err
    assert Path("out/rerank-scores.jsonl").read_text() == '{"mine": 1}\n'


@needs_data("genrm_pool_dev.jsonl.gz")
@pytest.mark.slow
def test_the_real_pool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool = DATA / "genrm_pool_dev.jsonl.gz"
    assert main(["rerank", str(pool), "--limit=40", "--n=8", f"--out={tmp_path / 'out'}"]) == 0
    table = {key: float(np.mean(values)) for key, values in results(tmp_path / "out").items()}
    assert table["pass@n", None, 8] > table["weighted_majority", "verdicts", 8] > table["self_consistency", None, 8]
    assert "agrees with the file's 'correct'" in capsys.readouterr().out
