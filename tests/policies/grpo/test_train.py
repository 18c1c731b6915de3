"""The trainer against exact gradients, and what must change nothing: order, parts, dead groups, a kill."""

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from policies import GRPOConfig, Sampling, Transformers, grpo_train
from policies.grpo.rollout import judge_groups, sample_groups, step_ends
from policies.grpo.update import TrainingRow, part_values, parts, row_logprobs, rows_of
from policies.models.tiny_example import tiny_model, tiny_tokenizer
from policies.training import resume
from policies.training.loop import Loop
from tests.circles import left_in_circles
from tests.stand_ins import steps, vowels
from verifiers import Problem, Scores, Solution, Step, Stop, from_function, from_steps

PROBLEMS = [Problem(f"p{i}", f"{i}+1=") for i in range(6)]
SHORT = Sampling(max_tokens=12)
CONFIG = GRPOConfig(steps=4, groups=3, group_size=4, sampling=SHORT, learning_rate=1e-2, seed=1)


@from_steps
def all_right(problem, solution):
    return [1.0] * len(solution.steps)


def tiny():
    return Transformers(*tiny_model())


def judged(policy, config=CONFIG, *, verifier=vowels, prm=None, problems=PROBLEMS[:3]):
    pools = sample_groups(policy, problems, config, positions=range(len(problems)))
    return judge_groups(problems, pools, verifier, prm, config)


def update(model, rows, config=CONFIG, *, rate=0.0, reference=None):
    """One update without any clipping."""
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    loop = Loop(model=model, optimizer=optimizer, steps=1, rate=lambda _: rate, max_grad_norm=0.0, bf16=config.bf16)
    return loop.update(
        parts(rows, config.part_tokens or 2048), lambda part: part_values(model, part, config, reference=reference)
    )


def gradient(policy, rows, config=CONFIG) -> torch.Tensor:
    """The gradient of a batch, as one long vector; no weight changes."""
    update(policy.model, [replace_row(row) for row in rows], config)
    return torch.cat([p.grad.flatten().double() for p in policy.model.parameters()])


def replace_row(row: TrainingRow) -> TrainingRow:
    return TrainingRow(row.ids, row.prompt, row.advantages, row.weight)


def weights(policy) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in policy.model.parameters()]).clone()


def naive_loss(model, rows, config) -> torch.Tensor:
    """The loss of the papers, one row at a time, from whole logits."""
    total = torch.zeros((), dtype=next(model.parameters()).dtype)
    for row in rows:
        logits = model(torch.tensor([row.ids])).logits[0] / config.sampling.temperature
        logprobs = logits.log_softmax(-1)
        for t, advantage in enumerate(row.advantages):
            at = row.prompt + t
            logprob = logprobs[at - 1, row.ids[at]]
            total = total - row.weight * advantage * (logprob - logprob.detach()).exp()
    return total


def five_tokens() -> Transformers:
    """Vocabulary of 5 (eos, bos, unk, a, b), solutions of up to 3 tokens: 5 + 4 * ... sequences, all enumerable."""
    tokenizer = tiny_tokenizer("ab")
    torch.manual_seed(3)
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=5, eos_token_id=0, bos_token_id=1, initializer_range=0.5, **sizes)
    return Transformers(LlamaForCausalLM(config).eval(), tokenizer)


