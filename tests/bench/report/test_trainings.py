"""The page of trainings: what it holds of their folders, and what is refused."""

import json

import pytest

from bench.commands.cli import main
from bench.report.trainings import credits_record, write_training_report
from tests.bench.report.trainings import make_scorer_training, make_training
from verifiers.interface.errors import BadArgument, BadInput

HOSTILE = '</script><img src=x onerror="window.hacked = 1"><b>bold</b> {}'


def page_of(tmp_path, *folders):
    write_training_report(folders, tmp_path / "report.html")
    return (tmp_path / "report.html").read_text()


def test_a_page_holds_metrics_audit_and_credits(tmp_path, blob):
    page = page_of(tmp_path, make_training(tmp_path / "mine", hacked=True, text=HOSTILE))
    assert "<b>bold" not in page
    assert "http" not in page.split("<style>")[0].replace("http-equiv", "")
    [training] = blob(page, "summary")["trainings"]
    assert training["name"] == "mine"
    assert training["audit"]["fired"]
    assert training["audit"]["signs"] == ["the PRM rose and the verifier fell"]
    assert training["series"]["evaluation.accuracy"] == [[0, 0.25], *([s, s / 20] for s in (5, 10, 15, 20))]
    assert "kl" not in training["series"]
    assert ["problems", "2"] in training["facts"]
    assert ["top p", "1.0"] in training["facts"]
    assert training["credits"]["steps"] == list(range(1, 21))
    step = blob(page, "c0-7")
    assert (len(step["groups"]), step["left"]) == (6, 2)
    assert step["groups"][1]["solutions"][1]["steps"][0][:3] == [HOSTILE.format(0), 3, 0.5]
    assert step["most"] <= training["credits"]["most"]
    assert page_of(tmp_path, tmp_path / "mine") == page


def test_of_a_long_training_some_steps_are_kept_from_first_to_last(tmp_path, blob):
    page = page_of(tmp_path, make_training(tmp_path / "long", steps=250, groups=1))
    of = blob(page, "summary")["trainings"][0]["credits"]
    assert (len(of["steps"]), of["recorded"], of["steps"][0], of["steps"][-1]) == (100, 250, 1, 250)
    assert page.count('id="c0-') == 100


def test_trainings_side_by_side_and_of_scorers(tmp_path, blob):
    folders = (make_training(tmp_path / "x" / "run", credited=False), make_training(tmp_path / "y" / "run"))
    summary = blob(page_of(tmp_path, *folders, make_scorer_training(tmp_path / "prm")), "summary")
    assert [one["name"] for one in summary["trainings"]] == [str(folders[0]), str(folders[1]), str(tmp_path / "prm")]
    scorer = summary["trainings"][2]
    assert scorer["audit"] is None
    assert scorer["facts"] == [["kind", "prm"], ["target", "value"], ["seed", "3"]]
    assert ["accuracy", 0.75] in scorer["quality"]
    assert set(scorer["series"]) == {"loss", "grad_norm", "learning_rate"}


def test_the_command_takes_trainings_or_runs(tmp_path, make_run, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_training(tmp_path / "t")
    make_run(tmp_path / "r")
    assert main(["report", "t"]) == 0
    assert "a report on t\n- files: t/report.html" in capsys.readouterr().out
    for command, message in (
        (["t", "r"], "t is a training and r is not: give runs or trainings, a report of each"),
        (["t", "--by=level"], "--by level: it is for the results of runs, and t is a training"),
        (["t", "./t"], "t: given twice"),
    ):
        assert main(["report", *command]) == 2
        assert message in capsys.readouterr().err


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


def test_a_problem_that_is_drawn_twice_makes_two_groups():
    row = {"step": 1, "problem": "p", "place": 0, "text": "a", "tokens": 1, "reward": 1.0, "score": None}
    row |= {"advantage": 0.0, "group": "mixed", "signal": "none"}
    made = credits_record([row | {"solution": number} for number in (0, 1, 0, 1)])
    assert [len(group["solutions"]) for group in made["groups"]] == [2, 2]
    json.dumps(made)
