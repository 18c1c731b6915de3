"""Scorers: one interface for outcome verifiers, PRMs, PAVs and generative verifiers."""

from typing import TYPE_CHECKING, Any

from verifiers.answer_verifier import AnswerVerifier
from verifiers.answers import EXACT, GSM8K, MATH, Answers
from verifiers.combinators import from_function
from verifiers.labelled import Labelled, with_outcome
from verifiers.laws import BrokenLawError, check_scorer
from verifiers.load import load
from verifiers.scoring import (
    FloatArray,
    Incremental,
    Reduce,
    Scorer,
    Scores,
    Spend,
    ValueScorer,
    outcome_scores,
    remembering,
)
from verifiers.solution import Message, Problem, Solution, Step, Stop, failed, split_steps

if TYPE_CHECKING:
    from verifiers.orm import ORM

__all__ = [
    "EXACT",
    "GSM8K",
    "MATH",
    "ORM",
    "AnswerVerifier",
    "Answers",
    "BrokenLawError",
    "FloatArray",
    "Incremental",
    "Labelled",
    "Message",
    "Problem",
    "Reduce",
    "Scorer",
    "Scores",
    "Solution",
    "Spend",
    "Step",
    "Stop",
    "ValueScorer",
    "check_scorer",
    "failed",
    "from_function",
    "load",
    "outcome_scores",
    "remembering",
    "split_steps",
    "with_outcome",
]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, so it waits until a model is asked for.
    if name == "ORM":
        from verifiers.orm import ORM

        return ORM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