@pytest.mark.slow
def test_the_mean_sampled_gradient_is_the_exact_policy_gradient():
    policy, problem = five_tokens(), Problem("p", "ab")
    # E over groups of (r - mean of G) grad log pi is (G - 1) / G of the gradient of E r.
    size, room = 4, 3
    reward = from_function(lambda p, s: 1.0 if s.text == "a" else 0.25 * s.text.count("b"))
    config = GRPOConfig(
        groups=1, group_size=size, sampling=Sampling(max_tokens=room), loss="dr_grpo", scale="none", part_tokens=10**6
    )
    prompt = list(policy.prompt_ids(problem))
    model = policy.model
    sequences = [s for n in range(1, room + 1) for s in itertools.product(range(5), repeat=n)]
    whole = [s for s in sequences if 0 not in s[:-1] and (s[-1] == 0 or len(s) == room)]
    expected = torch.zeros(())
    mass = 0.0
    for ids in whole:
        logprobs = model(torch.tensor([prompt + list(ids)])).logits[0].log_softmax(-1)
        logp = sum(logprobs[len(prompt) - 1 + t, i] for t, i in enumerate(ids))
        text = policy.cutter.decode([i for i in ids if i])
        solution = Solution((Step(text),), Stop.EOS)
        mass += logp.exp().item()
        if ids[-1] == 0:  # what is cut off has reward 0
            expected = expected + logp.exp() * float(reward.score([problem], [solution]).values()[0])
    assert mass == pytest.approx(1.0, abs=1e-5)
    exact = torch.cat([g.flatten().double() for g in torch.autograd.grad(expected, list(model.parameters()))])
    count = 10000
    problems = [problem] * count
    pools = sample_groups(policy, problems, config, positions=range(count))
    groups = judge_groups(problems, pools, reward, None, config)
    rows = rows_of(groups, policy, config)
    # dr_grpo divides by the rows that are taught and by max_tokens; a loss falls where the reward rises.
    found = -gradient(policy, rows, config) * len(rows) * room / (count * size)
    exact = exact * (size - 1) / size
    cosine = float(found @ exact / found.norm() / exact.norm())
    assert cosine > 0.998
    assert float(found.norm() / exact.norm()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "dapo"])
def test_the_gradient_is_that_of_the_loss_as_the_papers_write_it(loss):
    policy, config = tiny(), replace(CONFIG, loss=loss)
    rows = rows_of(judged(policy, config, prm=steps), policy, config)
    policy.model.double()
    found = gradient(policy, rows, config)
    policy.model.zero_grad()
    naive_loss(policy.model, rows, config).backward()
    expected = torch.cat([p.grad.flatten() for p in policy.model.parameters()])
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_the_gradient_is_that_of_finite_differences():
    policy, config = tiny(), replace(CONFIG, beta=0.3, part_tokens=10**6)
    rows = rows_of(judged(policy, config, prm=steps), policy, config)
    policy.model.double()
    other = Transformers(*tiny_model(seed=9)).model.double().requires_grad_(False)
    weight = policy.model.get_output_embeddings().weight
    old = [torch.linspace(-4.5, -4.0, len(r.ids) - r.prompt, dtype=torch.float64) for r in rows]

    def loss_at(shift: float, place: tuple[int, int]) -> tuple[float, torch.Tensor]:
        with torch.no_grad():
            weight[place] += shift
        again = [TrainingRow(r.ids, r.prompt, r.advantages, r.weight, o) for r, o in zip(rows, old, strict=True)]
        made = update(policy.model, again, config, reference=lambda: nullcontext(other))
        slope = weight.grad[place].clone()
        with torch.no_grad():
            weight[place] -= shift
        return made["loss"], slope

    for place in [(5, 3), (40, 7), (70, 20)]:
        _, slope = loss_at(0.0, place)
        up, down = (loss_at(h, place)[0] for h in (1e-5, -1e-5))
        assert float(slope) == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-9)


def test_parts_order_and_padding_change_no_gradient():
    policy = tiny()
    groups = judged(policy, prm=steps)
    rows = rows_of(groups, policy, CONFIG)
    whole = gradient(policy, rows, replace(CONFIG, part_tokens=10**6))
    scale = float(whole.abs().max())
    assert scale > 0
    for other, tokens in ((rows, 1), (rows[::-1], 40), (rows_of(groups[::-1], policy, CONFIG), 10**6)):
        torch.testing.assert_close(
            gradient(policy, other, replace(CONFIG, part_tokens=tokens)), whole, rtol=0, atol=1e-5 * scale
        )
    assert [len(p) for p in parts(rows, 1)] == [1] * len(rows)
    for part in parts(rows, 60):
        assert len(part) == 1 or max(len(r.ids) for r in part) * len(part) <= 60


