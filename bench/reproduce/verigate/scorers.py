"""The PRMs of `stepbeam reproduce verigate`: exact, noised, learned, made sharp, and refreshed."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench.diagnostics.processbench import Case, fit_threshold
from bench.reproduce.folder import Unit, slug, unit
from bench.reproduce.over_seeds import draws
from bench.reproduce.savings import estimate as percentiles
from bench.reproduce.scorer_training import scorer_training
from bench.reproduce.verigate.arms import ARMS, Setting, VeriGatePlan
from bench.reproduce.verigate.start import start_policy
from bench.stats.arrays import Floats
from bench.stats.intervals import Estimate
from bench.tiny import weights_folder
from bench.tiny.making.examples.made_up import label, make_up_text
from bench.tiny.worlds.exact import ExactSteps
from bench.tiny.worlds.worlds import WORLDS
from policies.backends.transformers import Transformers
from policies.policy import Policy
from prms.best_of_k import BestOfK
from prms.prm import PRM
from prms.training import train_prm
from prms.value_rows import labelled
from prms.values import collect_values
from search.strategies.sample import sample
from verifiers.combinators.sharp import FirstErrorCut, Hazards
from verifiers.interface.scoring import Scorer, Scores
from verifiers.interface.solution import Problem, Solution
from verifiers.reward_models.labelled import Labelled

_SEEDS = {"soft": 100, "padded": 100, "held_out": 200, "value": 500}
_CUT_SEED, _REFRESH_SEED = 300, 400


def scorer_of(plan: VeriGatePlan, setting: Setting, kind: str) -> Scorer:
    """A PRM, ready to be asked.

    "exact" is the task's own program, "noise X" the same with a share X of its labels replaced by chance. "soft" has
    learnt where the first error is from the starting policy's solutions and made up ones, "padded" from as many
    structural errors besides; "sharp" and "padded sharp" are these, cut at the first score below a threshold that was
    fitted on other rows; "hazards" each step's own chance. "held_out" is as "soft", of other problems, and "foreign"
    the shipped one, which has learnt the values of the shipped policy. "best of 4" is that of the starting policy, from
    a PRM of its values, which knows the value of a problem too.
    """
    if kind == "exact":
        return ExactSteps(setting.task)
    if kind.startswith("noise "):
        return Noised(ExactSteps(setting.task), float(kind.removeprefix("noise ")))
    if kind == "hazards":
        return Hazards(scorer_of(plan, setting, "soft"))
    if kind == "best of 4":
        return BestOfK(PRM.load(trained_prm(plan, setting, "value"), device="cpu"), 4)
    learned = PRM.load(trained_prm(plan, setting, kind.removesuffix(" sharp").replace("sharp", "soft")), device="cpu")
    return FirstErrorCut(learned, _cut(plan, setting, kind, learned)) if kind.endswith("sharp") else learned


def learned_kinds(setting: Setting) -> list[str]:
    """The PRMs that have to be trained before a setting's arms."""
    of = {"best of 4": "value", "sharp": "soft", "padded sharp": "padded", "hazards": "soft"}
    asked = {"held_out", *(of.get(kind := ARMS[arm].prm, kind) for arm in setting.arms)}
    return sorted(asked & set(_SEEDS))


def trained_prm(plan: VeriGatePlan, setting: Setting, kind: str) -> Path:
    """The folder of a learned PRM; it is trained where it is not there yet."""
    if kind == "foreign":
        return weights_folder("prm")
    name = f"models/{slug(setting.name)}_{kind}"

    def compute() -> Unit:
        seed, start = _SEEDS[kind], start_policy(plan, setting)
        if kind == "value":
            rows = _valued(plan, setting, start, seed)
        else:
            rows = _rows(setting, start, count=plan.labelled, seed=seed, padded=kind == "padded")
        target: Literal["error", "value"] = "value" if kind == "value" else "error"
        config = scorer_training(plan.prm_steps, seed, plan.prm_batch)
        train_prm(weights_folder("prm_error"), rows, target=target, out=plan.out / name, config=config)
        return {"rows": len(rows)}

    unit(plan.out, name, compute)
    return plan.out / name


