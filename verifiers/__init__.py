"""Scorers: one interface for outcome verifiers, PRMs, PAVs and generative verifiers."""

from verifiers.combinators import from_function
from verifiers.laws import BrokenLawError, check_scorer
from verifiers.scoring import FloatArray, Reduce, Scorer, Scores, Spend, outcome_scores
from verifiers.solution import Message, Problem, Solution, Step, Stop, failed, split_steps

__all__ = [
    "BrokenLawError",
    "FloatArray",
    "Message",
    "Problem",
    "Reduce",
    "Scorer",
    "Scores",
    "Solution",
    "Spend",
    "Step",
    "Stop",
    "check_scorer",
    "failed",
    "from_function",
    "outcome_scores",
    "split_steps",
]