def test_dead_groups_weigh_nothing():
    policy = tiny()
    mixed = [g for g in judged(policy, problems=PROBLEMS) if not g.dead]
    dead = judged(policy, verifier=all_right)
    assert mixed
    assert all(g.dead and g.info.kind == "all_right" for g in dead)
    alone, beside = rows_of(mixed, policy, CONFIG), rows_of([*dead, *mixed], policy, CONFIG)
    assert [(r.ids, r.weight) for r in alone] == [(r.ids, r.weight) for r in beside]


@pytest.mark.parametrize("gate", ["all_wrong", "never"])
def test_an_all_right_group_moves_nothing_not_even_by_the_kl(tmp_path, gate):
    policy, other = tiny(), tiny()
    with torch.no_grad():  # the policy is away from its reference, so that a KL term would pull
        before = weights(policy)
    config = replace(CONFIG, gate=gate, beta=1.0, steps=2)
    result = grpo_train(policy, PROBLEMS, all_right, steps, out=tmp_path / "r", config=config)
    assert torch.equal(weights(policy), before)
    assert torch.equal(before, weights(other))
    assert [row["dead"] for row in result.metrics] == [1.0, 1.0]
    assert all(row["loss"] is None and row["grad_norm"] is None for row in result.metrics)


def test_the_sampled_log_probabilities_are_those_that_are_trained_on():
    config = replace(CONFIG, sampling=Sampling(max_tokens=12, temperature=0.7))
    policy = tiny()
    groups = judged(policy, config)
    rows = rows_of(groups, policy, config)
    found, entropy = row_logprobs(policy.model, rows, 0.7)
    sampled = [p for g in groups if not g.dead for s in g.solutions for step in s.steps for p in step.logprobs]
    np.testing.assert_allclose(found.detach().numpy(), sampled, atol=1e-4)
    assert bool((entropy > 0).all())
    before = weights(policy)
    made = update(policy.model, rows, config)
    assert made["clipped"] == 0.0  # the ratio is 1
    assert torch.equal(before, weights(policy))
    assert all(row.old is not None for row in rows)


def test_the_end_of_a_solution_is_learnt_too():
    policy = tiny()
    groups = judged(policy, replace(CONFIG, sampling=Sampling(max_tokens=60)), problems=PROBLEMS)
    ended = [s for g in groups for s in g.solutions if s.stop is Stop.EOS]
    assert ended
    rows = rows_of(groups, policy, CONFIG)
    ends = {row.ids for row in rows if row.ids[-1] == policy.tokenizer.eos_token_id}
    taught = [s for g in groups if not g.dead for s in g.solutions if s.stop is Stop.EOS]
    assert len(ends) == len({(g.problem, s.text) for g in groups if not g.dead for s in g.solutions if s in taught})
    assert step_ends(ended[0])[-1] == ended[0].token_count - 1


def test_it_learns(tmp_path):
    config = replace(CONFIG, steps=25, groups=6, group_size=8, learning_rate=5e-3)
    result = grpo_train(tiny(), PROBLEMS, vowels, out=tmp_path / "run", config=config)
    rewards = [row["reward"] for row in result.metrics]
    assert np.mean(rewards[-5:]) > np.mean(rewards[:5]) + 0.3
    assert all(math.isfinite(row["grad_norm"]) for row in result.metrics if row["grad_norm"] is not None)
    again = Transformers.load(tmp_path / "run" / "model")
    assert torch.equal(weights(again), weights(result.policy))


COMPARED = ("reward", "dead", "prm_share", "loss", "kl", "grad_norm", "entropy", "learning_rate", "tokens", "mixed")


def numbers(result):
    return [[row[name] for name in COMPARED] for row in result.metrics]


