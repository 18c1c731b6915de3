"""Policies and scorers from what a person types on the command line."""

import hashlib
import os
import re
import sys
import warnings
from pathlib import Path

import policies
import prms
from policies.models.embedded import weights_folder
from policies.models.engine_options import DType, without_resources
from policies.policy import Policy
from verifiers.grading.answers import ANSWERS, Answers
from verifiers.interface.errors import BadArgument, BadInput, first_line
from verifiers.interface.own import object_named, own_name
from verifiers.interface.scoring import Scorer
from verifiers.interface.spec_parts import LOADED_BY, shown


def load_policy(spec: str, *, dtype: DType = "auto") -> Policy:
    """What `policies.load` takes; raises BadArgument where nothing of that name can be loaded."""
    quiet_engines()
    try:
        return policies.load(spec, dtype=dtype)
    except (ValueError, OSError, ImportError) as error:
        raise _refused("policy", spec, error) from None


def load_scorer(spec: str, *, option: str = "scorer") -> Scorer:
    """What `prms.load` takes; raises BadArgument, of this option, where nothing of that name can be loaded."""
    quiet_engines()
    try:
        return prms.load(spec)
    except (ValueError, TypeError, OSError, ImportError) as error:
        raise _refused(option, spec, error) from None


def _refused(option: str, spec: str, error: Exception) -> BadArgument:
    """What an option is told of its spec, which is said once."""
    quoted = re.escape(repr(shown(spec)))
    said = first_line(error).replace(spec, shown(spec))  # a library's own error may have all of it
    said = re.sub(rf"^{quoted}: |(^unknown \w+) {quoted}|, as in {quoted}", r"\1", said, count=1)
    return BadArgument(option, shown(spec), said)


def load_answers(name: str) -> Answers:
    """The way to read and compare answers of a name, or of one's own; raises BadArgument where there is none."""
    if name in ANSWERS:
        return ANSWERS[name]
    try:
        answers = object_named(name, "extract")
    except ValueError as error:
        raise BadArgument("answers", shown(name), first_line(error)) from None
    if not isinstance(answers, Answers):
        use = f"use {', '.join(ANSWERS)}, or module:name of verifiers.Answers of your own"
        raise BadArgument("answers", shown(name), use)
    _try_out(answers, name)
    return answers


def _try_out(answers: Answers, name: str) -> None:
    """Raise BadArgument for what no text can be read or compared with, before any is made."""
    try:
        call = "extract('')"  # a policy may say nothing
        read: object = answers.extract("")
        if not (read is None or isinstance(read, str)):
            raise TypeError(f"it gave a {type(read).__name__}, not a text or None")
        call = "canonical('1')"
        form: object = answers.canonical("1")
        if not isinstance(form, str):
            raise TypeError(f"it gave a {type(form).__name__}, not a text")
        call = "equal([('1', '1')])"
        if len(list(answers.equal([("1", "1")]))) != 1:
            raise TypeError("it gave another number of verdicts than there are pairs")
    except Exception as error:
        if isinstance(error, ValueError) and call != "extract('')":
            return  # 1 may be no answer of this task
        said = f"{type(error).__name__}: {first_line(error)}"
        raise BadArgument("answers", shown(name), f"{call} fails ({said}); mend that") from error


def separator_note(name: str, trained: str | None, given: str) -> str | None:
    r"""What a reader should know where a scorer is given steps of another format than its own.

    >>> separator_note("prm", "\n\n", "\n")
    "prm scores steps that end with '\\n' and was trained on steps that end with '\\n\\n'"
    """
    if trained is None or trained == given:
        return None
    return f"{name} scores steps that end with {given!r} and was trained on steps that end with {trained!r}"


def version_of(spec: str) -> str:
    """The spec with a digest of every model folder that it names, so that a model trained anew is another one.

    A scorer of one's own, `module:name`, is as new as its module's file.
    """
    module, _ = own_name(spec) or ("", "")
    file = getattr(sys.modules.get(module), "__file__", None)
    code = [hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]] if file else []
    return " ".join([without_resources(spec), *model_digests(spec), *code])


def model_digests(spec: str) -> list[str]:
    """A digest of the files of every model folder that a spec names."""
    from policies.training.folder import base_digest

    tiny = [weights_folder(name) for name in dict.fromkeys(re.findall(r"\btiny:(\w+)", spec))]
    named = "" if own_name(spec) else _KIND.sub("", spec)
    folders = [*tiny, *(Path(os.path.expanduser(part)) for part in re.split(r"[:,]", named) if part)]
    return [base_digest(folder) for folder in folders if folder.is_dir()]


# What of a spec is no folder, though one of its name may be there: kinds, and the names of embedded models.
_KIND = re.compile(rf"(?<![^:,=])(?:tiny:\w+|(?:{'|'.join(LOADED_BY)}):)")


def named_scorers(options: list[str]) -> dict[str, str]:
    """Names and specs of scorers written as SPEC or NAME=SPEC; a bare spec is named by its last part.

    >>> named_scorers(["tiny:orm", "mine=orm:models/run-7", "pav:tiny:prm,k=4,alpha=0.5"])
    {'orm': 'tiny:orm', 'mine': 'orm:models/run-7', 'pav': 'pav:tiny:prm,k=4,alpha=0.5'}
    >>> named_scorers(["prm:."])
    {'prm': 'prm:.'}
    >>> list(named_scorers(["judge:org/toy,base_url=http://host:8000/v1"]))
    ['toy']

    Raises BadInput where two have the same name, and for an empty spec or name.
    """
    named: dict[str, str] = {}
    for option in options:
        if given := re.fullmatch(r"([\w.-]+)=(.*)", option):
            name, spec = given.groups()
        else:
            spec, (kind, _, rest) = option, option.partition(":")
            model = rest.partition(",")[0].rpartition(":")[2]
            name = "pav" if kind == "pav" else Path(model or kind).name or kind
        if not (name and spec):
            raise BadInput(f"--scorer {shown(option)!r}: it names no scorer; write SPEC, as tiny:orm, or NAME=SPEC")
        if name in named:
            taken = f"the name {name!r} is taken by {shown(named[name])}"
            raise BadInput(f"--scorer {shown(option)}: {taken}; write NAME={shown(spec)}")
        named[name] = spec
    return named


def quiet_engines() -> None:
    """Keep the engines' own bars and advice out of the command's output; their errors still come through."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read when vLLM is imported
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"vllm\.")
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
