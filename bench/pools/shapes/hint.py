"""What to do about a row that is not recognised: a `--columns` that would fit, made of its own columns."""

from collections.abc import Collection, Iterator, Sequence

from bench.inputs.rows import Row, decoded
from bench.pools.shapes.names import ANSWERS, IDS, ONE_SOLUTION, OPTIONS, PROMPTS, SOLUTIONS, STOPS
from bench.pools.shapes.solutions import solutions_in
from bench.pools.shapes.texts import is_talk

# Parts of names that sound like ours, the likest first.
_LIKE = {
    "prompt": ("prompt", "question", "problem", "query", "task", "instruct", "input", "ask", "frage", "context"),
    "answer": (
        "answer",
        "gold",
        "truth",
        "target",
        "label",
        "expected",
        "solution",
        "reference",
        "result",
        "key",
        "gt",
    ),
    "solutions": ("generat", "sampl", "complet", "respons", "output", "predict", "model", "solution", "text", "answer"),
    "correct": ("correct", "acc", "match", "right", "pass", "reward", "score", "verdict", "label"),
}
_TAKEN = {
    "prompt": ("prompt", *PROMPTS),
    "answer": ("answer", *(name for name in ANSWERS if name != "solution")),
    "solutions": ("solutions", "text", "steps", *SOLUTIONS, *ONE_SOLUTION, *OPTIONS),
}


def fitting(given: Row, missing: Collection[str]) -> str:
    """The end of a message on a row without some of "prompt", "solutions" and "answer".

    >>> fitting({"frage": "2+2?", "loesung": "4", "versuche": ["It is 4", "5"]}, ["prompt", "solutions", "answer"])
    '; try --columns prompt=frage,solutions=versuche,answer=loesung'
    >>> fitting({"question": "2+2?", "response": "4", "is_ok": "4", "acc": 1.0}, ["answer"])
    '; try --columns correct=acc'
    >>> fitting({"id": "q1", "choices": []}, ["prompt", "answer"])
    "; a reply alone holds no prompt: add 'prompt' and 'answer' to each line"
    """
    of_gemini = "key" in given and isinstance(given.get("response"), dict)
    if ("custom_id" in given or of_gemini) and "prompt" in missing and {"response", "result", "error"} & given.keys():
        return (
            f"; a batch's output holds no prompts: add 'prompt' and 'answer' to each line, by its "
            f"'{'key' if of_gemini else 'custom_id'}', or give "
            "the file of its requests with --prompts"
        )
    if "custom_id" in given and "answer" in missing:
        return "; give a file of 'custom_id' and 'answer' with --prompts (it may be repeated)"
    if {"eval", "status"} <= given.keys() and "samples" not in given:
        return "; a log of Inspect without its samples: give that of a finished evaluation (without --no-log-samples)"
    if "resps" in given and "solutions" in missing:
        return "; its 'resps' are log-likelihoods of choices, and no texts to choose from"
    taken = {name for ours, names in _TAKEN.items() if ours not in missing for name in names} | {"id", *IDS, *STOPS}
    columns = {name: value for name, value in _columns(given) if name.partition(".")[0] not in taken}
    lists = [name for name, value in columns.items() if isinstance(value, list)]
    talks = [name for name in lists if is_talk(columns[name])]
    texts = [name for name, value in columns.items() if isinstance(value, str)]
    found: dict[str, str] = {}

    def find(ours: str, names: Sequence[str], *, also_unlike: bool = True) -> None:
        left = [name for name in names if name not in found.values()]
        if left and (also_unlike or _like(ours, left)):
            found[ours] = (_like(ours, left) or left)[0]

    if "solutions" in missing:
        find("solutions", [name for name in lists if name not in talks])
        if not found:
            by_length = sorted(texts, key=lambda name: -len(str(columns[name])))
            kept = _like("prompt", texts)[:1] if "prompt" in missing else []
            find("text", [name for name in by_length + talks if name not in kept])
    if "prompt" in missing:
        find("prompt", texts + talks)
    if "answer" in missing:
        by_length = sorted(texts, key=lambda name: len(str(columns[name])))
        numbers = [name for name, value in columns.items() if isinstance(value, int | float)]
        verdicts = [name for name in numbers if columns[name] in (0, 1)]
        find("answer", by_length + [name for name in numbers if name not in verdicts], also_unlike=False)
        if "answer" not in found:
            find("correct", verdicts, also_unlike=False)
        if not {"answer", "correct"} & found.keys():
            find("answer", by_length)
    if "solutions" in missing and not {"solutions", "text"} & found.keys() and "answer" not in missing:
        golds = [name for name in ANSWERS if isinstance(given.get(name), str | int | float | list)]
        if "answer" in given and golds:  # which was taken for the gold one
            found |= {"text": "answer", "answer": golds[0]}
    order = ("prompt", "solutions", "text", "answer", "correct")
    pairs = [f"{ours}={found[ours]}" for ours in order if ours in found]
    if not pairs and "prompt" in missing and "solutions" not in missing:
        return "; a reply alone holds no prompt: add 'prompt' and 'answer' to each line"
    return f"; try --columns {','.join(pairs)}" if pairs else ""


def _like(ours: str, names: Sequence[str]) -> list[str]:
    """Those of the names that sound like ours, the likest first."""
    parts = _LIKE.get(ours, _LIKE["solutions"])
    return list(dict.fromkeys(name for part in parts for name in names if part in name.lower()))


def _columns(given: Row, prefix: str = "") -> Iterator[tuple[str, object]]:
    """The columns that could be meant, with those in objects under their paths."""
    for name, value in given.items():
        path = f"{prefix}{name}"
        found = decoded(value)
        if isinstance(found, dict) and prefix.count(".") < 2:
            yield from _columns(found, f"{path}.")
        elif not any(mark in path for mark in ",= ") and _may_be_meant(found):
            yield path, found


def _may_be_meant(value: object) -> bool:
    if isinstance(value, list):
        return is_talk(value) or bool(solutions_in(value, several=True))
    return isinstance(value, str | int | float)
