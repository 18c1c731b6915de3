"""Strategies and scorers inside Inspect's `eval()`, with its own stand-in of a model."""

import gc
import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="the extra stepbeam[inspect] is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Inspect's own

import anyio
from inspect_ai import Task, eval  # noqa: A004
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalLog, EvalSample
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageUser,
    ContentImage,
    ContentText,
    Model,
    ModelOutput,
    ModelUsage,
    get_model,
)
from inspect_ai.solver import Solver, SolverSpec

import policies
import search
import verifiers
from bench.harnesses import inspect as ours
from bench.pools.saved_pool import read_pools
from bench.tiny import load_task
from verifiers.interface.errors import BadArgument, BadInput

fives = verifiers.from_function(lambda problem, solution: 1.0 if "5" in solution.text else 0.25)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path / "cache"))
    yield
    gc.collect()  # streams that Inspect leaves open warn here, and not at the end of all tests


def said(text: str, stop: Any = "stop") -> ModelOutput:
    output = ModelOutput.from_content("mockllm", text, stop_reason=stop)
    output.usage = ModelUsage(input_tokens=3, output_tokens=7, total_tokens=10)
    return output


def model(reply: Callable[..., Any]) -> Model:
    return get_model("mockllm/model", memoize=False, custom_outputs=lambda turns, tools, choice, c: reply(turns, c))


def by_seed(messages: list[Any], config: Any) -> ModelOutput:
    return said(f"I add.\nThe answer is {config.seed % 7}.")


def evaluated(solver: Solver, using: Any, *samples: Sample, **options: Any) -> EvalLog:
    task = Task(
        dataset=list(samples) or [Sample(input="2+3?", target="5", id="a")], solver=solver, scorer=ours.answer()
    )
    [log] = eval(task, model=using, log_dir="logs", display="none", **options)
    assert log.status == "success", log.error
    return log


def the_sample(log: EvalLog) -> EvalSample:
    [sample] = log.samples or []
    return sample


OURS = "tests.bench.harnesses.test_inspect:fives"


def test_the_chosen_solution_is_the_output_and_the_pool_its_metadata() -> None:
    log = evaluated(ours.best_of_n(OURS, n=16), model(by_seed))
    sample = the_sample(log)
    kept = sample.metadata["stepbeam"]
    assert sample.output.completion == "I add.\nThe answer is 5." == "".join(kept["pool"][kept["chosen"]]["steps"])
    assert (kept["answer"], len(kept["pool"]), sample.messages[-1].text) == ("5", 16, sample.output.completion)
    assert (kept["spend"]["prompt_tokens"], kept["spend"]["sampled_tokens"]) == (48, 112)
    assert sum(usage.output_tokens for usage in log.stats.model_usage.values()) == 112
    assert sample.scores is not None
    assert (sample.scores["answer"].value, sample.scores["answer"].answer) == ("C", "5")


def test_the_rows_are_those_of_a_search_with_the_same_seed() -> None:
    policy = policies.Scripted(lambda problem, prefix, seed: f"I add.\nThe answer is {seed % 2**31 % 7}.")
    [plain] = search.self_consistency([verifiers.Problem("a", "2+3?")], policy, n=8, seed=3)
    sample = the_sample(evaluated(ours.self_consistency(n=8, seed=3), model(by_seed)))
    pool = ["".join(row["steps"]) for row in sample.metadata["stepbeam"]["pool"]]
    assert pool == [solution.text for solution in plain.pool]
    assert sample.metadata["stepbeam"]["answer"] == plain.answer


def test_another_epoch_draws_other_solutions() -> None:
    log = evaluated(ours.self_consistency(n=8), model(by_seed), epochs=2)
    one, two = ([row["steps"] for row in s.metadata["stepbeam"]["pool"]] for s in log.samples or [])
    assert one != two


def test_a_log_is_read_as_pools_with_their_scores() -> None:
    log = evaluated(ours.best_of_n(OURS, n=4), model(by_seed), Sample(input="2+3?", target="5", id="a"), epochs=2)
    [pool] = read_pools([log.location])
    kept = [row for sample in log.samples or [] for row in sample.metadata["stepbeam"]["pool"]]
    assert (pool.problem.id, pool.problem.prompt, pool.golds) == ("a", "2+3?", ("5",))
    values = pool.recorded["fives"].values().tolist()
    read = [([step.text for step in s.steps], v) for s, v in zip(pool.solutions, values, strict=True)]
    # A log has its samples in the order in which they ended.
    assert sorted(read) == sorted((row["steps"], row["scores"]["fives"][-1]) for row in kept)


