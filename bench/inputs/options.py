"""What the commands share in reading their options."""

import argparse
import re

from bench.inputs.errors import BadInput
from verifiers.grading.answers import EXACT, GSM8K, MATH

ANSWERS = {"math": MATH, "gsm8k": GSM8K, "exact": EXACT}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


def separator(text: str) -> str:
    r"""What ends a step, as a shell passes it on: `\n`, `\r`, `\t` and `\\` are read as escapes.

    >>> separator(r"\n\n"), separator(" ки")
    ('\n\n', ' ки')
    """
    if not text:
        raise argparse.ArgumentTypeError("it is empty; name the text that ends a step, such as '\\n\\n'")
    return re.sub(r"\\([nrt\\])", lambda found: _ESCAPES[found[1]], text)


def columns(text: str) -> dict[str, str]:
    """Our names of columns, with those of a source: `prompt=problem,solutions=samples`.

    >>> columns("prompt=problem,solutions=samples")
    {'prompt': 'problem', 'solutions': 'samples'}
    """
    pairs = [part.partition("=") for part in text.split(",")]
    for ours, _, theirs in pairs:
        if not (ours and theirs):
            raise argparse.ArgumentTypeError(f"{text!r}: write OURS=THEIRS, separated by commas")
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}


def check_limit(limit: int | None) -> None:
    """Raise BadInput for a --limit that leaves nothing."""
    if limit is not None and limit < 1:
        raise BadInput(f"--limit {limit}: it must be 1 or more")
