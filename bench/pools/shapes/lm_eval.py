"""The samples that lm-eval logs, `samples_TASK_TIME.jsonl`: a row for each document and filter."""

from bench.inputs.rows import Row, decoded
from bench.pools.shapes.names import ANSWERS, PROMPTS
from bench.pools.shapes.solutions import solutions_in

VIEW = "view"  # a field that we add: under which filter the samples were logged, once more


def lm_eval(row: Row) -> Row | None:
    """A document with all that was sampled for it; its question is the prompt, else what the model was asked.

    >>> lm_eval({"doc_id": 3, "doc": {"question": "2+2?"}, "target": "4", "resps": [["It is 4"]], "filter": "none"})
    {'named': '3', 'view': 'none', 'prompt': '2+2?', 'answer': '4', 'solutions': ['It is 4']}
    """
    if "resps" not in row or not {"doc", "doc_id", "target", "arguments"} & row.keys():
        return None
    found = solutions_in(row["resps"], several=True)
    if found is None or _are_likelihoods(row["resps"]):
        return None
    doc = decoded(row.get("doc"))
    doc = doc if isinstance(doc, dict) else {}
    kept: Row = {"named": str(row["doc_id"])} if row.get("doc_id") is not None else {}
    kept |= {VIEW: str(row["filter"])} if row.get("filter") is not None else {}
    prompt = next((doc[name] for name in ("prompt", *PROMPTS) if isinstance(doc.get(name), str) and doc[name]), None)
    gold = row.get("target")
    if gold in (None, ""):
        gold = next((doc[name] for name in ("answer", *ANSWERS) if doc.get(name) is not None), None)
    kept |= {"prompt": _asked(row.get("arguments")) if prompt is None else prompt, "answer": gold}
    if len(found) == 1 and row.get("exact_match") in (0, 1):
        return kept | {"solutions": [{"text": found[0], "correct": bool(row["exact_match"])}]}
    return kept | {"solutions": found}


def _asked(arguments: object) -> object:
    """What the model was asked, as newer releases log it (objects) or older ones (lists); it may be a talk as text."""
    found = decoded(arguments)
    while isinstance(found, dict | list) and found:
        found = next(iter(found.values())) if isinstance(found, dict) else found[0]
    return found if isinstance(found, str) else None


def _are_likelihoods(resps: object) -> bool:
    """Whether these are the log-likelihoods of choices, each with whether it was the likeliest text."""
    given = decoded(resps)
    rows = [each for each in given if isinstance(each, list)]
    rows = [each[0] if len(each) == 1 and isinstance(each[0], list) else each for each in rows]
    return bool(rows) and all(len(each) == 2 and str(each[1]) in ("True", "False") for each in rows)
