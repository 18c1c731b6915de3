"""The arms of `stepbeam reproduce genrm` as data: what is trained on what and measured where, and how large all is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeAlias

from bench.reproduce.genrm import words
from bench.tiny.making.examples.rationales import FORMAT
from verifiers.genrm.format import GenRMFormat

TASKS = ("last_letter", "word_sort")
Kind: TypeAlias = Literal["orm", "direct", "cot", "dpo", "judge", "parts"]
Rehearsal: TypeAlias = Literal["", "parts", "whole"]
Writer: TypeAlias = Literal["", "unguided", "guided"]


@dataclass(frozen=True, slots=True)
class Suite:
    """Held-out problems of one task: as long as the longest that were verified in training, or longer."""

    task: str
    longer: bool

    @property
    def name(self) -> str:
        return f"{self.task}, {'5-6' if self.longer else '4'} words"


SUITES = tuple(Suite(task, longer) for longer in (False, True) for task in TASKS)


@dataclass(frozen=True, slots=True)
class Arm:
    """A verifier: what it is, how it is trained and on which of the rows that all share."""

    kind: Kind
    group: Literal["main", "remedy", "variant"] = "main"  # a remedy has fewer problems, a variant short ones alone too
    steps: float = 1.0  # share of the plan's `steps`; a row without a rationale is shorter, so there is time for more
    solution_weight: float = 1 / 3
    rationales: int | None = None
    rehearsal: Rehearsal = ""  # what of the base's reading, at all lengths, makes up as much of a batch
    drills: bool = False  # an ORM that learns to compare the base's lists too, at all lengths
    lora_rank: int = 0
    rate: float = 1.0  # times the plan's learning rate
    writer: Writer = ""  # the model that wrote the rationales; else a program did, which errs never
    first: int = 0  # it learns from rows[first::every]
    every: int = 1

    @property
    def trained(self) -> bool:
        """Whether it is not the base as it is."""
        return self.kind not in ("judge", "parts")

    @property
    def rational(self) -> bool:
        """Whether its verdicts come behind rationales."""
        return self.kind in ("cot", "parts")


def _cot(**options: object) -> Arm:
    return Arm("cot", "variant", **options)  # type: ignore[arg-type]


# A quarter of the rows, from which writers did not learn.
_WRITTEN = {"first": 1, "every": 4}

ARMS: dict[str, Arm] = {
    "orm": Arm("orm", steps=1.5),
    "genrm": Arm("direct", steps=1.5),
    "genrm_cot": Arm("cot"),
    "dpo": Arm("dpo", steps=0.5),
    "judge": Arm("judge"),
    "judge, in two parts": Arm("parts", "remedy"),
    "genrm_cot, rehearsal": Arm("cot", "remedy", steps=2.0, rehearsal="parts"),
    "genrm_cot, rehearsal of whole rationales": Arm("cot", "remedy", steps=2.0, rehearsal="whole"),
    "genrm_cot, LoRA": Arm("cot", "remedy", lora_rank=16),
    "genrm_cot, LoRA and whole rationales": Arm("cot", "remedy", steps=2.0, lora_rank=16, rehearsal="whole"),
    "orm, drills": Arm("orm", "remedy", steps=1.5, drills=True),
    "genrm_cot, lambda 0": _cot(solution_weight=0.0),
    "genrm_cot, lambda 1/4": _cot(solution_weight=1 / 4),
    "genrm_cot, lambda 1/2": _cot(solution_weight=1 / 2),
    "genrm_cot, lambda 1": _cot(solution_weight=1.0),
    "solutions alone": Arm("direct", "variant", solution_weight=1e4),  # beside which its verdicts weigh nothing
    "genrm_cot, 1/4 of the rows": _cot(**_WRITTEN),
    "genrm_cot, 1/16 of the rows": _cot(every=16),
    "genrm_cot, by a model": _cot(**_WRITTEN, writer="unguided"),
    "genrm_cot, by a model, one": _cot(**_WRITTEN, writer="unguided", rationales=1),
    "genrm_cot, by a guided model": _cot(**_WRITTEN, writer="guided"),
    "orm, 1/4 of the rows": Arm("orm", "variant", steps=1.5, first=1, every=4),
    "orm, 1/16 of the rows": Arm("orm", "variant", steps=1.5, every=16),
}


@dataclass(frozen=True, slots=True)
class GenRMPlan:
    """Where a reproduction works and how large it is; equal sizes give equal results."""

    out: Path
    problems: int = 60  # held-out problems a task
    longer: int = 60  # the same of longer problems
    compared: int = 30  # problems a suite on which remedies and variants are measured
    seeds: tuple[int, ...] = tuple(range(8))  # of the trainings
    suites: tuple[Suite, ...] = SUITES
    arms: tuple[str, ...] = tuple(ARMS)
    base: str = ""  # a pretrained LM's folder or hub name, for verifiers to start from; else the shipped LM
    n: int = 32  # solutions of each problem that are verified
    pool: int = 64  # solutions of each problem for self-consistency
    rows: int = 4000  # solutions a task to learn from
    steps: int = 150  # of a training of GenRM-CoT; the others' are shares of it
    writer_steps: int = 75  # of a model that writes rationales
    batch_size: int = 14
    learning_rate: float = 1e-3
    votes: int = 4  # rationales a solution
    few_votes: int = 2  # the same of variants
    many: int = 32  # rationales a solution for the curve over K
    curve: int = 60  # its problems a suite
    curve_n: int = 6  # and how many solutions of each are judged
    data_seed: int = 41
    test_seed: int = 42

    @property
    def format(self) -> GenRMFormat:
        """How the verifiers are asked."""
        return words.FORMAT if self.base else FORMAT

    @classmethod
    def quick(cls, out: Path) -> Self:
        """The smallest sizes: all stages in minutes, and figures that mean nothing."""
        return cls(
            out, problems=2, longer=1, seeds=(0,), n=3, pool=4, rows=24, steps=2, writer_steps=60, votes=2, many=4,
            curve=1, curve_n=2, few_votes=1, compared=1, batch_size=4,
        )  # fmt: skip

    def seeds_of(self, name: str) -> tuple[int, ...]:
        """The training seeds of an arm; what is not trained has one."""
        return self.seeds if ARMS[name].trained else self.seeds[:1]

    def steps_of(self, name: str) -> int | None:
        """How long an arm is trained; None for what is not trained."""
        return max(1, round(ARMS[name].steps * self.steps)) if ARMS[name].trained else None

    def suites_of(self, name: str) -> tuple[Suite, ...]:
        """Where an arm is measured."""
        return tuple(suite for suite in self.suites if not (ARMS[name].group == "variant" and suite.longer))

    def count(self, suite: Suite) -> int:
        """How many held-out problems a suite has."""
        return self.longer if suite.longer else self.problems

    def asked(self, name: str, suite: Suite) -> tuple[int, int]:
        """Of how many problems of a suite an arm judges the solutions, and with how many votes."""
        arm = ARMS[name]
        count = self.count(suite) if arm.group == "main" else min(self.compared, self.count(suite))
        votes = self.few_votes if arm.group == "variant" else self.votes
        return count, votes if arm.rational else 1


def pretrained_plan(out: Path, base: str) -> GenRMPlan:
    """The length test for verifiers that start from a pretrained LM: minutes of a GPU, or days of a CPU."""
    return GenRMPlan(
        out,
        suites=tuple(suite for suite in SUITES if suite.longer),
        arms=tuple(name for name, arm in ARMS.items() if arm.kind != "dpo" and arm.group == "main"),
        base=base,
        steps=400,
        batch_size=48,
        learning_rate=1e-4,
    )
