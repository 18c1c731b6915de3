"""Training a generative verifier."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from transformers import AutoModelForCausalLM

from policies.models.chat import TemplateError, check_template, encode_prompt, encode_text
from policies.training.base import add_lora, load_base, longest
from policies.training.batch_plan import Group
from policies.training.config import SOLUTION_WEIGHT, TrainConfig
from policies.training.examples import Example, continuation, fit, next_token_loss
from policies.training.folder import finish_folder, record, training_folder
from policies.training.hooks import OnMetrics
from policies.training.skipped import warn_of_skipped
from verifiers.genrm.critiqued import Critiqued, read_verdict
from verifiers.genrm.format import GENRM, GenRMFormat, verdict_ids
from verifiers.interface.arguments import check_config, check_kind, check_rows, path_argument
from verifiers.interface.digests import digest_of
from verifiers.interface.errors import check_finite, check_least
from verifiers.interface.solution import Problem
from verifiers.reward_models.train_reward import balanced_groups

_VERIFY, _SOLVE, _REHEARSE = 0, 1, 2

_ROWS = "give a list of verifiers.Critiqued; bench.training.rows.read_critiques makes them of files and dicts"


def train_genrm(
    base: str | PathLike[str],
    rows: Sequence[Critiqued],
    *,
    mode: Literal["direct", "cot"],
    out: str | PathLike[str],
    solution_weight: float = SOLUTION_WEIGHT,
    rationales: int | None = None,
    rehearsal: Sequence[tuple[str, str]] = (),
    format: GenRMFormat = GENRM,  # noqa: A002  (the name it has in GenRM)
    config: TrainConfig | None = None,
    on_metrics: OnMetrics | None = None,
) -> Path:
    r"""Teach a causal LM to answer whether a solution is right, and to solve: L_verify + weight * L_correct.

    (Zhang et al. 2024; `solution_weight` is their lambda.) L_verify is the next-token loss of
    the verdict ("direct"), or of a rationale and its verdict ("cot"); L_correct that of the right
    solutions after the problem. Each is a mean over its own tokens: were they sums, a solution of a
    hundred tokens would drown a verdict of one, and lambda would mean something else in each mode. A
    batch has `config.batch_size` verifications, and a quarter as many solutions besides.

    "cot" learns from up to `rationales` rationales a solution (all by default). One whose verdict is not
    the row's own label, or that has none, is left out with a warning that counts them.

    `rehearsal` is what the base can do and is to keep, such as longer problems than the rows have: texts, each with how
    it goes on. A batch has as many of them as verifications, with a loss of their own, so that the last of them is no
    more an end than in a rationale, which goes on.

    The ids are those of scoring: prompt, solution and rationale are tokenized apart, and the verdict is
    one token. Trained again into the same `out`, it goes on where it was interrupted and ends with the
    same weights. Returns the folder, for `GenRM.load`.

    `on_metrics` is told each row of `log.jsonl` as it is written (steps that are made again after a kill once more);
    where it fails there is a warning, and the training goes on without it.

    >>> import tempfile
    >>> from verifiers import Problem, Solution, Step, Stop
    >>> short = GenRMFormat(direct="{problem}{solution}?", cot="", solver="{problem}", verdict="?", yes="Y", no="N")
    >>> row = Critiqued(Problem("p1", "C 7-9"), Solution((Step("=8"),), Stop.EOS), True)
    >>> config = TrainConfig(max_steps=1, batch_size=1)
    >>> with tempfile.TemporaryDirectory() as out:
    ...     folder = train_genrm("tiny:policy", [row], mode="direct", out=out, format=short, config=config)
    ...     (folder / "model.safetensors").is_file()
    True

    Raises ValueError where `yes` or `no` is not one token, where no row can be trained on, where `rehearsal` is no
    sequence of pairs of texts, or where `out` belongs to another training.
    """
    config = TrainConfig() if config is None else config
    check_config(config, TrainConfig)
    rows = check_rows(rows, Critiqued, _ROWS)
    folder = path_argument("out", out)
    if mode not in ("direct", "cot"):
        raise ValueError(f"mode is {mode!r}: use 'direct' or 'cot'")
    check_finite({"solution_weight": solution_weight})
    check_kind("format", format, GenRMFormat, "give a verifiers.GenRMFormat")
    if not solution_weight >= 0:
        raise ValueError(f"solution_weight is {solution_weight}: it must be 0 (verify only) or more")
    _check_rehearsal(rehearsal)
    if rationales is not None:
        check_least(1, {"rationales": rationales})
    entry: dict[str, object] = {"kind": "genrm", "mode": mode, "format": asdict(format)}
    task = {**entry, "solution_weight": solution_weight, "rationales": rationales}
    if rehearsal:
        task["rehearsal"] = digest_of(rehearsal)
    with training_folder(folder, config, task, base=base, rows=rows) as finished:
        if finished:
            return folder
        model, tokenizer = load_base(AutoModelForCausalLM, base, config)
        check_template(tokenizer, format.chat)
        limit = longest(model, config)
        examples, right = verify_examples(tokenizer, rows, mode, format, limit=limit, rationales=rationales)
        groups = balanced_groups(right, len(examples), config)
        besides: list[tuple[list[Example], int]] = []
        if solution_weight:
            besides.append((solve_examples(tokenizer, rows, format, limit=limit), max(1, config.batch_size // 4)))
        if rehearsal:
            besides.append((rehearsed(tokenizer, rehearsal, format, limit=limit), config.batch_size))
        for more, count in besides:
            groups.append(Group(tuple(range(len(examples), len(examples) + len(more))), count))
            examples = examples + more
        if mode == "cot":
            # Room for what it learnt to say and as much again, counted from where the solution begins.
            entry["max_tokens"] = 2 * max(len(e.ids) for e in examples if e.term == _VERIFY)
            record(folder, max_tokens=entry["max_tokens"])  # for the models of checkpoints
        updates = add_lora(model, config)
        fit(
            model,
            examples,
            groups,
            next_token_loss,
            config=config,
            out=folder,
            factors=[1.0, solution_weight, 1.0],
            on_metrics=on_metrics,
        )
        finish_folder(folder, model, updates, tokenizer, entry, config)
    return folder


def verify_examples(
    tokenizer: Any,
    rows: Sequence[Critiqued],
    mode: Literal["direct", "cot"],
    words: GenRMFormat,
    *,
    limit: int | None,
    rationales: int | None = None,
) -> tuple[list[Example], list[int]]:
    """What is learnt from the rows, and which of it belongs to right solutions.

    Leaves out, with a warning, rationales with a wrong verdict or none, and what is over `limit` tokens.
    """
    yes, no = verdict_ids(partial(encode_text, tokenizer), words)
    examples: list[Example] = []
    right: list[int] = []
    skipped: dict[str, list[str]] = {}
    prompts: dict[str, list[int]] = {}
    total = 0

    def add(row: Critiqued, parts: tuple[str, str], target: list[int]) -> bool:
        try:
            if parts[0] not in prompts:
                prompts[parts[0]] = encode_prompt(tokenizer, parts[0], chat=words.chat)
        except TemplateError:
            skipped.setdefault("have a prompt that the chat template refuses", []).append(row.problem.id)
            return False
        context = prompts[parts[0]] + encode_text(tokenizer, parts[1])
        if limit is not None and len(context) + len(target) > limit:
            skipped.setdefault(f"are over {limit} tokens", []).append(row.problem.id)
            return False
        if row.right:
            right.append(len(examples))
        examples.append(continuation(context, target, term=_VERIFY))
        return True

    for row in rows:
        verdict = yes if row.right else no
        if mode == "direct":
            total += 1
            add(row, words.direct_parts(row.problem, row.solution), [verdict])
            continue
        kept = 0
        for text in row.rationales or ("",):
            if kept == rationales:
                break
            total += 1
            read = read_verdict(text, words)
            if read is None or read[1] != row.right:
                why = "have no rationale" if not text else "have no verdict" if read is None else "have a wrong verdict"
                skipped.setdefault(why, []).append(row.problem.id)
                continue
            target = [*encode_text(tokenizer, read[0]), verdict, tokenizer.eos_token_id]
            kept += add(row, words.cot_parts(row.problem, row.solution), target)
    warn_of_skipped(skipped, total, what="rows" if mode == "direct" else "rationales", stacklevel=4)
    return examples, right


def solve_examples(
    tokenizer: Any, rows: Sequence[Critiqued], words: GenRMFormat, *, limit: int | None
) -> list[Example]:
    """The different right solutions, each after its problem in the solver's format."""
    unique: Mapping[tuple[Problem, str], None] = dict.fromkeys(
        (row.problem, row.solution.text.strip()) for row in rows if row.right
    )
    examples: list[Example] = []
    skipped: dict[str, list[str]] = {}
    for problem, text in unique:
        try:
            context = encode_prompt(tokenizer, words.solver_prompt(problem), chat=words.chat)
        except TemplateError:
            skipped.setdefault("have a prompt that the chat template refuses", []).append(problem.id)
            continue
        target = [*encode_text(tokenizer, text), tokenizer.eos_token_id]
        if limit is not None and len(context) + len(target) > limit:
            skipped.setdefault(f"are over {limit} tokens", []).append(problem.id)
        else:
            examples.append(continuation(context, target, term=_SOLVE))
    if not unique:
        raise ValueError("no row is right, so there is no solution to learn: use solution_weight=0")
    warn_of_skipped(skipped, len(unique), what="right solutions", stacklevel=4)
    return examples


