"""stepbeam's scorers: the interface that all scorers share, and those that judge whole solutions.

Rooms: interface (problems, solutions, scores), grading (answers), reward_models, genrm (generative verifiers),
combinators (scorers made from scorers). `laws` checks any scorer, `load` makes one from a folder or a name.
"""

from typing import TYPE_CHECKING

from policies.training.config import TrainConfig
from verifiers.combinators.calibration import Calibrated, Isotonic, Platt, calibrated
from verifiers.combinators.from_function import from_function, from_steps
from verifiers.combinators.weighted import weighted
from verifiers.genrm.critiqued import Critiqued
from verifiers.genrm.format import GENRM, JUDGE, GenRMFormat
from verifiers.grading.answer_verifier import AnswerVerifier
from verifiers.grading.answers import EXACT, GSM8K, MATH, Answers
from verifiers.interface.capabilities import Incremental, ValueScorer, remembering
from verifiers.interface.errors import BrokenLawError, EngineStoppedError
from verifiers.interface.lazy_exports import lazy_exports
from verifiers.interface.scoring import FloatArray, Reduce, Scorer, Scores, Spend, outcome_scores
from verifiers.interface.solution import Message, Problem, Refusal, Solution, Step, Stop, failed, split_steps
from verifiers.laws import check_scorer
from verifiers.load import load
from verifiers.reward_models.labelled import Labelled, with_outcome

if TYPE_CHECKING:
    from verifiers.combinators.cached import cached
    from verifiers.combinators.replicated import replicated
    from verifiers.genrm.judge import GenRM, Judgement
    from verifiers.genrm.llm_judge import LLMJudge
    from verifiers.genrm.train import train_genrm
    from verifiers.reward_models.implicit_reward import ImplicitReward
    from verifiers.reward_models.orm import ORM
    from verifiers.reward_models.train_dpo import Preference, preference_pairs, train_dpo
    from verifiers.reward_models.train_orm import train_orm

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
    "Calibrated",
    "Critiqued",
    "EngineStoppedError",
    "FloatArray",
    "GenRM",
    "GenRMFormat",
    "ImplicitReward",
    "Incremental",
    "Isotonic",
    "Judgement",
    "LLMJudge",
    "Labelled",
    "Message",
    "Platt",
    "Preference",
    "Problem",
    "Reduce",
    "Refusal",
    "Scorer",
    "Scores",
    "Solution",
    "Spend",
    "Step",
    "Stop",
    "TrainConfig",
    "ValueScorer",
    "cached",
    "calibrated",
    "check_scorer",
    "failed",
    "from_function",
    "from_steps",
    "load",
    "outcome_scores",
    "preference_pairs",
    "remembering",
    "replicated",
    "split_steps",
    "train_dpo",
    "train_genrm",
    "train_orm",
    "weighted",
    "with_outcome",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "GenRM": "verifiers.genrm.judge",
        "ImplicitReward": "verifiers.reward_models.implicit_reward",
        "Judgement": "verifiers.genrm.judge",
        "LLMJudge": "verifiers.genrm.llm_judge",
        "ORM": "verifiers.reward_models.orm",
        "Preference": "verifiers.reward_models.train_dpo",
        "cached": "verifiers.combinators.cached",
        "replicated": "verifiers.combinators.replicated",
        "preference_pairs": "verifiers.reward_models.train_dpo",
        "train_dpo": "verifiers.reward_models.train_dpo",
        "train_genrm": "verifiers.genrm.train",
        "train_orm": "verifiers.reward_models.train_orm",
    },
)
