"""Collected values: the right counts at the right prefixes, and the same rows however often it was killed."""

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from datasets import load_from_disk

import policies
from bench.tiny import load_task, weights_folder
from bench.training.rows import read_step_labels
from policies import Sampling
from prms.best_of_k import best_of_k_value
from prms.rollout_value import RolloutValue
from prms.value_rows import labelled
from prms.values import collect_values
from tests.stand_ins import opens_out_of_order
from verifiers import Message, Problem, Solution, Step, Stop, failed, from_function, outcome_scores
from verifiers.interface.errors import BadInput
from verifiers.interface.files import held
from verifiers.interface.lines import sealed_line

RIGHT = from_function(lambda problem, solution: float(solution.text.endswith(f"={problem.answer}")))
PROBLEMS = [Problem(f"p{i}", f"question {i}", "4") for i in range(6)]


def walk(problem, prefix, seed):
    """Three steps: a choice of x or y, another of u or v, and an end that is right after x and u only by luck."""
    rest = [] if prefix.steps else ["x\n" if seed % 2 else "y\n"]
    if len(prefix.steps) < 2:
        rest.append("u\n" if (seed // 2) % 2 else "v\n")
    text = prefix.text + "".join(rest)
    lucky = (seed // 4) % 4
    right = lucky < 3 if text.startswith("x\nu\n") else lucky < 1 if text.startswith("x\n") else False
    return "".join(rest) + ("=4" if right else "=5")


SMALLEST = {"coverage": 1, "rollouts": 1}


def ends_right(problem, solution):
    return float(solution.text.endswith(f"={problem.answer}"))


def collect(tmp_path, name="out", policy=None, **options):
    settings = {"coverage": 3, "rollouts": 4, **options}
    return collect_values(
        policy or policies.Scripted(walk), settings.pop("problems", PROBLEMS), settings.pop("verifier", RIGHT),
        out=tmp_path / name, **settings,
    )  # fmt: skip


def rows_of(dataset):
    return dataset.to_list()


def summary(tmp_path, name="out"):
    return json.loads((tmp_path / name / "summary.json").read_text())


def test_every_prefix_of_every_solution_has_the_value_that_rollouts_give_it(tmp_path):
    rows = rows_of(collect(tmp_path, seed=7))
    value = RolloutValue(RIGHT, policies.Scripted(walk), 4, seed=7)
    problems = {p.id: p for p in PROBLEMS}
    assert [row["problem"] for row in rows] == sorted(row["problem"] for row in rows)
    for row in rows:
        problem, stop = problems[row["problem"]], Stop(row["stop"])
        if row["step"] == 0:
            expected = value.root_values([problem]).values()[0]
        else:
            expected = value.score([problem], [Solution(tuple(map(Step, row["prefix"])), stop)]).values()[0]
        assert row["value"] == pytest.approx(expected)
        assert row["successes"] == row["value"] * row["rollouts"]
        assert row["rollouts"] == 4
        assert len(row["prefix"]) == row["step"]
        assert (row["prompt"], row["answer"]) == (problem.prompt, "4")
    per_problem = [[row["step"] for row in rows if row["problem"] == p.id] for p in PROBLEMS]
    assert per_problem == [[0, 1, 2, 3, 1, 2, 3, 1, 2, 3]] * 6
    ends = [row for row in rows if row["step"] == 3]
    assert all(row["value"] == row["outcome"] == float(row["prefix"][-1] == "=4") for row in ends)
    assert {row["stop"] for row in ends} == {"eos"}
    assert {row["stop"] for row in rows if row["step"] < 3} == {"open"}
    assert len({row["value"] for row in rows}) > 3


def test_equal_prefixes_share_their_rollouts(tmp_path):
    policy = policies.Scripted(walk)
    rows = rows_of(collect(tmp_path, policy=policy, coverage=8))
    seeds, rollouts = policy.calls
    assert len(seeds) == 8 * 6
    distinct = {(row["problem"], "".join(row["prefix"])) for row in rows if row["step"] < 3}
    assert len(rollouts) == 4 * len(distinct) < 4 * sum(row["step"] < 3 for row in rows)
    assert summary(tmp_path)["prefixes"] == len(distinct)
    assert summary(tmp_path)["rollouts"] == len(rollouts)


def test_the_size_of_a_chunk_changes_no_row(tmp_path):
    whole = rows_of(collect(tmp_path, "whole"))
    for chunk in (1, 2, 5):
        assert rows_of(collect(tmp_path, f"by {chunk}", chunk=chunk)) == whole


@pytest.mark.parametrize("seed", range(3))
def test_replicas_give_the_same_rows_in_whatever_order_they_are_done(tmp_path, monkeypatch, seed):
    monkeypatch.setattr("policies.replicas.ray_workers.open_replicas", opens_out_of_order(seed))
    given = {"policy": policies.Scripted(walk), "verifier": from_function(ends_right), "chunk": 1}
    one = collect(tmp_path, "one", **given)
    many = collect(tmp_path, "many", replicas=policies.Replicas(3), **given)
    assert rows_of(many) == rows_of(one)
    lines = [(tmp_path / name / "journal.jsonl").read_text().splitlines() for name in ("one", "many")]
    assert [json.loads(line).get("rows") for line in lines[0]] == [json.loads(line).get("rows") for line in lines[1]]


def test_a_policy_may_be_a_spec(tmp_path):
    task = load_task("chain", count=1)
    given = {"problems": task.problems, "verifier": task.verifier, "sampling": task.sampling} | SMALLEST
    loaded = collect(tmp_path, "loaded", policies.load("tiny:policy"), **given)
    assert rows_of(collect(tmp_path, "named", "tiny:policy", **given)) == rows_of(loaded)
    with pytest.raises(ValueError, match="unknown policy 'nothing:at all'"):
        collect(tmp_path, "none", "nothing:at all", **given)


def test_the_first_pit_ends_a_wrong_solution_and_nothing_is_rolled_out_beyond_it(tmp_path):
    full = rows_of(collect(tmp_path, "full", coverage=6))
    policy = policies.Scripted(walk)
    kept = rows_of(collect(tmp_path, "pit", policy=policy, coverage=6, first_pit=True))
    expected = []
    for (_problem, number), group in grouped(full).items():
        pit = next((i for i, row in enumerate(group) if row["value"] == 0), len(group))
        is_wrong = number is not None and group[-1]["outcome"] == 0
        expected += group[: pit + 1] if is_wrong else group
    assert kept == expected
    assert len(kept) < len(full)
    # A prefix is rolled out only if some row of it is kept.
    asked = {(p.id, x.text) for call in policy.calls[1:] for p, x in zip(call.problems, call.prefixes, strict=True)}
    assert asked == {(row["problem"], "".join(row["prefix"])) for row in kept if row["stop"] == "open"}
    assert len(policy.calls) > 2, "depth by depth"


def test_a_right_solution_keeps_all_its_steps(tmp_path):
    kept = grouped(rows_of(collect(tmp_path, coverage=24, rollouts=2, first_pit=True)))
    right = [group for (_, number), group in kept.items() if number is not None and group[-1]["outcome"] == 1]
    assert any(row["value"] == 0 for group in right for row in group), "luck after a step of value 0"
    assert {len(group) for group in right} == {3}


def grouped(rows):
    groups = {}
    for row in rows:
        groups.setdefault((row["problem"], row["solution"]), []).append(row)
    return groups


def test_first_pits_do_not_depend_on_the_chunk_either(tmp_path):
    whole = rows_of(collect(tmp_path, "whole", first_pit=True, coverage=5))
    assert rows_of(collect(tmp_path, "split", first_pit=True, coverage=5, chunk=1)) == whole
    assert rows_of(collect(tmp_path, "numpy", first_pit=np.True_, coverage=5)) == whole


def test_interrupted_and_gone_on_with_it_ends_with_the_same_rows(tmp_path):
    whole = rows_of(collect(tmp_path, "whole", chunk=1))

    class Tired:
        """Stops a call after some rows, as a person at the keyboard does."""

        def __init__(self, calls):
            self.left, self.inner = calls, policies.Scripted(walk)

        def extend(self, *args, **options):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            return self.inner.extend(*args, **options)

    for calls in (1, 4, 5):
        with pytest.raises(KeyboardInterrupt):
            collect(tmp_path, "stopped", policy=Tired(calls), chunk=1)
    rest = policies.Scripted(walk)
    assert rows_of(collect(tmp_path, "stopped", policy=rest, chunk=1)) == whole
    # A chunk takes two calls: the interrupted runs made 0, 2 and 2 chunks of 6.
    assert len(rest.calls) == 2 * 2
    stopped, uninterrupted = (summary(tmp_path, name) for name in ("stopped", "whole"))
    assert stopped.pop("seconds") > 0 < uninterrupted.pop("seconds")
    assert stopped == uninterrupted


def test_a_journal_torn_at_any_byte_is_repaired(tmp_path):
    whole = rows_of(collect(tmp_path, problems=PROBLEMS[:2], chunk=1))
    content = (tmp_path / "out" / "journal.jsonl").read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    for n, size in enumerate([1, ends[0] - 1, ends[0], ends[0] + 1, ends[1] - 1, ends[1], ends[1] + 9, ends[2] - 1]):
        torn = tmp_path / f"torn{n}"
        torn.mkdir()
        (torn / "journal.jsonl").write_bytes(content[:size])
        assert rows_of(collect(tmp_path, torn.name, problems=PROBLEMS[:2], chunk=1)) == whole
        lines = [json.loads(line) for line in (torn / "journal.jsonl").read_bytes().splitlines()]
        assert [line.get("rows") for line in lines[1:]] == [json.loads(x)["rows"] for x in content.splitlines()[1:]]


SLOW_RUN = """
    import sys, time
    sys.path.insert(0, {tests!r})
    import policies
    from test_values import PROBLEMS, RIGHT, walk
    from prms.values import collect_values
    def slow(problem, prefix, seed):
        time.sleep(0.005)
        return walk(problem, prefix, seed)
    collect_values(policies.Scripted(slow), PROBLEMS, RIGHT, coverage=3, rollouts=4, out={out!r}, chunk=1)
"""


@pytest.mark.slow
def test_killed_by_the_system_it_ends_with_the_same_rows(tmp_path):
    whole = rows_of(collect(tmp_path, "whole", chunk=1))
    out = tmp_path / "killed"
    code = textwrap.dedent(SLOW_RUN.format(tests=str(Path(__file__).parent), out=str(out)))
    journal = out / "journal.jsonl"
    for lines in (2, 4):  # the config and one chunk, then more
        process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
        deadline = time.monotonic() + 60
        while not (journal.exists() and journal.read_bytes().count(b"\n") >= lines):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not (out / "dataset").exists()
    assert rows_of(collect(tmp_path, "killed", chunk=1)) == whole


def test_a_finished_collection_is_handed_out_again_without_the_policy(tmp_path):
    first = rows_of(collect(tmp_path))
    policy = policies.Scripted(walk)
    assert rows_of(collect(tmp_path, policy=policy)) == first
    assert not policy.calls
    assert rows_of(load_from_disk(tmp_path / "out" / "dataset")) == first


def test_nothing_is_printed_unless_progress_is_asked_for(tmp_path, capfd):
    collect(tmp_path, "quiet")
    assert capfd.readouterr() == ("", "")
    collect(tmp_path, "loud", progress=True)
    assert "values: 100%" in capfd.readouterr().err


def test_failures_are_counted_and_stay_in_the_denominator(tmp_path):
    def shaky(problem, prefix, seed):
        if seed % 5 == 0:
            return failed("HTTP 500", prefix.steps)
        return walk(problem, prefix, seed)

    rows = rows_of(collect(tmp_path, policy=policies.Scripted(shaky), coverage=10, rollouts=10))
    done = summary(tmp_path)
    assert done["solutions"] == 60
    solutions = {(row["problem"], row["solution"]) for row in rows if row["step"]}
    assert done["failed"] == 60 - len(solutions) > 0
    assert done["failed_rollouts"] > 0
    assert done["first_reason"] == "HTTP 500"
    inner = [row for row in rows if row["stop"] == "open"]
    assert {row["rollouts"] for row in inner} == {10}
    assert any(row["failed"] for row in inner)
    assert all(row["value"] == row["successes"] / 10 for row in inner)


def test_where_every_rollout_failed_there_is_no_value(tmp_path):
    def dead_end(problem, prefix, seed):
        return failed("HTTP 500", prefix.steps) if prefix.steps else walk(problem, prefix, seed)

    rows = rows_of(collect(tmp_path, policy=policies.Scripted(dead_end)))
    inner = [row for row in rows if row["stop"] == "open" and row["step"]]
    assert {row["value"] for row in inner} == {None}
    assert "none of 4 rollouts has a known outcome; first reason: HTTP 500" in {row["reason"] for row in inner}
    assert all(math.isnan(label) for row in labelled(rows) for label in row.labels[:-1])
    assert {row.labels[-1] for row in labelled(rows)} <= {0.0, 1.0}


def test_unknown_grades_are_left_out(tmp_path):
    class Unsure:
        def score(self, problems, solutions):
            values = [float("nan") if s.text.startswith("y") else float(s.text.endswith("=4")) for s in solutions]
            return outcome_scores(solutions, values, reasons=["too slow" if v != v else None for v in values])

    rows = rows_of(collect(tmp_path, verifier=Unsure(), coverage=4, rollouts=8))
    roots = [row for row in rows if row["step"] == 0]
    assert all(row["rollouts"] + row["unknown"] == 8 for row in roots)
    assert any(row["unknown"] for row in roots)
    lost = [row for row in rows if row["prefix"][:1] == ["y\n"]]
    assert lost
    assert {(row["value"], row["rollouts"], row["unknown"]) for row in lost} == {(None, 0, 8)}
    assert summary(tmp_path)["unknown"] > 0


def test_a_solution_that_is_cut_is_wrong_and_its_end_needs_no_rollouts(tmp_path):
    policy = policies.Scripted(lambda problem, prefix, seed: "so\nand so on and on"[len(prefix.text) :])
    rows = rows_of(collect(tmp_path, policy=policy, coverage=1, sampling=Sampling(max_tokens=8)))
    cut = [row for row in rows if row["step"] == 2]
    assert {(row["stop"], row["value"], row["outcome"]) for row in cut} == {("length", 0.0, 0.0)}
    assert {prefix.text for call in policy.calls for prefix in call.prefixes} == {"", "so\n"}
    assert summary(tmp_path)["cut_by_length"] == 6


def test_best_of_k_values_can_be_had_from_the_counts(tmp_path):
    dataset = collect(tmp_path, rollouts=8)
    values = best_of_k_value(dataset["successes"][:], dataset["rollouts"][:], 4)
    q = np.array(dataset["value"][:])
    assert values.shape == q.shape
    assert (values[(q > 0) & (q < 1)] > q[(q > 0) & (q < 1)]).all()
    assert (values[q == 0] == 0).all()
    assert (values[q == 1] == 1).all()


def test_rows_become_labelled_solutions_with_soft_labels_and_roots(tmp_path):
    dataset = collect(tmp_path)
    rows = labelled(dataset)
    assert len(rows) == 18
    by_problem = {row["problem"]: row["value"] for row in dataset if row["step"] == 0}
    groups = [group for (_, number), group in grouped(rows_of(dataset)).items() if number is not None]
    for row, group in zip(rows, groups, strict=True):
        assert row.root == by_problem[row.problem.id]
        assert row.labels == tuple(r["value"] for r in group)
        assert [s.text for s in row.solution.steps] == group[-1]["prefix"]
        assert row.solution.finished
        assert row.outcome == group[-1]["outcome"]
        assert row.problem in PROBLEMS
    assert any(0 < label < 1 for row in rows for label in row.labels)


def test_a_solution_kept_up_to_its_pit_is_open(tmp_path):
    rows = labelled(collect(tmp_path, coverage=6, first_pit=True))
    short = [row for row in rows if len(row.solution.steps) < 3]
    assert short
    assert {row.solution.stop for row in short} == {Stop.OPEN}
    assert {row.labels[-1] for row in short} == {0.0}


def test_rows_that_lack_a_step_are_refused(tmp_path):
    rows = rows_of(collect(tmp_path))
    with pytest.raises(ValueError, match=r"problem 'p0', solution 0: the rows have steps \[1, 3\]"):
        labelled([row for row in rows if row["step"] != 2])


def test_a_conversation_comes_back_as_one(tmp_path):
    talk = Problem("talk", (Message("system", "Add."), Message("user", "2+2?")), "4")
    [row, *_] = labelled(collect(tmp_path, problems=[talk, *PROBLEMS[:1]], coverage=1))
    assert row.problem == talk


def test_what_it_cost_is_summed(tmp_path):
    policy = policies.Scripted(walk)
    collect(tmp_path, policy=policy, chunk=2)
    spend = summary(tmp_path)["spend"]
    calls = sum(len(call) for call in policy.calls)
    assert spend["policy_calls"] == calls == spend["scorer_calls"]
    assert spend["sampled_tokens"] > calls


def test_another_plan_for_the_same_folder_is_refused_by_name(tmp_path):
    collect(tmp_path)
    for change, said in (
        ({"rollouts": 5}, "rollouts = 4, and 5 was asked for"),
        ({"seed": 1}, "seed = 0, and 1"),
        ({"sampling": Sampling(temperature=0.5)}, r"temperature = 1\.0, and 0\.5"),
        ({"problems": PROBLEMS[:5]}, "content = "),
        ({"first_pit": True}, "first_pit = False, and True"),
    ):
        with pytest.raises(ValueError, match=said):
            collect(tmp_path, **change)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"holds other files and no journal\.jsonl"):
        collect(tmp_path)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(("wrong", "said"), [({"replicas": 2}, "replicas"), ({"policy": "transformers:gone"}, "gone")])
def test_what_is_refused_before_anything_is_done_leaves_nothing(tmp_path, wrong, said):
    with pytest.raises(ValueError, match=said):
        collect(tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_is_kept_out(tmp_path):
    collect(tmp_path)
    with held(tmp_path / "out"), pytest.raises(BlockingIOError, match="another process is writing there"):
        collect(tmp_path)


def test_a_journal_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    journal = tmp_path / "out" / "journal.jsonl"
    for content, said in (
        (sealed_line('{"unit": "pool/0"}\n'), r"journal\.jsonl: not the journal of collected values"),
        ('{"unit": "pool/0"}\n', r"journal\.jsonl:1: not a line that was written here"),
        ("dear diary", r"journal\.jsonl:1: not a line that was written here"),
        ("dear diary\n", r"journal\.jsonl:1: not a line that was written here"),
    ):
        journal.write_text(content)
        with pytest.raises(ValueError, match=said):
            collect(tmp_path)
        assert journal.read_text() == content


def test_a_damaged_journal_is_named_and_kept(tmp_path):
    collect(tmp_path)
    journal = tmp_path / "out" / "journal.jsonl"
    damaged = journal.read_text().replace("rows", 'ro"ws', 1)
    journal.write_text(damaged)
    with pytest.raises(ValueError, match=r"journal\.jsonl:2: not a line that was written here"):
        collect(tmp_path)
    assert journal.read_text() == damaged


def test_a_count_that_is_another_is_found_in_the_journal(tmp_path):
    collect(tmp_path)
    journal = tmp_path / "out" / "journal.jsonl"
    whole = journal.read_text()
    place = whole.index('"successes": ') + len('"successes": ')
    journal.write_text(f"{whole[:place]}{(int(whole[place]) + 1) % 10}{whole[place + 1 :]}")
    with pytest.raises(ValueError, match=r"journal\.jsonl:2: not a line that was written here"):
        collect(tmp_path)


@pytest.mark.parametrize("order", ["013", "023", "0213", "01123", "0112", "01233"])
def test_lines_of_a_journal_that_do_not_follow_one_another_are_refused(tmp_path, order):
    collect(tmp_path, chunk=2)
    journal = tmp_path / "out" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    damaged = "".join(lines[int(place)] for place in order)
    journal.write_text(damaged)
    with pytest.raises(
        BadInput, match=r"journal\.jsonl:\d: not of the problems that were due: lines were lost, doubled"
    ):
        collect(tmp_path, chunk=2)
    assert journal.read_text() == damaged


def test_a_damaged_data_set_is_refused_by_who_reads_it_and_made_again_from_the_journal(tmp_path):
    whole, out = rows_of(collect(tmp_path)), tmp_path / "out"
    labels = read_step_labels(out)
    [arrow] = (out / "dataset").glob("*.arrow")
    content = arrow.read_bytes()
    place = content.index(PROBLEMS[0].prompt.encode())
    arrow.write_bytes(content[:place] + b"?" + content[place + 1 :])
    with pytest.raises(BadInput, match=r"\.arrow: not as it was written; the command that wrote this folder"):
        read_step_labels(out)
    assert rows_of(collect(tmp_path)) == whole
    assert read_step_labels(out) == labels


def test_no_problems_are_refused(tmp_path):
    with pytest.raises(ValueError, match="given no problems"):
        collect(tmp_path, problems=[])
    assert labelled([]) == []


@pytest.mark.parametrize("option", ["coverage", "rollouts", "chunk"])
def test_counts_below_one_are_refused(tmp_path, option):
    with pytest.raises(ValueError, match=rf"collect_values\({option}=0\)"):
        collect(tmp_path, **{option: 0})


def test_ids_must_be_unique_and_outcomes_counts(tmp_path):
    with pytest.raises(ValueError, match="'p0' occurs twice"):
        collect(tmp_path, "twice", problems=PROBLEMS[:1] * 2)
    graded = from_function(lambda problem, solution: 0.3)
    with pytest.raises(ValueError, match=r"'p0': from_function\(.*<lambda>\) gave an outcome other than 0 and 1"):
        collect(tmp_path, "graded", verifier=graded)


@pytest.mark.slow
def test_with_a_real_policy_values_predict_outcomes(tmp_path):
    task = load_task("chain", count=12, seed=3)
    policy = policies.load(f"transformers:{weights_folder('policy')}", dtype="float32")
    dataset = collect_values(
        policy, task.problems, task.verifier, coverage=2, rollouts=4, out=tmp_path / "real", sampling=task.sampling
    )
    rows = [row for row in dataset if row["step"] > 0 and row["stop"] == "open"]
    values = np.array([row["value"] for row in rows])
    outcomes = np.array([row["outcome"] for row in rows])
    # The outcome is of another sample than the rollouts, so only a true value can tell it.
    assert values[outcomes == 1].mean() > values[outcomes == 0].mean() + 0.2
    done = summary(tmp_path, "real")
    assert done["spend"]["sampled_tokens"] > 0
    assert done["spend"]["policy_flops"] > 0
