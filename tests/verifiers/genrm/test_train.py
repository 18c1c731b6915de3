"""Training a generative verifier: the loss, the ids of scoring, and what is left out."""

import json
import math
import random

import numpy as np
import pytest
import torch

from bench.tiny import weights_folder
from policies import Sampling, Transformers
from policies.training.config import TrainConfig
from policies.training.examples import next_token_loss
from policies.training.skipped import SkippedRowsWarning
from tests.stand_ins import InterruptedOnce
from tests.tiny_models import batch_of
from verifiers import GENRM, GenRM, GenRMFormat, Problem, Solution, Step, Stop
from verifiers.genrm import train as module
from verifiers.genrm.critiqued import Critiqued, read_verdict
from verifiers.genrm.train import rehearsed, solve_examples, train_genrm, verify_examples

POLICY = weights_folder("policy")
SHORT = GenRMFormat(
    direct="{problem}\n{solution}\nOK?", cot="{problem}\n{solution}\nWhy?\n", solver="{problem}\n", verdict="OK?",
    yes="Y", no="N",
)  # fmt: skip


def critiqued(k, text, right, *rationales):
    return Critiqued(Problem(f"p{k}", f"C {k}+1\n"), Solution((Step(text),), Stop.EOS), right, rationales)


def evens(count, seed=0):
    """A solution is right if it says an even digit; the rationale repeats it."""
    rng = random.Random(seed)
    for _ in range(count):
        a, said = rng.randrange(10), rng.randrange(10)
        verdict = "Y" if said % 2 == 0 else "N"
        solution = Solution((Step(f"{a}={said}"),), Stop.EOS)
        yield Critiqued(Problem(f"{a}", f"{a}"), solution, said % 2 == 0, (f"{said} OK? {verdict}",))


@pytest.fixture(scope="module")
def policy():
    return Transformers.load(POLICY, dtype="float32", device="cpu")


def test_the_direct_loss_is_minus_log_of_the_score(policy):
    rows = [critiqued(1, "1+1=2\n=2", True), critiqued(2, "=9", False)]
    examples, right = verify_examples(policy.tokenizer, rows, "direct", SHORT, limit=256)
    assert right == [0]
    judged = GenRM(policy, format=SHORT).judge([r.problem for r in rows], [r.solution for r in rows])
    expected = [-math.log(judged[0].yes[0]), -math.log(judged[1].no[0])]
    losses = [next_token_loss(policy.model, batch_of(examples, [i])).item() for i in range(2)]
    assert losses == pytest.approx(expected, rel=1e-4)
    both = next_token_loss(policy.model, batch_of(examples, [0, 1])).item()
    assert both == pytest.approx(sum(expected) / 2, rel=1e-4)


def test_a_rationale_is_read_as_it_would_be_sampled(policy):
    row = critiqued(1, "=2", True, "1+1=2 so **OK? Y**")
    [e], _ = verify_examples(policy.tokenizer, [row], "cot", SHORT, limit=256)
    prompt, continuation = SHORT.cot_parts(row.problem, row.solution)
    said = "1+1=2 so **OK?"
    ids = [*policy.encode(prompt), *policy.encode(continuation), *policy.encode(said), *policy.encode("Y")]
    assert e.ids.tolist() == ids
    assert e.targets.tolist() == [*policy.encode(said), *policy.encode("Y"), policy.tokenizer.eos_token_id]
    parts = Solution((Step(continuation), Step(said + "Y")), Stop.EOS)
    [logprobs] = policy.logprobs([Problem("judged", prompt)], [parts]).steps
    loss = next_token_loss(policy.model, batch_of([e], [0])).item()
    assert loss == pytest.approx(-logprobs[1] / (len(said) + 2), rel=1e-4)


def test_both_losses_are_means_over_their_own_tokens(policy):
    rows = [critiqued(1, "1+1=2\n=2", True), critiqued(2, "=9", False), critiqued(3, "3+1=4\n3+1=4\n=4", True)]
    verify, _ = verify_examples(policy.tokenizer, rows, "direct", SHORT, limit=256)
    solve = solve_examples(policy.tokenizer, rows, SHORT, limit=256)
    assert len(solve) == 2
    solved = Solution((Step("1+1=2\n=2"),), Stop.EOS), Solution((Step("3+1=4\n3+1=4\n=4"),), Stop.EOS)
    prompts = [Problem("s", "C 1+1\n"), Problem("t", "C 3+1\n")]
    logprobs = [float(row[0]) for row in policy.logprobs(prompts, solved).steps]
    correct = -sum(logprobs) / (len("1+1=2\n=2") + 1 + len("3+1=4\n3+1=4\n=4") + 1)
    losses = [next_token_loss(policy.model, batch_of(verify, [i])).item() for i in range(3)]
    loss = next_token_loss(policy.model, batch_of(verify + solve, range(5), factors=[1.0, 0.25])).item()
    assert loss == pytest.approx(sum(losses) / 3 + 0.25 * correct, rel=1e-4)