def rehearsed(
    tokenizer: Any, texts: Sequence[tuple[str, str]], words: GenRMFormat, *, limit: int | None
) -> list[Example]:
    """How each text goes on, without an end; ValueError where a text is empty or over `limit` tokens."""
    examples: list[Example] = []
    for given, learnt in texts:
        context, target = encode_prompt(tokenizer, given, chat=words.chat), encode_text(tokenizer, learnt)
        if not context or not target:
            raise ValueError(f"nothing to rehearse in {(given, learnt)!r}: both texts must be there")
        if limit is not None and len(context) + len(target) > limit:
            raise ValueError(f"{given[:40]!r} and how it goes on are over {limit} tokens: rehearse shorter texts")
        examples.append(continuation(context, target, term=_REHEARSE))
    return examples


def _check_rehearsal(texts: object) -> None:
    """Raises ValueError for what is no sequence of pairs: two letters of one text would be taken for a pair."""
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise ValueError(f"rehearsal is a {type(texts).__name__}: use a list of pairs, a text and how it goes on")
    for number, row in enumerate(texts):
        if not (isinstance(row, tuple | list) and len(row) == 2 and all(isinstance(text, str) for text in row)):
            raise ValueError(f"rehearsal[{number}] is {str(row)[:60]!r}: use a pair of texts, one and how it goes on")
