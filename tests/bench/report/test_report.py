"""What is in a report, to the last digit, and what is not."""

import json
import re
import shutil

import pytest

from bench.commands.cli import main
from bench.report.folder import read_folder, read_folders
from bench.report.page import report_page, write_report
from bench.stats.paired import compare
from verifiers.interface.errors import BadInput

SECTIONS = ("failures", "curves", "comparison", "scorers", "problems")
HOSTILE = '</script><img src=x onerror="alert(1)"><!--DATA--><!--STYLE--> {}'


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def page_of(*folders, **options):
    return report_page(read_folders(folders, **options))


@pytest.fixture
def folder(tmp_path, make_run):
    return make_run(tmp_path / "one", problems=12)


def test_the_curves_are_the_points_of_the_run(folder, blob):
    summary = blob(page_of(folder), "summary")
    found = [
        [summary_curve["strategy"], summary_curve["scorer"], *point]
        for summary_curve in summary["curves"]
        for point in summary_curve["points"]
    ]
    wanted = [
        [p["strategy"], p["scorer"], p["n"], p["accuracy"], p["low"], p["high"], p["flops"],
         p["prompt_tokens"] + p["sampled_tokens"] + p["scored_tokens"] + p["judged_tokens"], p["seconds"]]
        for p in rows(folder / "points.jsonl")
    ]  # fmt: skip
    assert found == wanted
    assert summary["runs"][0]["axes"] == ["flops", "tokens", "seconds", "n"]


def test_differences_are_those_of_the_paired_comparison(folder, blob):
    summary = blob(page_of(folder), "summary")
    places = {(c["strategy"], c["scorer"]): str(i) for i, c in enumerate(summary["curves"])}
    vote, best = ("self_consistency", None), ("best_of_n", "orm")
    assert summary["baseline"] == int(places[vote])
    chances = {
        key: [r["correct"] for r in rows(folder / "results.jsonl") if (r["strategy"], r["scorer"], r["n"]) == (*key, 8)]
        for key in (vote, best)
    }
    wanted = compare(chances[best], chances[vote])
    record = summary["paired"][places[vote]][places[best]]["8"]
    assert (record["difference"], record["low"], record["high"], record["p"]) == pytest.approx(
        (wanted.difference, wanted.low, wanted.high, wanted.p)
    )
    turned = summary["paired"][places[best]][places[vote]]["8"]
    assert [turned[k] for k in ("difference", "low", "high")] == [-record[k] for k in ("difference", "high", "low")]
    assert "0" not in summary["paired"], "any sample right is no strategy"
    reach = summary["reach"][places[vote]][places[best]]
    best_vote = max(p["accuracy"] for p in rows(folder / "points.jsonl") if p["strategy"] == "self_consistency")
    assert reach["accuracy"] == pytest.approx(best_vote)
    assert reach["measure"] == "flops"


def test_each_problem_is_there_with_its_solutions_scores_and_tree(folder, blob):
    page = page_of(folder)
    detail = blob(page, "p0-3")
    samples = [row for row in rows(folder / "samples.jsonl") if row["problem"] == "problem-3"]
    assert detail["prompt"] == [["", "What is 3 + 3?"]]
    assert detail["answer"] == "6"
    drawn, beam = detail["pools"]
    of_pool = [row["correct"] for row in samples if row["strategy"] == "sample"]
    assert [s["correct"] for s in drawn["solutions"]] == of_pool
    assert [[detail["texts"][t] for t in s["steps"]] for s in beam["solutions"]] == [["step 0\n", "step 1\n"]]
    scores = [r for r in rows(folder / "scores.jsonl") if r["problem"] == "problem-3" and r["scorer"] == "orm"]
    assert drawn["scores"]["orm"]["values"] == pytest.approx([row["value"] for row in scores], rel=1e-3)
    assert list(beam["scores"]) == ["prm"]
    [tree] = detail["trees"]
    assert tree["parent"] == [-1, -1, 0, 0]
    assert tree["fate"] == ["kept", "pruned", "done", "cut"]
    [line] = [p for p in blob(page, "summary")["runs"][0]["list"] if p["id"] == "problem-3"]
    assert line["right"] == sum(s["correct"] for s in drawn["solutions"])


def test_it_asks_for_nothing_from_elsewhere(folder):
    page = page_of(folder)
    assert not re.findall(r"\w+://|//\w+\.\w", re.sub(r"\s// .*", "", page))
    assert not re.findall(r"\b(?:src|action|@import)\s*=", page)
    assert set(re.findall(r'href="([^"]*)"', page)) == {"data:,", *(f"#{name}" for name in SECTIONS)}
    assert "default-src 'none'" in page