def test_rationales_with_a_wrong_verdict_or_none_are_counted(policy):
    rows = [
        critiqued(1, "=2", True, "a OK? Y", "b OK? N", "c OK? Y", "d OK? Yes", "e OK? Y"),
        critiqued(2, "=9", False, "f", "g OK? N. OK? Y", "OK"),
        critiqued(3, "=9", False),
    ]
    counts = (
        r"1 have a wrong verdict \(problem 'p1'\); 3 have no verdict \(problems 'p1', 'p2' x2\); 1 have no rationale"
    )
    with pytest.warns(SkippedRowsWarning, match="5 of 9 rationales are not trained on: " + counts):
        examples, right = verify_examples(policy.tokenizer, rows, "cot", SHORT, limit=256)
    assert (len(examples), right) == (4, [0, 1, 2])
    with pytest.warns(SkippedRowsWarning):
        some, _ = verify_examples(policy.tokenizer, rows, "cot", SHORT, limit=256, rationales=2)
    texts = [policy.tokenizer.decode(e.targets.astype(int)[:1]) for e in some]
    assert texts == ["a", "c", "g"]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("ok\n\n**Verification: Is the answer correct (Yes/No)? Yes**", True),
        ("**Final Grade:** Verification: Is the answer correct (Yes/No)? No", False),
        ("**Verification: Is the answer correct (Yes/No)?** No.", False),
        ("<b>Verification:</b> Is the answer correct (Yes/No)? Yes", True),
        ("**Verification:**\nIs the answer correct (Yes/No)? **No**\n\nVerification: Yes", False),
        ("Verification: Is the answer correct (Yes/No)? No\nVerification: Is the answer correct (Yes/No)? Yes", False),
        ("Verification: Is the answer correct (Yes/No)? Yesterday", None),
        ("Verification: Is the answer correct (Yes/No)? X", None),
        ("Verification: Is the answer correct (Yes/No)?", None),
        ("Yes", None),
    ],
)
def test_verdicts_are_read(text, verdict):
    found = read_verdict(text, GENRM)
    assert (None if found is None else found[1]) is verdict
    assert found is None or found[0].endswith(GENRM.verdict)


def test_a_verdict_of_several_tokens_is_refused_by_name(tmp_path):
    rows = [critiqued(1, "=2", True)]
    with pytest.raises(ValueError, match=r"the verdict ' Yes' is 4 tokens .* must be one"):
        train_genrm(POLICY, rows, mode="direct", out=tmp_path / "a")


def test_direct_training_makes_a_genrm(tmp_path):
    rows = list(evens(200))
    config = TrainConfig(max_steps=60, batch_size=16, learning_rate=2e-3, balance=True, log_every=20)
    out = train_genrm(POLICY, rows, mode="direct", out=tmp_path / "direct", format=SHORT, config=config)
    genrm = GenRM.load(out, dtype="float32")
    assert (genrm.mode, genrm.format) == ("direct", SHORT)
    values = genrm.score([r.problem for r in rows], [r.solution for r in rows]).values()
    right = np.array([r.right for r in rows])
    assert ((values > 0.5) == right).mean() > 0.9
    entry = json.loads((out / "config.json").read_text())["stepbeam"]
    assert (entry["kind"], entry["mode"]) == ("genrm", "direct")


