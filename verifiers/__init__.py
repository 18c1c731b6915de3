"""Scorers: one interface for outcome verifiers, PRMs, PAVs and generative verifiers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from verifiers.answer_verifier import AnswerVerifier
from verifiers.answers import EXACT, GSM8K, MATH, Answers
from verifiers.combinators import from_function
from verifiers.genrm_format import GENRM, JUDGE, GenRMFormat
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
    from verifiers.genrm import GenRM, Judgement
    from verifiers.implicit_reward import ImplicitReward
    from verifiers.llm_judge import LLMJudge
    from verifiers.orm import ORM

__all__ = [
    "EXACT",
    "GENRM",
    "GSM8K",
    "JUDGE",
    "MATH",
    "ORM",
    "AnswerVerifier",
    "Answers",
    "BrokenLawError",
    "FloatArray",
    "GenRM",
    "GenRMFormat",
    "ImplicitReward",
    "Incremental",
    "Judgement",
    "LLMJudge",
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


# What is imported only when it is asked for: torch takes seconds to import.
_LAZY = {
    "GenRM": "verifiers.genrm",
    "ImplicitReward": "verifiers.implicit_reward",
    "Judgement": "verifiers.genrm",
    "LLMJudge": "verifiers.llm_judge",
    "ORM": "verifiers.orm",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