def test_what_a_model_wrote_is_only_ever_text(tmp_path, make_run, blob):
    page = page_of(make_run(tmp_path / "<b>bold<!--DATA-->", text=HOSTILE))
    tame = page_of(make_run(tmp_path / "tame"))
    assert "<img" not in page
    assert "onerror" not in page
    assert "&lt;b&gt;bold&lt;!--DATA--&gt;" in page
    assert page.count("</script>") == tame.count("</script>")
    assert HOSTILE.format(0) in blob(page, "p0-0")["texts"]
    # And no script of ours can make elements of text.
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", page)


def test_equal_folders_give_equal_pages(tmp_path, make_run):
    one = make_run(tmp_path / "a" / "run", problems=3)
    other = tmp_path / "b" / "run"
    shutil.copytree(one, other)
    for path in (one, other):
        write_report([path], path / "report.html")
        write_report([path], path / "again.html")
    assert len({(p / name).read_bytes() for p in (one, other) for name in ("report.html", "again.html")}) == 1


@pytest.mark.parametrize("left_out", ["points", "problems", "samples", "scores", "trees", "config"])
def test_a_run_without_one_of_its_files(folder, blob, left_out):
    [path] = folder.glob(f"{left_out}.*")
    path.unlink()
    page = page_of(folder)
    summary, detail = blob(page, "summary"), blob(page, "p0-0")
    run = summary["runs"][0]
    assert run["problems"] == 12
    assert bool(detail["prompt"]) == (left_out != "problems")
    assert bool(detail["pools"]) == (left_out != "samples")
    assert bool(detail["trees"]) == (left_out != "trees")
    assert bool(run["scorers"]) == (left_out not in ("samples", "scores"))
    if left_out == "points":  # made from the results, and without seconds
        assert run["axes"] == ["flops", "tokens", "n"]


def test_accuracies_without_points_are_the_same(folder, blob):
    before = [c["points"] for c in blob(page_of(folder), "summary")["curves"]]
    (folder / "points.jsonl").unlink()
    after = [c["points"] for c in blob(page_of(folder), "summary")["curves"]]
    assert [[p[:5] for p in curve] for curve in after] == [[pytest.approx(p[:5]) for p in curve] for curve in before]


def test_costs_that_nobody_knows_are_no_axes(tmp_path, make_run, blob):
    summary = blob(page_of(make_run(tmp_path / "pool", cost=0.0)), "summary")
    assert summary["runs"][0]["axes"] == ["tokens", "n"]
    assert {r["measure"] for found in summary["reach"].values() for r in found.values()} == {"n"}


