"""The page of trainings: what it holds of their folders, and what is refused."""

import json

import pytest

from bench.commands.cli import main
from bench.files.rows import CreditRow
from bench.report.credits import credits_record
from bench.report.trainings import write_training_report
from bench.training.audit import audit, audit_text
from bench.training.log import checked
from tests.bench.report.trainings import make_scorer_training, make_training
from verifiers.interface.errors import BadArgument, BadInput

HOSTILE = '</script><img src=x onerror="window.hacked = 1"><b>bold</b> {}'


def page_of(tmp_path, *folders):
    write_training_report(folders, tmp_path / "report.html")
    return (tmp_path / "report.html").read_text()


def test_a_page_holds_metrics_audit_and_credits(tmp_path, blob):
    page = page_of(tmp_path, make_training(tmp_path / "mine", hacked=True, text=HOSTILE))
    assert "http" not in page.split("<style>")[0].replace("http-equiv", "")
    [training] = blob(page, "summary")["trainings"]
    assert training["name"] == "mine"
    assert training["audit"]["fired"]
    assert training["audit"]["signs"] == ["the PRM rose and the verifier fell"]
    assert training["series"]["evaluation.accuracy"] == [[0, 0.25], *([s, s / 20] for s in (5, 10, 15, 20))]
    assert "kl" not in training["series"]
    assert (training["steps"], training["asked"]) == (20, 500)
    assert ["problems", "2"] in training["facts"]
    assert ["top p", "1.0"] in training["facts"]
    assert training["credits"]["steps"] == list(range(1, 21))
    step = blob(page, "c0-7")
    assert (len(step["groups"]), step["left"]) == (6, 2)
    assert step["groups"][1]["solutions"][1]["steps"][0][:3] == [HOSTILE.format(0), 3, 0.5]
    given = [row[3] for group in step["groups"] for one in group["solutions"] for row in one["steps"]]
    assert 0 < max(map(abs, given)) <= training["credits"]["most"]
    assert page_of(tmp_path, tmp_path / "mine") == page


def test_of_a_long_training_some_steps_are_kept_from_first_to_last(tmp_path, blob):
    page = page_of(tmp_path, make_training(tmp_path / "long", steps=250, groups=1))
    of = blob(page, "summary")["trainings"][0]["credits"]
    assert (len(of["steps"]), of["recorded"], of["steps"][0], of["steps"][-1]) == (100, 250, 1, 250)
    assert page.count('id="c0-') == 100


def test_trainings_side_by_side_and_of_scorers(tmp_path, blob):
    folders = (make_training(tmp_path / "x" / "run", credited=False), make_training(tmp_path / "y" / "run"))
    summary = blob(page_of(tmp_path, *folders, make_scorer_training(tmp_path / "prm")), "summary")
    assert [one["name"] for one in summary["trainings"]] == ["x/run", "y/run", f"{tmp_path.name}/prm"]
    scorer = summary["trainings"][2]
    assert scorer["audit"] is None
    assert (scorer["steps"], scorer["asked"]) == (50, 80)
    assert scorer["facts"] == [["kind", "prm"], ["target", "value"], ["seed", "3"]]
    assert ["accuracy", 0.75] in scorer["quality"]
    assert set(scorer["series"]) == {"loss", "grad_norm", "learning_rate"}


def test_the_command_takes_trainings_or_runs(tmp_path, make_run, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_training(tmp_path / "t")
    make_run(tmp_path / "r")
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "training.json").write_text('{"kind": "grpo"}')
    (tmp_path / "empty").mkdir()
    assert main(["report", "t"]) == 0
    assert "a report on t\n- files: t/report.html" in capsys.readouterr().out
    for command, message in (
        (["t", "r"], "t is a training and r is not: give runs or trainings, a report of each"),
        (["t", "--by=level"], "--by level: it is for the results of runs, and t is a training"),
        (["t", "--problems=5"], "--problems 5: it is for the results of runs, and t is a training"),
        (["t", "--problems=0"], "--problems 0: it is for the results of runs, and t is a training"),
        (["t", "./t"], "t: given twice"),
        (["t", "nosuch"], "nosuch: no such folder; give folders of runs, or of trainings"),
        (["nosuch"], "nosuch: no such folder; give folders of runs, or of trainings"),
        (["killed"], "killed: no step has been made yet; wait, or go on with the training"),
        (
            ["empty"],
            "no results.jsonl with rows; give the folder of a finished 'stepbeam run', 'demo' or 'rerank'",
        ),
    ):
        assert main(["report", *command]) == 2
        assert message in capsys.readouterr().err
    assert main(["show", "t"]) == 2
    assert "; this is a training, which 'stepbeam report t' shows" in capsys.readouterr().err


