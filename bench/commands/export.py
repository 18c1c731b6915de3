"""`stepbeam export`: a run's pools for other tools; a training's checkpoint as a model."""

import argparse
from pathlib import Path

from bench.commands.options import path_of
from bench.inputs.tables import SUFFIXES
from verifiers.interface.errors import BadArgument, BadInput

_HUB = "hub:"
_FILES = (".eval", ".json", ".parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `stepbeam export`."""
    parser.add_argument(
        "run",
        type=path_of,
        metavar="RUN",
        help="the folder of a run or of a rerank; or a checkpoint, TRAINING/checkpoints/step-N, whose model is written",
    )
    parser.add_argument(
        "out",
        metavar="OUT",
        help="FILE.eval or FILE.json: a log of Inspect AI; FILE.parquet, or a folder: a data set; hub:OWNER/NAME: "
        "a data set on the hub, private unless --public",
    )
    parser.add_argument("--base", help="of a checkpoint: the model that its training began from; no default")
    parser.add_argument("--public", action="store_true", help="let everybody see the data set on the hub")


def run(options: argparse.Namespace) -> None:
    """Write the pools, or send them to the hub; what is there already is not replaced."""
    from bench.harnesses.dataset import push, save
    from policies.training.export import export_checkpoint, is_checkpoint

    if not is_checkpoint(options.run) and (there := _checkpoints(options.run)) is not None:
        names = ", ".join(str(path) for path in there) or "none was kept, and its model is there already"
        raise BadInput(f"{options.run}: no checkpoint of a training; of those there are: {names}")
    if is_checkpoint(options.run) != (options.base is not None):
        todo = "it is for a checkpoint" if options.base else "give the model that the training began from"
        raise BadArgument("base", options.base, todo)
    if options.public and not options.out.startswith(_HUB):
        raise BadArgument("public", "", f"it is for a data set on the hub; write {_HUB}OWNER/NAME as OUT")
    if options.out.startswith(_HUB):
        name = options.out.removeprefix(_HUB)
        count = push(options.run, name, public=options.public)
        print(f"{options.run}: {count} pools -> https://huggingface.co/datasets/{name}")
        return
    out = path_of(options.out)
    if out.exists():
        raise BadInput(f"{out}: it is there already; remove it, or choose another name")
    if options.base is not None:
        print(f"{options.run} -> {export_checkpoint(options.run, options.base, out)}")
        return
    if out.suffix not in _FILES and out.suffix.lower() in (*SUFFIXES, ".arrow", ".xlsx"):
        raise BadInput(f"{out}: no such file is written; use {', '.join(_FILES)}, or a folder's name without an ending")
    if out.suffix in (".eval", ".json"):
        try:
            from bench.harnesses.inspect_log import write_log
        except ImportError as error:
            raise BadInput(
                f"{out}: a log of Inspect takes inspect-ai ({error}): pip install 'stepbeam[inspect]'"
            ) from None
        print(f"{options.run}: {write_log(options.run, out)} solutions -> {out}")
        return
    print(f"{options.run}: {save(options.run, out)} pools -> {out}")


def _checkpoints(place: Path) -> list[Path] | None:
    """Those of a training's folder, or beside one that is not there; None of any other folder."""
    training = place.parent.parent if place.parent.name == "checkpoints" else place
    if not (training / "training.json").is_file():
        return None
    return sorted((training / "checkpoints").glob("step-*"), key=lambda path: (len(path.name), path.name))