def test_a_scorers_flops_alone_are_no_cost_to_compare(tmp_path, make_run, blob):
    """As after a rerank with one scorer that counts its FLOPs and one that does not."""
    path = make_run(tmp_path / "pool", trees=False)
    for name in ("points.jsonl", "results.jsonl"):
        lines = [row if row["scorer"] == "orm" else row | {"flops": 0.0} for row in rows(path / name)]
        (path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    whole = make_run(tmp_path / "whole", trees=False, seed=1)
    summary = blob(page_of(path, whole), "summary")
    assert [run["axes"] for run in summary["runs"]] == [["tokens", "seconds", "n"], ["flops", "tokens", "seconds", "n"]]
    run_of = [curve["run"] for curve in summary["curves"]]
    measures = {
        (run_of[int(base)], run_of[int(curve)], record["measure"])
        for base, found in summary["reach"].items()
        for curve, record in found.items()
    }
    assert measures == {(0, 0, "n"), (0, 1, "n"), (1, 0, "n"), (1, 1, "flops")}


def test_runs_are_compared_on_the_same_problems_only(tmp_path, make_run, blob):
    one, same = (make_run(tmp_path / name, problems=6, seed=i) for i, name in enumerate(("one", "same")))
    more = make_run(tmp_path / "more", problems=7)
    summary = blob(page_of(one, same, more), "summary")
    assert [run["name"] for run in summary["runs"]] == ["one", "same", "more"]
    assert summary["alike"] == [[True, True, False], [True, True, False], [False, False, True]]
    run_of = [c["run"] for c in summary["curves"]]
    pairs = {(run_of[int(b)], run_of[int(c)]) for b, found in summary["paired"].items() for c in found}
    assert pairs == {(0, 0), (1, 1), (2, 2), (0, 1), (1, 0)}


def test_folders_of_one_name_are_told_apart(tmp_path, make_run):
    paths = [make_run(tmp_path / name / "run", problems=1) for name in ("first", "second")]
    assert [f.name for f in read_folders(paths)] == ["first/run", "second/run"]


def test_few_problems_are_said_to_be_few(folder, blob):
    page = page_of(folder, most=5)
    run = blob(page, "summary")["runs"][0]
    assert (run["problems"], run["listed"], len(run["list"])) == (12, 12, 5)
    assert page.count('id="p0-') == 5
    assert page_of(folder, most=0).count('id="p0-') == 0


def test_a_folder_that_is_no_run_is_named(tmp_path, folder, capsys):
    for path, complaint in (
        (tmp_path / "nowhere", "no such folder"),
        (tmp_path, "no results.jsonl with rows"),
    ):
        with pytest.raises(BadInput, match=complaint):
            read_folder(path, "x")
        assert main(["report", str(path)]) == 2
        assert capsys.readouterr().err.startswith(f"stepbeam: {path}: ")
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(BadInput, match="this run was stopped: the command that began it goes on where it stopped"):
        read_folder(tmp_path, "x")
    with pytest.raises(BadInput, match="given twice"):
        read_folders([folder, folder / ".." / "one"])
    (folder / "scores.jsonl").write_text('{"problem": "p"}\n')
    with pytest.raises(BadInput, match=r"scores\.jsonl, line 1: no 'strategy'"):
        read_folder(folder, "x")
    assert main(["report", str(folder), "--problems", "-1"]) == 2


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("points", {"n": "1"}, """'n' is "1", not a whole number from 1"""),
        ("points", {"accuracy": None}, "'accuracy' is null, not a number from 0 to 1"),
        ("points", {"flops": "many"}, """'flops' is "many", not a number from 0"""),
        ("points", {"n": 3}, r"results.jsonl has nothing on pass@n \(None\) at n = 3"),
        ("results", {"correct": True}, "'correct' is true, not a number from 0 to 1"),
        ("results", {"flops": float("nan")}, "'flops' is NaN, not a number from 0"),
        ("results", {"flops": 10**400}, "'flops' is 10+…, not a number from 0"),
        ("problems", {"answer": float("inf")}, "'answer' is Infinity, not an answer"),
        ("problems", {"prompt": [1]}, r"'prompt' is \[1\], not a text or a list of messages"),
        ("samples", {"steps": ["a", 1]}, r"""'steps' is \["a", 1\], not a list of texts"""),
        ("samples", {"tokens": 3}, "'tokens' is 3, not lists of tokens"),
        ("scores", {"value": "high"}, """'value' is "high", not a number or null"""),
        ("trees", {"depth": 0.5}, "'depth' is 0.5, not a whole number from 0"),
    ],
)
def test_a_row_of_the_wrong_kind_is_named(folder, capsys, name, change, complaint):
    path = folder / f"{name}.jsonl"
    first, *others = rows(path)
    path.write_text("".join(json.dumps(row) + "\n" for row in (others[0], first | change, *others[1:])))
    with pytest.raises(BadInput, match=rf"{name}\.jsonl, line 2: {complaint}"):
        read_folder(folder, "x")
    assert main(["report", str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", ["points", "results", "problems", "samples", "scores", "trees"])
def test_a_row_that_lacks_a_field_is_named(folder, capsys, name):
    path = folder / f"{name}.jsonl"
    first, *others = rows(path)
    for key in first:
        less = {k: v for k, v in first.items() if k != key}
        path.write_text("".join(json.dumps(row) + "\n" for row in (*others, less)))
        capsys.readouterr()
        if main(["report", str(folder)]):  # some need not be there
            complaint = capsys.readouterr().err
            assert f"{name}.jsonl, line {len(others) + 1}: no {key!r}" in complaint
    path.write_text("[1]\n")
    with pytest.raises(BadInput, match=rf"{name}\.jsonl:1: not a line that was written here"):
        read_folder(folder, "x")


def test_the_command_says_where_the_page_is(folder, tmp_path, capsys):
    assert main(["report", str(folder)]) == 0
    assert f"{folder / 'report.html'}" in capsys.readouterr().out
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    assert main(["report", str(folder), "--out", str(tmp_path / "no" / "where.html")]) == 2


def test_a_conversation_keeps_its_roles(folder, blob):
    lines = rows(folder / "problems.jsonl")
    lines[0]["prompt"] = [{"role": "system", "content": "Think."}, {"role": "user", "content": "Hard?"}]
    (folder / "problems.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = page_of(folder)
    assert blob(page, "p0-0")["prompt"] == [["system", "Think."], ["user", "Hard?"]]
    assert blob(page, "summary")["runs"][0]["list"][0]["prompt"] == "Think. Hard?"