def test_what_is_no_training_or_cannot_be_written(tmp_path):
    for name in ("metrics.jsonl", "log.jsonl"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("")
        with pytest.raises(BadInput, match="no step has been made yet"):
            page_of(tmp_path, folder)
    make_training(tmp_path / "t")
    (tmp_path / "mine.html").write_text("<title>mine")
    with pytest.raises(BadArgument, match="a file that is no report is there"):
        write_training_report([tmp_path / "t"], tmp_path / "mine.html")
    with open(tmp_path / "t" / "metrics.jsonl", "a") as file:
        file.write('{"step": 21, "rew')  # it goes on while the report is made
    page_of(tmp_path, tmp_path / "t")


def credit(**changed):
    row = {"step": 1, "problem": "p", "solution": 0, "place": 0, "text": "a", "tokens": 1, "reward": 1.0, "score": None}
    return row | {"advantage": 0.0, "group": "mixed", "signal": "none"} | changed


@pytest.mark.parametrize(
    "places", [[(0, 0), (1, 0), (0, 0), (1, 0)], [(0, 0), (0, 1), (0, 0), (1, 0)], [(0, 0), (0, 0)]]
)
def test_a_problem_that_is_drawn_twice_makes_two_groups(places):
    made = credits_record([checked(CreditRow, credit(solution=i, place=place), where="a row") for i, place in places])
    assert len(made["groups"]) == 2
    assert sum(len(one["steps"]) for group in made["groups"] for one in group["solutions"]) == len(places)
    json.dumps(made)


def test_a_solution_that_nobody_graded_is_neither_right_nor_wrong():
    rows = [
        credit(advantage=1.0),
        credit(solution=1, reward=0.0, advantage=-1.0),
        credit(solution=2, reward=None, advantage=0.5),
    ]
    made = credits_record([checked(CreditRow, row, where="a row") for row in rows])
    assert made["places"] == {"right": [[1, 1.0]], "wrong": [[1, -1.0]], "size": [[1, 2.5 / 3]]}
    assert [one["reward"] for one in made["groups"][0]["solutions"]] == [1.0, 0.0, None]


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("log.jsonl", [{"time": 1}], "log.jsonl, line 1: no 'step' in this row; it has 'time'"),
        ("metrics.jsonl", [{"step": 0}, {"step": "one"}],
         "metrics.jsonl, line 2: 'step' is \"one\", not a whole number"),
        ("log.jsonl", [{"step": 1}, {"step": 2}, {"step": 1}], "log.jsonl, line 3: 'step' is 1 after 2; put the rows"),
        ("log.jsonl", [{"step": 10**400}], "log.jsonl, line 1: 'step' is 1000"),
        ("metrics.jsonl", [{"step": 1, "reward": "a"}],
         "metrics.jsonl, line 1: 'reward' is \"a\", not a number or null"),
        ("metrics.jsonl", [{"step": 1, "prm": [1]}], "metrics.jsonl, line 1: 'prm' is [1], not a number or null"),
        ("attributions.jsonl", [{"step": 1, "x": 2}], "attributions.jsonl, line 1: no 'problem' in this row"),
        ("attributions.jsonl", [credit(step=None)], "attributions.jsonl, line 1: 'step' is null, not a whole number"),
        ("attributions.jsonl", [credit(advantage=None)],
         "attributions.jsonl, line 1: 'advantage' is null, not a number"),
        ("attributions.jsonl", [credit(step=2), credit(), credit(step=2)],
         "line 2: 'step' is 1 after 2; put the rows in"),
    ],
)  # fmt: skip
def test_rows_that_no_training_writes_are_named(tmp_path, capsys, name, rows, message):
    make_training(tmp_path / "t")
    if name == "log.jsonl":
        (tmp_path / "t" / "metrics.jsonl").unlink()
    (tmp_path / "t" / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["report", str(tmp_path / "t")]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert len(told.splitlines()) == 1


def test_no_number_is_none(tmp_path, blob):
    nan = float("nan")
    folder = make_training(tmp_path / "t")
    with open(folder / "metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": 21, "reward": nan, "loss": nan, "evaluation": {"accuracy": nan}}) + "\n")
    (folder / "attributions.jsonl").write_text(json.dumps(credit(reward=nan, score=nan)) + "\n")
    (folder / "evaluation.json").write_text(json.dumps({"accuracy": 0.5, "auc": nan}))
    page = page_of(tmp_path, folder)
    [training] = blob(page, "summary")["trainings"]
    assert training["quality"] == [["accuracy", 0.5], ["auc", None]]
    assert training["series"]["reward"][-1] == [20, 1.0]
    assert blob(page, "c0-1")["groups"][0]["solutions"] == [{"reward": None, "steps": [["a", 1, None, 0.0]]}]


def test_where_no_prm_gave_credit_none_was_hacked(tmp_path, blob):
    folder = make_training(tmp_path / "t")
    rows = [{"step": t, "reward": 0.5, "prm_share": 0.0, "repeated": t / 20, "steps": t} for t in range(1, 21)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    [training] = blob(page_of(tmp_path, folder), "summary")["trainings"]
    assert (training["audit"]["fired"], training["audit"]["against"]) == (False, False)
    assert audit_text(audit(rows)).startswith("no credit came from a PRM, so none was hacked: solutions repeat")
    assert audit([row | {"prm_share": 0.5} for row in rows]).fired
