"""Training an outcome reward model."""

from collections.abc import Sequence
from os import PathLike

from transformers import AutoModelForSequenceClassification

from policies.training.config import TrainConfig
from policies.training.hooks import OnMetrics
from verifiers.interface.arguments import check_config, check_rows
from verifiers.reward_models.labelled import Labelled
from verifiers.reward_models.orm import ORM
from verifiers.reward_models.train_reward import train_reward_model

_ROWS = "give a list of verifiers.Labelled; bench.training.rows.read_outcomes makes them of files and dicts"


def train_orm(
    base: str | PathLike[str],
    rows: Sequence[Labelled],
    *,
    out: str | PathLike[str],
    config: TrainConfig | None = None,
    on_metrics: OnMetrics | None = None,
) -> ORM:
    r"""Teach a causal LM (or go on with an ORM or PRM) to say whether a finished solution is right.

    The loss is the cross-entropy between the head's probability at the end-of-sequence token and the
    row's outcome, which may be soft. With `config.balance` half of each batch is right, as for the
    discriminative verifier of Zhang et al. 2024: the probabilities are then those of a pool that is half
    right.

    Trained again into the same `out`, it goes on where it was interrupted and ends with the same weights; a
    finished training is loaded at once. Rows that are too long or without an outcome are left out with a
    warning.

    `on_metrics` is told each row of `log.jsonl` as it is written (steps that are made again after a kill once more);
    where it fails there is a warning, and the training goes on without it.

    >>> import tempfile
    >>> from verifiers import Problem, Solution, Stop, split_steps, with_outcome
    >>> texts = {"7-9=8\n8*3=4\n=4": True, "7-9=2\n2*3=6\n=6": False}
    >>> problem = Problem("p1", "C 7-9*3\n")
    >>> rows = [with_outcome(problem, Solution(split_steps(t), Stop.EOS), right) for t, right in texts.items()]
    >>> with tempfile.TemporaryDirectory() as out:
    ...     orm = train_orm("tiny:policy", rows, out=out, config=TrainConfig(max_steps=1, batch_size=2))
    >>> orm.score([problem], [rows[0].solution]).values().shape
    (1,)

    Raises ValueError where no row can be trained on, or `out` belongs to another training.
    """
    config = TrainConfig() if config is None else config
    check_config(config, TrainConfig)
    rows = check_rows(rows, Labelled, _ROWS)
    entry = {"kind": "orm"}
    kind = AutoModelForSequenceClassification
    train_reward_model(kind, base, rows, entry=entry, out=out, config=config, on_metrics=on_metrics)
    return ORM.load(out, device=config.device)