def refreshed(plan: VeriGatePlan, setting: Setting, policy: Transformers | None, folder: Path) -> Scorer:
    """A sharp PRM of the policy as it is, which goes on from the one of the starting policy; None: load it."""

    def compute() -> Unit:
        assert policy is not None  # what was made has its unit
        count, steps = plan.refreshing
        config = scorer_training(steps, _REFRESH_SEED, plan.prm_batch)
        rows = _rows(setting, policy, count=count, seed=_REFRESH_SEED)
        train_prm(trained_prm(plan, setting, "soft"), rows, target="error", out=folder / "prm", config=config)
        held_out = _rows(setting, policy, count=max(1, count // 2), seed=_CUT_SEED)
        return {"rows": len(rows), **_fitted(held_out, PRM.load(folder / "prm", device="cpu"))}

    below = float(unit(folder, "refreshed", compute)["below"])
    return FirstErrorCut(PRM.load(folder / "prm", device="cpu"), below)


def prm_quality(plan: VeriGatePlan, setting: Setting) -> Unit:
    """What each PRM knows of the starting policy's solutions of held-out problems.

    Per kind the AUC of its steps' scores up to the first error ("first_error"), of all steps' ("step"), and of its
    values of whole solutions ("outcome"), all against the task's own program: figure and ends of the interval.
    """

    def compute() -> Unit:
        task = setting.load(count=plan.held_out, seed=plan.data_seed)
        pools = sample(task.problems, start_policy(plan, setting), n=4, sampling=task.sampling, seed=9)
        rows = [label(WORLDS[setting.task], str(r.problem.prompt), s.text) for r in pools for s in r.pool if s.finished]
        kinds = sorted({"held_out", *(ARMS[arm].prm for arm in setting.arms)} - {"", "exact"})
        return {kind: _agreement(scorer_of(plan, setting, kind), rows) for kind in kinds}

    return unit(plan.out, f"aucs/{slug(setting.name)}", compute)


def _agreement(scorer: Scorer, rows: Sequence[Labelled]) -> dict[str, tuple[float, ...]]:
    said = scorer.score([row.problem for row in rows], [row.solution for row in rows])
    scores, values = said.steps, said.values()
    labels = [np.array(row.labels) for row in rows]
    upto = [int(np.argmin(y)) + 1 if not y.all() else len(y) for y in labels]
    pairs = {
        "first_error": [(s[:k], y[:k]) for s, y, k in zip(scores, labels, upto, strict=True)],
        "step": list(zip(scores, labels, strict=True)),
        "outcome": [(values[i : i + 1], y[-1:]) for i, y in enumerate(labels)],
    }
    _, problems = np.unique([str(row.problem.prompt) for row in rows], return_inverse=True)
    aucs = {}
    for name, of in pairs.items():
        said_of, truth = (np.concatenate(part) for part in zip(*of, strict=True))
        aucs[name] = astuple(auc_over(said_of, truth, np.repeat(problems, [len(y) for _, y in of])))
    return aucs


def auc_over(scores: Floats, labels: Floats, problems: npt.NDArray[np.intp]) -> Estimate:
    """AUC over scores (N,) of several problems, whose numbers begin at 0; a bootstrap over problems. NaN is lowest.

    >>> e = auc_over(np.array([0.9, 0.1, 0.8, 0.8] * 9), np.array([1.0, 0.0] * 18), np.arange(36) // 2)
    >>> e.value, 0.7 < e.low < 0.8 and 0.9 < e.high < 1.0
    (0.875, True)
    """
    values, places = np.unique(np.where(np.isnan(scores), -np.inf, scores), return_inverse=True)
    right, wrong = np.zeros((2, problems.max() + 1, len(values)))
    np.add.at(right, (problems, places), labels)
    np.add.at(wrong, (problems, places), 1 - labels)
    _, shares = draws(1, len(right))
    right, wrong = (np.vstack([of.sum(axis=0), shares @ of]) for of in (right, wrong))
    below = (wrong.cumsum(axis=1) - wrong / 2) * right  # of a tie half
    with np.errstate(invalid="ignore"):  # of one kind alone nothing is known
        return percentiles(below.sum(axis=1) / (right.sum(axis=1) * wrong.sum(axis=1)))


def _cut(plan: VeriGatePlan, setting: Setting, kind: str, learned: Scorer) -> float:
    def compute() -> Unit:
        rows = _rows(setting, start_policy(plan, setting), count=max(1, plan.labelled // 5), seed=_CUT_SEED)
        return _fitted(rows, learned)

    return float(unit(plan.out, f"cuts/{slug(setting.name)}_{slug(kind)}", compute)["below"])


def _fitted(rows: Sequence[Labelled], learned: Scorer) -> Unit:
    """The threshold that finds the first errors of these rows best, by ProcessBench's F1."""
    scores = learned.score([row.problem for row in rows], [row.solution for row in rows])
    cases = [
        Case(
            row.problem,
            tuple(step.text for step in row.solution.steps),
            -1 if all(row.labels) else row.labels.index(0.0),
        )
        for row in rows
    ]
    return {"below": fit_threshold(cases, scores)}


def _rows(setting: Setting, policy: Policy, *, count: int, seed: int, padded: bool = False) -> list[Labelled]:
    """Different solutions of train problems, of each four by the policy and two made up ones, labelled by program."""
    task, rng = setting.load(count=count, seed=seed, split="train"), random.Random(seed)
    pools = sample(task.problems, policy, n=4, sampling=task.sampling, seed=seed)
    texts: dict[tuple[str, str], None] = {}
    for result in pools:
        prompt = str(result.problem.prompt)
        drawn = [s.text for s in result.pool if s.finished and s.text]
        drawn += [make_up_text(setting.task, prompt, rng) for _ in range(2)]
        drawn += [misbuilt(setting.task, prompt, rng) for _ in range(len(drawn) if padded else 0)]
        texts |= dict.fromkeys((prompt, text) for text in drawn)
    # Before the first step there is no error yet.
    return [replace(label(WORLDS[setting.task], prompt, text), root=1.0) for prompt, text in texts]


def misbuilt(task: str, prompt: str, rng: random.Random) -> str:
    r"""A solution whose lines are all true, but one is repeated, left out or beside the point, or the end is missing.

    >>> misbuilt("chain", "C 7-9*3\n", random.Random(1))
    '8*3=4\n=4'
    """
    world = WORLDS[task]
    lines = world.demonstrate(prompt, rng, slips=False).splitlines(keepends=True)
    at = rng.randrange(len(lines) - 1)
    other = world.draw_prompt(rng, rng.choice(world.TRAIN_DIFFICULTY))
    beside = world.demonstrate(other, rng, slips=False).splitlines(keepends=True)[:-1]
    lines = rng.choice((
        [*lines[: at + 1], *lines[at:]],
        [*lines[:at], *lines[at + 1 :]],
        [*lines[:at], rng.choice(beside), *lines[at:]],
        lines[: at + 1],
    ))  # fmt: skip
    return "".join(lines)


def _valued(plan: VeriGatePlan, setting: Setting, policy: Policy, seed: int) -> list[Labelled]:
    """The policy's chance to end right from the problem and from every prefix of its solutions."""
    task = setting.load(count=plan.valued, seed=seed, split="train")
    values = collect_values(
        policy, task.problems, task.verifier, coverage=3, rollouts=plan.rollouts, sampling=task.sampling, seed=seed,
        out=plan.out / "values" / slug(setting.name),
    )  # fmt: skip
    return labelled(values)


@dataclass(frozen=True, slots=True)
class Noised:
    """A PRM of which a share of the scores, the same ones for the same steps, is replaced by a number by chance."""

    of: Scorer
    share: float

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"noised({self.share:g})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """N rows."""
        rows = []
        for problem, solution, row in zip(problems, solutions, self.of.score(problems, solutions).steps, strict=True):
            chances = [_chances(f"{problem.prompt}{text}") for text in accumulate(step.text for step in solution.steps)]
            noise = np.array(
                [by_chance if drawn < self.share else s for (drawn, by_chance), s in zip(chances, row, strict=True)]
            )
            rows.append(noise.astype(np.float32))
        return Scores(tuple(rows))

    def root_values(self, problems: Sequence[Problem]) -> Scores:
        """Before the first step there is no error."""
        return Scores((np.ones(1, dtype=np.float32),) * len(problems))


def _chances(text: str) -> tuple[float, float]:
    drawn = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(drawn[:8], "big") / 2**64, int.from_bytes(drawn[8:16], "big") / 2**64
