"""lm-evaluation-harness with a model whose texts are chosen by a search, on a task of one's own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="the extra stepbeam[lm-eval] is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the harness's own

from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model
from lm_eval.tasks import TaskManager

import policies
import search
import verifiers
from bench.harnesses.lm_eval import SearchedLM
from bench.tiny import load_task
from verifiers import Message
from verifiers.interface.errors import BadArgument

HERE = "tests.bench.harnesses.test_lm_eval"
asked: list[Any] = []


@policies.Scripted
def said(problem: verifiers.Problem, prefix: verifiers.Solution, seed: int) -> str:
    asked.append((problem.id, problem.prompt, seed))
    return f"It is {seed % 5}.\nQuestion: and 1+1?"


threes = verifiers.from_function(lambda problem, solution: float("3" in solution.text))


def request(context: str, idx: int = 0, doc: int = 0, **asks: Any) -> Instance:
    return Instance("generate_until", {}, (context, asks), idx, metadata=("sums", doc, 1))


def searched(**more: Any) -> SearchedLM:
    return SearchedLM(policy=f"{HERE}:said", scorer=f"{HERE}:threes", **more)


def test_each_request_is_answered_by_what_the_search_chooses() -> None:
    lm = searched(n=32)
    requests = [request("2+1?", doc=i, until=["Question:"], max_gen_toks=64) for i in range(3)]
    assert lm.generate_until(requests, disable_tqdm=True) == ["It is 3.\n"] * 3


def test_a_request_that_comes_again_draws_other_samples() -> None:
    asked.clear()
    same = request("2+1?", until=["Question:"])
    searched(n=2).generate_until([same, same], disable_tqdm=True)
    assert len({seed for _, _, seed in asked}) == 4


def test_a_conversation_reaches_the_policy_as_one() -> None:
    lm = searched(n=1)
    asked.clear()
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+1?"}]
    lm.generate_until([request(lm.apply_chat_template(turns)), request("2+1?", doc=1)], disable_tqdm=True)
    assert [prompt for _, prompt, _ in asked] == [(Message("system", "Be brief."), Message("user", "2+1?")), "2+1?"]


def test_a_request_without_a_solution_is_answered_with_nothing_and_told(caplog: pytest.LogCaptureFixture) -> None:
    lm = searched(n=2)
    assert lm.generate_until([request("2+1?", max_gen_toks=2)], disable_tqdm=True) == [""]
    assert "1 of 1 requests have no solution (sums-0-0: none of 2 solutions is finished" in caplog.text


def test_likelihoods_are_refused_by_name() -> None:
    for name in ("loglikelihood", "loglikelihood_rolling"):
        with pytest.raises(NotImplementedError, match=f"sums asks for {name}, which a search"):
            getattr(searched(), name)([request("2+1?")])


def test_what_is_no_option_of_ours_is_one_of_the_policys() -> None:
    lm = get_model("stepbeam").create_from_arg_string(
        "policy=tiny:policy,strategy=self_consistency,n=4,dtype=float32", {"batch_size": "auto", "device": "cuda:0"}
    )
    assert (lm.spec, lm.how.n, lm.batch_size) == ("tiny:policy,dtype=float32", 4, 64)
    with pytest.raises(BadArgument, match="best_of_m"):
        searched(strategy="best_of_m")
    with pytest.raises(BadArgument, match="answers sums"):
        searched(answers="sums")
    with pytest.raises(BadArgument, match="colour=red"):
        SearchedLM(policy="tiny:policy", strategy="self_consistency", colour="red")


@pytest.mark.parametrize(("given", "size"), [({}, 64), ({"batch_size": 1}, 64), ({"batch_size": "8"}, 8)])
def test_as_many_requests_side_by_side_as_the_harness_says(given: dict[str, Any], size: int) -> None:
    lm = get_model("stepbeam").create_from_arg_string("policy=tiny:policy,strategy=self_consistency,n=4", given)
    assert lm.batch_size == size
    with pytest.raises(BadArgument, match="batch_size no"):
        searched(batch_size="no")


def task(folder: Path) -> TaskManager:
    """The embedded task as one of the harness's, in files."""
    problems = load_task("chain", count=6).problems
    rows = [{"question": problem.prompt, "answer": problem.answer} for problem in problems]
    (folder / "chain.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "chain.yaml").write_text(
        f"""
task: chain
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/chain.jsonl}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["<end>"], max_gen_toks: 64}}
metric_list: [{{metric: exact_match}}]
filter_list:
  - {{name: answer, filter: [{{function: regex, regex_pattern: "=(\\\\d)$"}}, {{function: take_first}}]}}
"""
    )
    return TaskManager(include_path=str(folder), include_defaults=False)


def test_a_task_of_the_harness_is_graded_as_the_same_search_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    given = "policy=tiny:policy,scorer=tiny:orm,strategy=best_of_n,n=4"
    results = simple_evaluate(
        model="stepbeam", model_args=given, tasks=["chain"], task_manager=task(tmp_path), bootstrap_iters=0
    )
    texts = [sample["resps"][0][0] for sample in results["samples"]["chain"]]
    tiny = load_task("chain", count=6)
    problems = [verifiers.Problem(f"chain-{i}-0", p.prompt, p.answer) for i, p in enumerate(tiny.problems)]
    policy, orm = policies.load("tiny:policy"), verifiers.load("tiny:orm")
    plain = search.best_of_n(problems, policy, orm, n=4, sampling=policies.Sampling(max_tokens=64))
    assert texts == [result.solution and result.solution.text for result in plain]
    right = [result.answer == result.problem.answer for result in plain]
    assert results["results"]["chain"]["exact_match,answer"] == pytest.approx(sum(right) / len(right))


@pytest.mark.slow
def test_the_module_is_the_harness_with_our_model(tmp_path: Path) -> None:
    task(tmp_path)
    command = (
        "-m bench.harnesses.lm_eval --model stepbeam --model_args policy=tiny:policy,strategy=self_consistency,n=2"
    )
    command += f" --tasks chain --include_path {tmp_path} --limit 2"
    made = subprocess.run([sys.executable, *command.split()], capture_output=True, text=True, check=False)
    assert "stepbeam" in made.stdout, made.stderr[-2000:]
    assert "exact_match" in made.stdout
