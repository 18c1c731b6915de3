"""The settings, arms and sizes of `stepbeam reproduce verigate`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from bench.inputs.task import Task
from bench.tiny import load_task
from bench.tiny.worlds.worlds import Split
from policies.grpo.advantages import Credit
from verifiers.interface.scoring import Scorer


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to train: the PRM ("" for none; see `prms.scorer_of`), and the options that make it so."""

    prm: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    as_outcome: bool = False  # its value of the whole solution is added to the reward
    by_answer: bool = False  # a right answer is paid without its working, as outcome rewards are
    refresh: bool = False  # it is trained again on the policy's own samples
    longer: int = 1  # times the steps


READINGS = ("all_wrong", "degenerate")  # the two accounts of when the paper's gate opens
NOISES = (0.1, 0.3, 1.0)  # of the exact PRM's labels, the share that is replaced by chance
PROVERS = ("exact", "soft", "best of 4")
MILD, STRONG = 0.5, 5.0  # alphas of PAV-RL
ALPHAS = (0.1, MILD, 1.0, STRONG)


def _gated(prms: tuple[str, ...], *, gates: tuple[str, ...] = ("all_wrong",), rules: tuple[str, ...]) -> dict[str, Arm]:
    return {
        f"{prm}, {gate}, {credit}": Arm(prm, {"gate": gate, "credit": credit})
        for credit in rules
        for prm in prms
        for gate in gates
    }


def pav_rl(prover: str, alpha: float, *, less_means: bool = False) -> str:
    """The name of an arm: the outcome plus alpha times a prover's advantage, in all groups."""
    return f"PAV-RL, {prover}, alpha {alpha:g}{', less step means' if less_means else ''}"