def test_rows_that_fail_are_data_and_a_sample_without_any_other_is_unscored() -> None:
    def fails(messages: list[Any], config: Any) -> ModelOutput:
        if config.seed % 2 or "always" in messages[0].text:
            raise RuntimeError("HTTP 500")
        return said("It is 5.")

    samples = Sample(input="2+3?", target="5", id="a"), Sample(input="always", target="5", id="b")
    log = evaluated(ours.best_of_n(OURS, n=8), model(fails), *samples)
    some, none = log.samples or []
    stops = [row["stop"] for row in some.metadata["stepbeam"]["pool"]]
    assert {*stops} == {"eos", "failed"}
    assert "HTTP 500" in some.metadata["stepbeam"]["pool"][stops.index("failed")]["reason"]
    assert some.scores is not None
    assert none.scores is not None
    assert some.scores["answer"].value == "C"
    score = none.scores["answer"]
    assert math.isnan(float(score.value))  # type: ignore[arg-type]
    assert score.reason == "no_response"
    assert "HTTP 500" in (score.explanation or "")
    assert (none.output.completion, none.metadata["stepbeam"]["chosen"]) == ("", None)
    read = {pool.problem.id: [s.stop.value for s in pool.solutions] for pool in read_pools([log.location])}
    assert read == {"a": stops, "b": ["failed"] * 8}  # a log has its samples in the order in which they ended


def test_solutions_that_were_cut_are_wrong() -> None:
    log = evaluated(ours.self_consistency(n=2), model(lambda messages, config: said("It is 5", "max_tokens")))
    score = (the_sample(log).scores or {})["answer"]
    assert (score.value, the_sample(log).output.stop_reason) == ("I", "max_tokens")
    assert "none of 2 solutions is finished" in (score.explanation or "")


def test_a_limit_of_a_sample_ends_that_sample_alone() -> None:
    def long(messages: list[Any], config: Any) -> ModelOutput:
        output = said("It is 5.")
        if "long" in messages[0].text:
            output.usage = ModelUsage(input_tokens=3, output_tokens=900, total_tokens=903)
        return output

    samples = [Sample(input=text, target="5", id=text) for text in ("long", "a", "b")]
    log = evaluated(ours.self_consistency(n=4), model(long), *samples, token_limit=1000)
    limits = {str(s.id): s.limit and s.limit.type for s in log.samples or []}
    assert limits == {"long": "token", "a": None, "b": None}


def test_a_sample_that_takes_too_long_ends_without_the_others() -> None:
    async def slow(messages: list[Any], config: Any) -> ModelOutput:
        if "slow" in messages[0].text:
            await anyio.sleep(60)
        return said("It is 5.")

    samples = [Sample(input=text, target="5", id=text) for text in ("slow", "a", "b")]
    log = evaluated(ours.self_consistency(n=4), model(slow), *samples, time_limit=1)
    limits = {str(s.id): s.limit and s.limit.type for s in log.samples or []}
    assert limits == {"slow": "time", "a": None, "b": None}
    values = {str(s.id): (s.scores or {})["answer"].value for s in log.samples or []}
    assert (values["a"], values["b"]) == ("C", "C")


def test_calls_go_through_inspects_cache() -> None:
    calls: list[int] = []
    lock = threading.Lock()

    def counted(messages: list[Any], config: Any) -> ModelOutput:
        with lock:
            calls.append(config.seed)
        return by_seed(messages, config)

    pools = []
    for _ in range(2):
        sample = the_sample(evaluated(ours.self_consistency(n=4, cache=True), model(counted)))
        pools.append([row["steps"] for row in sample.metadata["stepbeam"]["pool"]])
    assert pools[0] == pools[1]
    assert len(calls) == 4


def test_beam_search_goes_on_from_prefixes_where_the_model_is_known_to() -> None:
    def goes_on(messages: list[Any], config: Any) -> ModelOutput:
        begun = messages[-1].text if isinstance(messages[-1], ChatMessageAssistant) else ""
        return said(f"try {config.seed % 7}\nkeep\nThe answer is {config.seed % 7}."[len(begun) :])

    beam = partial_beam(continues=True)
    sample = the_sample(evaluated(beam, model(goes_on)))
    assert sample.metadata["stepbeam"]["answer"] == "5"
    assert all(len(row["scores"]["fives"]) == len(row["steps"]) == 3 for row in sample.metadata["stepbeam"]["pool"])
    log = eval(
        Task(dataset=[Sample(input="2+3?", target="5")], solver=partial_beam(continues=False), scorer=ours.answer()),
        model=model(goes_on),
        log_dir="logs",
        display="none",
    )[0]
    assert log.error is not None
    assert "not known to go on from a prefix: give continues=true" in log.error.message


def partial_beam(*, continues: bool) -> Solver:
    return ours.beam_search(f"fives={OURS[: -len('fives')]}steps", width=2, expand=8, max_steps=4, continues=continues)


steps = verifiers.from_steps(lambda problem, solution: [float("5" in step.text) for step in solution.steps])


