"""Whether a run is gone on with by the models that it began with: those in folders, by a digest of their files."""

from collections.abc import Collection, Iterable
from pathlib import Path

from bench.inputs.specs import model_digests
from bench.runs.plan import RunPlan
from verifiers.interface.errors import BadInput
from verifiers.interface.files import Row

POLICY = "policy"


def scorer_called(name: str) -> str:
    """What a scorer is called beside the policy."""
    return f"scorer {name}"


def digests(plan: RunPlan, needed: Collection[str]) -> dict[str, str]:
    """A digest of each of the plan's parts that is needed and has a model in a folder here."""
    specs = {POLICY: plan.policy} | {scorer_called(name): spec for name, spec in plan.scorers.items()}
    found = {name: " ".join(model_digests(spec)) for name, spec in specs.items() if name in needed}
    return {name: digest for name, digest in found.items() if digest}


def check_same(out: Path, records: Iterable[Row], now: dict[str, str]) -> None:
    """Raise BadInput where units were done by a model whose files are others now; earlier versions wrote no digests."""
    for record in records:
        for name, digest in record.get("models", {}).items():
            if now.get(name, digest) != digest:
                raise BadInput(
                    f"{out}: it was begun with another model as {name}, or the model's files have changed since or are "
                    "damaged; put them back, or choose another folder"
                )