OUTCOME, LONGER = "outcome", "outcome, 3 times the steps"
BY_ANSWER = "outcome, by the answer alone"
PUBLISHED: Credit = "future_sum"
ARMS: dict[str, Arm] = {
    OUTCOME: Arm("", {"gate": "never"}),
    BY_ANSWER: Arm("", {"gate": "never"}, by_answer=True),
    **_gated(("exact", "soft", "sharp"), gates=READINGS, rules=(PUBLISHED, "advantage")),
    **{
        arm.replace("sharp", "refreshed"): replace(options, refresh=True)
        for arm, options in _gated(("sharp",), gates=READINGS, rules=(PUBLISHED,)).items()
    },
    **_gated(tuple(f"noise {noise:g}" for noise in NOISES), rules=(PUBLISHED,)),
    **_gated(("hazards", "padded", "padded sharp"), rules=(PUBLISHED,)),
    **_gated(("soft",), rules=("zscore_sum", "progress", "min", "first_error")),
    "soft as outcome": Arm("soft", {"gate": "never"}, as_outcome=True),
    "soft, ungated, future_sum": Arm("soft", {"gate": "always", "credit": PUBLISHED}),
    "dynamic sampling": Arm("", {"gate": "never", "resample": 3}),
    **{
        pav_rl(prover, alpha, less_means=baseline == "step"): Arm(
            prover,
            {"gate": "always", "credit": "advantage", "scale": "none", "prm_coef": alpha, "baseline": baseline},
        )
        for baseline, alphas in (("none", ALPHAS), ("step", (MILD, STRONG)))
        for prover in PROVERS
        for alpha in alphas
    },
    **_gated(("foreign",), rules=("advantage",)),
    "foreign as outcome": Arm("foreign", {"gate": "never"}, as_outcome=True),
    LONGER: Arm("", {"gate": "never"}, longer=3),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A task, the policy that learns it, and the arms in which it does."""

    task: str
    arms: tuple[str, ...]
    noise: float = 0.0  # added to every matrix of the shipped policy, in units of its own standard deviation
    difficulty: int | None = None  # of the problems; None mixes those of the split
    layers: ClassVar[int | None] = None  # of the policy; None: all that the shipped one has
    healing: ClassVar[float] = 0.0  # steps in which fewer layers learn to do without the others, in those of a PRM

    @property
    def name(self) -> str:
        """What its section and its files are called."""
        return self.task if self.layers is None else f"{self.task}, {self.layers} layers, healing {self.healing:g}"

    def healing_steps(self, prm_steps: int) -> int:
        """Steps in which fewer layers learn to do without the others; none of a policy that has all."""
        return 0 if self.layers is None else max(1, round(self.healing * prm_steps))

    def load(self, *, count: int = 1, seed: int = 0, split: Split = "test") -> Task:
        """Problems of a split; a solution is right only with its working, since answers of one digit can be guessed."""
        return load_task(self.task, count=count, seed=seed, split=split, difficulty=self.difficulty, working=True)

    def by_answer(self) -> Scorer:
        """The verifier that looks at the answer alone."""
        return load_task(self.task, count=1).verifier


SETTINGS = (
    Setting("chain", tuple(ARMS), noise=0.18),
    Setting(
        "word_sort",
        (
            OUTCOME,
            *(f"{prm}, {gate}, future_sum" for prm in ("exact", "soft", "sharp", "refreshed") for gate in READINGS),
            *(f"{prm}, all_wrong, advantage" for prm in ("exact", "soft")),
            "soft as outcome",
            "dynamic sampling",
        ),
        difficulty=6,
    ),
)


@dataclass(frozen=True, slots=True)
class Smaller(Setting):
    """A setting whose policy has half of the layers.

    It does not begin exactly as weak: of 4 samples of each of 80 problems, 0.122 and 0.203 of the two policies' were
    right with 21 steps of healing; the sizes of a whole plan have 45.
    """

    layers: ClassVar[int | None] = 2
    healing: ClassVar[float] = 0.15


# Beside those of a plan, so that a folder that was begun without it can be gone on with.
SMALLER = Smaller("chain", (OUTCOME, *(f"sharp, {gate}, {PUBLISHED}" for gate in READINGS)))
TRANSFER = (("chain", 10), ("word_sort", 4), ("countdown", None), ("last_letter", None))


@dataclass(frozen=True, slots=True)
class VeriGatePlan:
    """Where a reproduction works and how large it is; equal sizes give equal results."""

    out: Path
    seeds: tuple[int, ...] = tuple(range(8))
    settings: tuple[Setting, ...] = SETTINGS
    problems: int = 400  # to train on
    held_out: int = 100  # problems to measure accuracy on
    samples: int = 4  # of each of these during training
    final_samples: int = 16  # and after it
    transferred: int = 40  # problems of each task that was not trained on, four samples each
    steps: int = 24  # with 48, on other problems, outcome-only GRPO came to 0.95 and more of `chain` in 8 of 8 seeds
    groups: int = 24
    group_size: int = 4
    learning_rate: float = 1e-4
    evaluations: int = 6
    refreshes: int = 2
    data_seed: int = 52  # settings were chosen on the problems of 51
    labelled: int = 1500  # problems whose solutions a PRM's labels are of; a refresh takes a third of it
    prm_steps: int = 300  # of a PRM's training; a refresh takes a third of it
    prm_batch: int = 128
    valued: int = 300  # problems whose solutions' prefixes are completed, for the value PRM
    rollouts: int = 8  # completions of each

    @property
    def refresh_every(self) -> int:
        """After how many steps a PRM is refreshed."""
        return -(-self.steps // (self.refreshes + 1))

    @property
    def refreshing(self) -> tuple[int, int]:
        """A refresh's problems to train on (half as many more fit the cut), and its steps."""
        return max(1, self.labelled // 3), max(1, self.prm_steps // 3)

    @classmethod
    def quick(cls, out: Path) -> Self:
        """The smallest sizes and a few arms: all stages in minutes, and figures that mean nothing."""
        few = tuple(replace(setting, arms=tuple(arm for arm in setting.arms if arm in _FEW)) for setting in SETTINGS)
        return cls(
            out, seeds=(0, 1), settings=few, problems=6, held_out=4, samples=1, final_samples=8, transferred=2, steps=2,
            groups=2, evaluations=1, refreshes=1, labelled=30, prm_steps=2, prm_batch=8, valued=3, rollouts=2,
        )  # fmt: skip


_FEW = {
    OUTCOME,
    BY_ANSWER,
    "soft as outcome",
    "PAV-RL, best of 4, alpha 0.5",
    "sharp, all_wrong, future_sum",
    "sharp, degenerate, future_sum",
    "refreshed, all_wrong, future_sum",
}