def test_a_policy_of_ours_is_asked_by_its_spec() -> None:
    task = load_task("chain", count=3)
    samples = [Sample(input=str(p.prompt), target=str(p.answer), id=p.id) for p in task.problems]
    solver = ours.best_of_n("tiny:orm", n=4, policy="tiny:policy", max_tokens=task.sampling.max_tokens)
    log = evaluated(solver, "mockllm/model", *samples)
    policy, orm = policies.load("tiny:policy"), verifiers.load("tiny:orm")
    plain = search.best_of_n(task.problems, policy, orm, n=4, sampling=task.sampling)
    chosen = [s.output.completion for s in sorted(log.samples or [], key=lambda s: str(s.id))]
    assert chosen == [r.solution and r.solution.text for r in sorted(plain, key=lambda r: r.problem.id)]


def test_a_scorer_judges_what_inspects_own_solvers_said() -> None:
    task = Task(dataset=[Sample(input="2+3?", target="5")], scorer=ours.verifier(OURS))
    [log] = eval(task, model=model(by_seed_five), log_dir="logs", display="none")
    assert (the_sample(log).scores or {})["verifier"].value == 1.0


def by_seed_five(messages: list[Any], config: Any) -> ModelOutput:
    return said("It is 5.")


def test_names_are_those_of_the_package() -> None:
    task = Task(dataset=[Sample(input="2+3?", target="5", id="a")], scorer=ours.answer())
    given = {"scorer": OURS, "n": 16}
    spec = SolverSpec("stepbeam/best_of_n", args=given, args_passed=given)
    [log] = eval(task, solver=spec, model=model(by_seed), log_dir="logs", display="none")
    assert (log.eval.solver, log.eval.solver_args) == ("stepbeam/best_of_n", given)
    assert the_sample(log).metadata["stepbeam"]["answer"] == "5"


def test_what_cannot_be_is_refused_by_name() -> None:
    for make, match in (
        (lambda: ours.search("best_of_m", OURS), "unknown method"),
        (lambda: ours.best_of_n(OURS, m=3), "m 3: use policy, answers"),
        (lambda: ours.self_consistency(answers="sums"), "answers sums: use math"),
    ):
        with pytest.raises(BadArgument, match=match):
            make()
    picture: Any = ContentImage(image="data:image/png;base64,")
    asked = ChatMessageUser(content=[ContentText(text="2+3?"), picture])
    task = Task(dataset=[Sample(input=[asked])], solver=ours.self_consistency(n=1, policy="tiny:policy"))
    [log] = eval(task, model="mockllm/model", log_dir="logs", display="none")
    assert log.error is not None
    assert "its messages hold image" in log.error.message


def test_inspects_model_is_no_policy_outside_of_a_sample() -> None:
    from bench.harnesses.inspect_model import InspectModel

    with pytest.raises(BadInput, match="within a sample of Inspect's alone"):
        search.sample([verifiers.Problem("p", "?")], InspectModel(), n=1)


@pytest.mark.parametrize("fails", ["silent", "half", "error"])
def test_where_nothing_is_chosen_only_a_pool_that_was_cut_is_wrong(fails: str) -> None:
    def reply(messages: list[Any], config: Any) -> ModelOutput:
        output = said("It is 5.", {"silent": "stop", "half": "max_tokens", "error": "unknown"}[fails])
        output.error = "HTTP 500" if fails == "error" or (fails == "half" and config.seed % 2) else None
        return output

    scorer = f"silent={OURS[: -len('fives')]}silent"
    sample = the_sample(evaluated(ours.best_of_n(scorer, n=8), model(reply)))
    score = (sample.scores or {})["answer"]
    assert math.isnan(float(score.value))  # type: ignore[arg-type]
    assert sample.output.stop_reason == "unknown"
    assert ("none of 8 solutions" if fails == "silent" else "HTTP 500") in (score.explanation or "")


silent = verifiers.from_function(lambda problem, solution: math.nan)


@pytest.mark.parametrize(
    ("stop", "values"), [("content_filter", None), ("max_tokens", ("I", None)), ("stop", ("C", 1))]
)
def test_an_output_of_another_solver_is_judged_by_its_stop(stop: str, values: tuple[Any, Any] | None) -> None:
    scorers = [ours.answer(), ours.verifier(OURS)]
    task = Task(dataset=[Sample(input="2+3?", target="so 2+3=5\n#### 5")], scorer=scorers)
    [log] = eval(task, model=model(lambda turns, c: said("It is 5.", stop)), log_dir="logs", display="none")
    found = {name: score.value for name, score in (the_sample(log).scores or {}).items()}
    expected = dict(zip(("answer", "verifier"), values or (None, None), strict=True))
    assert {n: None if v != v else v for n, v in found.items()} == expected


def test_the_chosen_solution_is_judged_by_its_own_steps() -> None:
    scorer = ours.verifier(f"count={OURS[: -len('fives')]}count")
    task = Task(dataset=[Sample(input="2+3?")], solver=ours.self_consistency(n=1, separator=". "), scorer=scorer)
    [log] = eval(task, model=model(lambda turns, c: said("I add. It is 5")), log_dir="logs", display="none")
    assert (the_sample(log).scores or {})["verifier"].value == 2


count = verifiers.from_function(lambda problem, solution: float(len(solution.steps)))