@pytest.mark.parametrize(
    "changes", [{}, {"beta": 0.05, "updates": 2, "schedule": "constant"}, {"resample": 2, "lora_rank": 2}], ids=str
)
def test_six_steps_are_three_and_three(tmp_path, changes):
    config = replace(CONFIG, steps=6, save_every=3, **changes)
    whole = grpo_train(tiny(), PROBLEMS, vowels, steps, out=tmp_path / "whole", config=config)
    grpo_train(tiny(), PROBLEMS, vowels, steps, out=tmp_path / "parts", config=replace(config, steps=3))
    parted = grpo_train(tiny(), PROBLEMS, vowels, steps, out=tmp_path / "parts", config=config)
    assert torch.equal(weights(whole.policy), weights(parted.policy))
    assert numbers(whole) == numbers(parted)
    for name in ("attributions.jsonl", "model/model.safetensors", "checkpoints/step-6/optimizer.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


KILLED = """
import sys, time
from dataclasses import replace
sys.path.insert(0, {root!r})
sys.path.insert(0, {here!r})
import test_train as t
class Slow:
    name = t.steps.name
    def score(self, problems, solutions):
        time.sleep(1.0)  # so long that it is killed before it ends
        return t.steps.score(problems, solutions)
t.grpo_train(t.tiny(), t.PROBLEMS, t.vowels, Slow(), out={out!r}, config=replace(t.CONFIG, steps=6, save_every=2))
"""


@pytest.mark.slow
def test_a_kill_amid_a_step_changes_nothing(tmp_path):
    config = replace(CONFIG, steps=6, save_every=2)
    whole = grpo_train(tiny(), PROBLEMS, vowels, steps, out=tmp_path / "whole", config=config)
    here = Path(__file__).parent
    code = KILLED.format(root=str(here.parents[2]), here=str(here), out=str(tmp_path / "killed"))
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    metrics, deadline = tmp_path / "killed" / "metrics.jsonl", time.monotonic() + 120
    while not (metrics.exists() and metrics.read_bytes().count(b"\n") >= 3) and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert metrics.read_bytes().count(b"\n") < 6
    again = grpo_train(tiny(), PROBLEMS, vowels, steps, out=tmp_path / "killed", config=config)
    assert torch.equal(weights(whole.policy), weights(again.policy))
    assert numbers(whole) == numbers(again)


def test_lora_trains_nothing_but_its_updates_and_knows_the_policy_as_it_was(tmp_path):
    policy = tiny()
    before = {name: p.clone() for name, p in policy.model.named_parameters()}
    config = replace(CONFIG, lora_rank=2, beta=0.1, steps=2, learning_rate=1e-2)
    result = grpo_train(policy, PROBLEMS, vowels, steps, out=tmp_path / "run", config=config)
    assert result.metrics[0]["kl"] == 0.0  # the first update begins where the reference is
    assert result.metrics[1]["kl"] > 0.0
    after = dict(policy.model.named_parameters())
    assert after.keys() == before.keys()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved
    assert not [name for name in moved if "embed" in name or "norm" in name or "lm_head" in name]
    saved = Transformers.load(tmp_path / "run" / "model")
    assert all(torch.equal(p, after[name]) for name, p in saved.model.named_parameters())


def test_bfloat16_and_checkpointing_give_about_the_same_gradient():
    policy = tiny()
    rows = rows_of(judged(policy, prm=steps), policy, CONFIG)
    plain = gradient(policy, rows)
    low = gradient(policy, rows, replace(CONFIG, bf16=True))
    assert float(plain @ low / plain.norm() / low.norm()) > 0.99
    policy.model.train()
    policy.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    torch.testing.assert_close(gradient(policy, rows), plain, rtol=1e-4, atol=1e-7)


def test_dead_groups_are_drawn_again_and_counted(tmp_path):
    config = replace(CONFIG, steps=2, groups=4, resample=3, gate="never")
    with_, without = (
        grpo_train(tiny(), PROBLEMS, vowels, out=tmp_path / str(c.resample), config=c)
        for c in (config, replace(config, resample=0))
    )
    assert [row["sampled_groups"] for row in without.metrics] == [4, 4]
    assert with_.metrics[0]["sampled_groups"] > 4
    assert with_.metrics[0]["dead"] > 0


def test_a_refreshed_prm_scores_the_steps_after_it(tmp_path):
    """After steps 2 and 4 of 5; killed behind step 4 it loads what was made, and ends alike."""
    config = replace(CONFIG, steps=5, gate="always", refresh_every=2, save_every=1)
    made = []

    def refresh(policy, folder):
        if policy is not None:
            torch.rand(1)  # what it draws is no part of the training's randomness
            folder.mkdir(parents=True)
            (folder / "prm.txt").write_text(f"{float(weights(policy).sum()):.4f}")
            made.append(folder.name)
        low = float((folder / "prm.txt").read_text()) % 1
        return from_steps(lambda problem, solution: [low, *[1.0] * (len(solution.steps) - 1)])

    def train(out, stop=None):
        def evaluate(policy):
            if stop and (out / "prms" / "4").exists():
                raise KeyboardInterrupt
            return {}

        changes = replace(config, evaluate_every=1)
        grpo_train(policy := tiny(), PROBLEMS, vowels, all_right, out=out, config=changes, evaluate=evaluate,
                   refresh_prm=refresh)  # fmt: skip
        return weights(policy)

    whole = train(tmp_path / "a")
    assert made == ["2", "4"]
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", stop=True)
    assert made == ["2", "4"] * 2
    assert torch.equal(train(tmp_path / "b"), whole)
    assert made == ["2", "4"] * 2
    plain = tiny()
    grpo_train(plain, PROBLEMS, vowels, all_right, out=tmp_path / "c", config=replace(config, refresh_every=0))
    assert not torch.equal(weights(plain), whole)
    with pytest.raises(ValueError, match=r"refresh_prm is given and config\.refresh_every is not"):
        grpo_train(tiny(), PROBLEMS, vowels, all_right, out=tmp_path / "d", config=CONFIG, refresh_prm=refresh)
    with pytest.raises(ValueError, match=r"config\.refresh_every is given and refresh_prm is not"):
        grpo_train(tiny(), PROBLEMS, vowels, all_right, out=tmp_path / "d", config=config)


def test_a_prm_of_a_training_that_left_no_checkpoint_is_made_anew(tmp_path):
    config = replace(CONFIG, steps=3, gate="always", refresh_every=1, save_every=0)
    asked = []

    def refresh(policy, folder):
        asked.append((policy is not None, folder.name))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return all_right

    with pytest.raises(KeyboardInterrupt):
        grpo_train(tiny(), PROBLEMS, vowels, all_right, out=tmp_path, config=config, refresh_prm=refresh)
    grpo_train(tiny(), PROBLEMS, vowels, all_right, out=tmp_path, config=config, refresh_prm=refresh)
    assert asked == [(True, "1"), (True, "2"), (True, "1"), (True, "2")]


def test_evaluation_is_of_the_policy_as_it_is_and_before_it_is_trained(tmp_path):
    seen = []

    def evaluate(policy):
        seen.append(weights(policy))
        return {"accuracy": float(len(seen))}

    config = replace(CONFIG, steps=4, evaluate_every=2)
    result = grpo_train(tiny(), PROBLEMS, vowels, steps, out=tmp_path / "run", config=config, evaluate=evaluate)
    found = [(row["step"], row["evaluation"]) for row in result.metrics if "evaluation" in row]
    assert found == [(0, {"accuracy": 1.0}), (2, {"accuracy": 2.0}), (4, {"accuracy": 3.0})]
    assert torch.equal(seen[0], weights(tiny()))
    assert torch.equal(seen[2], weights(result.policy))


def test_every_step_is_accounted_for(tmp_path):
    wrong = from_function(lambda p, s: 0.0)
    config = replace(CONFIG, steps=1, credit="progress")
    grpo_train(tiny(), PROBLEMS, wrong, steps, out=tmp_path / "run", config=config)
    rows = [json.loads(line) for line in (tmp_path / "run" / "attributions.jsonl").read_text().splitlines()]
    assert {row["group"] for row in rows} == {"all_wrong"}
    assert {row["signal"] for row in rows} <= {"prm", "none"}
    assert len({(row["problem"], row["solution"]) for row in rows}) == 12
    for row in rows:
        assert row["score"] == pytest.approx((len(row["text"]) % 5) / 4)
        assert row["reward"] == 0.0


class PAVLike:
    """What a PAV tells of progress: it adds up to the last value less the root's."""

    score = steps.score

    def advantages(self, problems, solutions):
        return Scores(tuple(np.diff(row, prepend=0.5) for row in self.score(problems, solutions).steps))


def test_a_pavs_credit_is_the_provers_advantage():
    policy = tiny()
    config = replace(CONFIG, gate="always", credit="advantage", scale="none", prm_coef=0.5)
    groups = judged(policy, config, prm=PAVLike(), verifier=from_function(lambda p, s: 0.0))
    for group in groups:
        for solution, advantages in zip(group.solutions, group.advantages, strict=True):
            gains = np.diff(steps.score([group.problem], [solution]).steps[0], prepend=0.5)
            counts = np.diff(step_ends(solution), prepend=-1)
            np.testing.assert_allclose(advantages, 0.5 * np.repeat(gains, counts), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("groups", [3, 1])  # of one group the second process has nothing to do
def test_several_processes_learn_what_one_does(tmp_path, groups):
    here = Path(__file__).parent
    code = (
        f"import sys; sys.path[:0] = [{str(here.parents[2])!r}, {str(here)!r}]\n"
        "import torch; torch.set_num_threads(1)\n"
        "import test_train as t\n"
        "from dataclasses import replace\n"
        f"t.grpo_train(t.tiny(), t.PROBLEMS, t.vowels, t.steps, out={str(tmp_path / 'two')!r}, "
        f"config=replace(t.CONFIG, steps=3, beta=0.05, groups={groups}))\n"
    )
    script = tmp_path / "train.py"
    script.write_text(code)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", str(script)]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    config = replace(CONFIG, steps=3, beta=0.05, groups=groups)
    one = grpo_train(tiny(), PROBLEMS, vowels, steps, out=tmp_path / "one", config=config)
    rows = [json.loads(line) for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    for a, b in zip(rows, one.metrics, strict=True):
        assert a["reward"] == b["reward"]
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4, abs=1e-7)
        assert a["grad_norm"] == pytest.approx(b["grad_norm"], rel=1e-4)
    two = Transformers.load(tmp_path / "two" / "model")
    torch.testing.assert_close(weights(two), weights(one.policy), rtol=0, atol=2e-3)


class Server:
    """A policy that tells text alone."""

    name = "server"

    def extend(self, problems, prefixes, *, until, sampling, seeds):
        raise AssertionError("it is not asked")


def test_bad_input_is_named(tmp_path):
    def trained(policy=None, problems=PROBLEMS, verifier=vowels, prm=None, **changes):
        return grpo_train(
            policy or tiny(), problems, verifier, prm, out=tmp_path / "x", config=replace(CONFIG, **changes)
        )

    with pytest.raises(
        TypeError, match=r"server has no weights and token ids to train with: use policies\.Transformers"
    ):
        trained(Server())
    with pytest.raises(ValueError, match="group_size is 1: an advantage compares"):
        trained(group_size=1)
    with pytest.raises(ValueError, match="problems is empty"):
        trained(problems=[])
    with pytest.raises(ValueError, match="'p0' occurs twice"):
        trained(problems=[PROBLEMS[0], PROBLEMS[0]])
    with pytest.raises(ValueError, match="temperature is 0"):
        trained(sampling=Sampling(temperature=0.0))
    half = tiny()
    half.model.to(torch.bfloat16)
    with pytest.raises(ValueError, match=r"weights are bfloat16.*dtype='float32'"):
        trained(half)
    with pytest.raises(ValueError, match=r"problem 'p\d'.*PRM has an opinion of every step"):
        trained(verifier=from_function(lambda p, s: 0.0), prm=vowels)

    class OneTooMany:
        name = "odd"

        def score(self, problems, solutions):
            return Scores(tuple(np.zeros(len(s.steps) + 1, np.float32) for s in solutions))

    with pytest.raises(ValueError, match=r"problem 'p\d': odd gave \d+ scores for a solution of \d+ steps"):
        trained(verifier=from_function(lambda p, s: 0.0), prm=OneTooMany())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    with pytest.raises(ValueError, match=r"holds other files and no training\.json"):
        grpo_train(tiny(), PROBLEMS, vowels, out=tmp_path / "full", config=CONFIG)


def test_a_folder_of_another_training_is_refused(tmp_path):
    grpo_train(tiny(), PROBLEMS, vowels, out=tmp_path / "run", config=replace(CONFIG, steps=1))
    with pytest.raises(ValueError, match=r"with learning_rate = 0\.01, and 0\.5 was asked for"):
        grpo_train(tiny(), PROBLEMS, vowels, out=tmp_path / "run", config=replace(CONFIG, learning_rate=0.5))
    with pytest.raises(ValueError, match=r"without prm, and 'from_steps\(steps\)' was asked for"):
        grpo_train(tiny(), PROBLEMS, vowels, steps, out=tmp_path / "run", config=CONFIG)


def test_rewards_that_are_missing_are_counted_and_teach_nothing(tmp_path):
    silent = from_function(lambda p, s: math.nan)
    before = tiny()
    result = grpo_train(tiny(), PROBLEMS, silent, out=tmp_path / "run", config=replace(CONFIG, steps=2))
    ended = [12 * (1 - row["cut_off"]) for row in result.metrics]  # what was cut off is wrong, not ungraded
    assert [row["ungraded"] for row in result.metrics] == pytest.approx(ended)
    assert sum(ended) > 0
    assert [row["reward"] for row in result.metrics] == [0.0, 0.0]
    assert torch.equal(weights(before), weights(result.policy))


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch):
    config = replace(CONFIG, steps=4, save_every=2)
    real, calls = resume.save_file, []

    def full(*arguments):
        calls.append(1)
        if len(calls) == 5:  # of three files a checkpoint
            raise OSError(28, "No space left on device")
        real(*arguments)

    monkeypatch.setattr(resume, "save_file", full)
    with pytest.raises(OSError, match=r"checkpoint of step 4 could not be written.*No space left.*goes on from there"):
        grpo_train(tiny(), PROBLEMS, vowels, steps, out=tmp_path / "run", config=config)
    monkeypatch.undo()
    again = grpo_train(tiny(), PROBLEMS, vowels, steps, out=tmp_path / "run", config=config)
    whole = grpo_train(tiny(), PROBLEMS, vowels, steps, out=tmp_path / "whole", config=config)
    assert torch.equal(weights(again.policy), weights(whole.policy))


def test_a_gradient_that_is_no_number_changes_no_weight():
    policy = tiny()
    rows = rows_of(judged(policy), policy, CONFIG)
    rows[0].advantages = np.full_like(rows[0].advantages, np.inf)
    before = weights(policy)
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        update(policy.model, rows, rate=1.0)
    assert torch.equal(before, weights(policy))


def test_the_heads_of_models_that_do_more_to_their_logits():
    from transformers import Gemma2Config, Gemma2ForCausalLM, GraniteConfig, GraniteForCausalLM

    sizes = {
        "vocab_size": 40,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
    }
    capped = Gemma2ForCausalLM(Gemma2Config(**sizes, final_logit_softcapping=2.0)).eval()
    sized = GraniteForCausalLM(GraniteConfig(**sizes, logits_scaling=3.0)).eval()
    row = TrainingRow((5, 6, 7, 8, 9), 2, np.ones(3), 1.0)
    for model in (capped, sized):
        found, _ = row_logprobs(model, [row], 1.0)
        whole = model(torch.tensor([row.ids])).logits[0].log_softmax(-1)
        torch.testing.assert_close(found, torch.stack([whole[1, 7], whole[2, 8], whole[3, 9]]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"beta": 0.1, "gradient_checkpointing": True}])
def test_what_a_training_used_goes_with_it(tmp_path, changes):
    config = replace(CONFIG, steps=2, **changes)
    assert left_in_circles(lambda: grpo_train(tiny(), PROBLEMS, vowels, all_right, out=tmp_path, config=config)) == []