@pytest.mark.slow
def test_rationales_are_learnt_and_an_interruption_changes_no_byte(tmp_path, monkeypatch):
    rows = list(evens(100))
    config = TrainConfig(max_steps=60, batch_size=16, accumulate=2, learning_rate=2e-3, save_every=25, log_every=10)
    out = train_genrm(POLICY, rows, mode="cot", out=tmp_path / "whole", format=SHORT, config=config)
    greedy = Sampling(temperature=0.0, max_tokens=40)
    assert GenRM.load(out).sampling.max_tokens > 20
    genrm = GenRM.load(out, votes=1, sampling=greedy, dtype="float32")
    judged = genrm.judge([r.problem for r in rows], [r.solution for r in rows])
    assert sum(j.reason is None for j in judged) >= 95
    said = [(j.yes[0] > j.no[0]) == r.right for j, r in zip(judged, rows, strict=True) if j.reason is None]
    assert np.mean(said) > 0.9
    interrupted = InterruptedOnce(next_token_loss, 110)
    monkeypatch.setattr(module, "next_token_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_genrm(POLICY, rows, mode="cot", out=tmp_path / "parts", format=SHORT, config=config)
    train_genrm(POLICY, rows, mode="cot", out=tmp_path / "parts", format=SHORT, config=config)
    assert interrupted.calls == 110 + 2 * 10
    assert (tmp_path / "parts" / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()


def test_it_forgets_less_of_solving_with_the_second_loss(tmp_path):
    rows = [critiqued(k, f"{k}+1={k + 1}\n={k + 1}", True) for k in range(8)]
    rows += [critiqued(k, f"{k}+1=0\n=0", False) for k in range(8)]
    losses = {}
    for weight in (0.0, 1.0):
        config = TrainConfig(max_steps=15, batch_size=8, learning_rate=1e-3)
        out = train_genrm(
            POLICY, rows, mode="direct", out=tmp_path / str(weight), solution_weight=weight, format=SHORT, config=config
        )
        model = Transformers.load(out, dtype="float32", device="cpu")
        solve = solve_examples(model.tokenizer, rows, SHORT, limit=256)
        with torch.no_grad():
            losses[weight] = next_token_loss(model.model, batch_of(solve, range(8), factors=[0.0, 1.0])).item()
    assert losses[1.0] < losses[0.0]


@pytest.mark.parametrize(
    ("rehearsal", "message"),
    [
        ("ab", "rehearsal is a str: use a list of pairs"),
        (((a, "b") for a in "cd"), "rehearsal is a generator: use a list of pairs"),
        ([("a", "b"), "abc"], r"rehearsal\[1\] is 'abc': use a pair of texts"),
        (["ab"], r"rehearsal\[0\] is 'ab': use a pair of texts"),
        ([("a", 1)], r"rehearsal\[0\] is \"\('a', 1\)\": use a pair of texts"),
    ],
)
def test_what_is_to_be_rehearsed_is_checked_before_anything_is_made(tmp_path, rehearsal, message):
    rows = [critiqued(1, "=2", True)]
    with pytest.raises(ValueError, match=message):
        train_genrm(POLICY, rows, mode="direct", out=tmp_path / "out", format=SHORT, rehearsal=rehearsal)
    assert not (tmp_path / "out").exists()


def test_what_is_rehearsed_is_kept_and_has_no_end(tmp_path):
    rows = [critiqued(k, f"{k}+1={k + right}\n={k + right}", bool(right)) for k in range(8) for right in (0, 1)]
    texts = [(f"W {' '.join(words)}\n", "\n".join(sorted(words))) for words in (("dog", "cat"), ("pig", "cow", "ant"))]
    config = TrainConfig(max_steps=15, batch_size=8, learning_rate=1e-3)
    losses = {}
    for name, kept in (("without", []), ("with", texts)):
        out = train_genrm(POLICY, rows, mode="direct", out=tmp_path / name, rehearsal=kept, format=SHORT, config=config)
        model = Transformers.load(out, dtype="float32", device="cpu")
        examples = rehearsed(model.tokenizer, texts, SHORT, limit=None)
        with torch.no_grad():
            losses[name] = next_token_loss(model.model, batch_of(examples, range(2), factors=[0.0, 0.0, 1.0])).item()
    assert losses["with"] < losses["without"]
    assert model.tokenizer.eos_token_id not in np.concatenate([e.targets for e in examples])
    with pytest.raises(ValueError, match="rehearsal"):
        train_genrm(
            POLICY, rows, mode="direct", out=tmp_path / "with", rehearsal=texts[:1], format=SHORT, config=config
        )


def test_what_cannot_be_asked_for_is_named(tmp_path):
    wrong = [critiqued(1, "=3", False)]
    with pytest.raises(ValueError, match="no row is right, so there is no solution to learn: use solution_weight=0"):
        train_genrm(POLICY, wrong, mode="direct", out=tmp_path / "a", format=SHORT)
    with pytest.raises(ValueError, match="mode is 'vote'"):
        train_genrm(POLICY, wrong, mode="vote", out=tmp_path / "a", format=SHORT)
    with pytest.raises(ValueError, match="solution_weight is -1"):
        train_genrm(POLICY, wrong, mode="direct", solution_weight=-1, out=tmp_path / "a", format=SHORT)
    with pytest.raises(ValueError, match="rationales is 0"):
        train_genrm(POLICY, wrong, mode="cot", rationales=0, out=tmp_path / "a", format=SHORT)
    with pytest.raises(ValueError, match="problem 'p': only a finished solution"):
        Critiqued(Problem("p", "x"), Solution((Step("y"),)), True)
    with pytest.raises(ValueError, match="nothing to rehearse"):
        train_genrm(
            POLICY, wrong, mode="direct", out=tmp_path / "b", format=SHORT, rehearsal=[("", "x")], solution_weight=0
        )
    with pytest.raises(ValueError, match="over 256 tokens: rehearse shorter texts"):
        train_genrm(
            POLICY,
            wrong,
            mode="direct",
            out=tmp_path / "c",
            format=SHORT,
            rehearsal=[("7" * 300, "x")],
            solution_weight=0,
        )
    long = [critiqued(1, "7" * 300, True), critiqued(2, "=3", True)]
    config = TrainConfig(max_steps=1, batch_size=1)
    with pytest.warns(SkippedRowsWarning, match="1 of 2 rows .* are over 256 tokens") as caught:
        train_genrm(POLICY, long, mode="direct", out=tmp_path / "a", format=SHORT, config=config, solution_weight=0)
    assert caught[0].filename == __file__
