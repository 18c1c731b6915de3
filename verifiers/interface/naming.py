"""What a scorer is called where a run writes it down."""

from pathlib import Path


def name_of(scorer: object) -> str:
    """The scorer's `name` where it has one, else the name of its class.

    >>> from verifiers import AnswerVerifier
    >>> name_of(AnswerVerifier())
    'AnswerVerifier'
    """
    name = getattr(scorer, "name", None)
    return name if isinstance(name, str) else type(scorer).__name__


def model_name(model: object) -> str:
    """The last part of where the model was loaded from; "untitled" where it was made in memory."""
    return Path(str(getattr(model, "name_or_path", "") or "untitled")).name


def policy_name(policy: object) -> str:
    """The policy's own name, else that of its model where it has one."""
    model, name = getattr(policy, "model", None), getattr(policy, "name", None)
    return name_of(policy) if model is None or isinstance(name, str) else model_name(model)
