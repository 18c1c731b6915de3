"""The details of lighteval, a row for each document."""

from typing import Any

from bench.inputs.rows import Row, decoded
from bench.pools.shapes.solutions import solutions_in


def lighteval(row: Row) -> Row | None:
    """A document and the model's response, as releases since 0.9 save them, or flat as before.

    >>> doc = {"query": "2+2?", "choices": ["4"], "gold_index": [0], "id": "7"}
    >>> lighteval({"__doc__": doc, "__model_response__": {"text": ["It is 4", "5"]}})
    {'named': '7', 'prompt': '2+2?', 'answer': ['4'], 'solutions': ['It is 4', '5']}
    """
    doc, response = _object(row, "doc"), _object(row, "model_response")
    if doc and "query" in doc and response and "text" in response:
        prompt, found = doc["query"], response["text"]
        gold = _golds(doc)
    elif "full_prompt" in row and "predictions" in row:
        prompt, found = row.get("example") or row["full_prompt"], row["predictions"]
        gold = _golds(row) if row.get("gold") is None else row["gold"]
        doc = {}
    else:
        return None
    solutions = solutions_in(found, several=True)
    if solutions is None:
        return None
    kept: Row = {"named": str(doc["id"])} if doc.get("id") not in (None, "") else {}
    kept |= {"prompt": prompt, "answer": gold}
    verdicts = [v for v in (_object(row, "metric") or {}).values() if isinstance(v, int | float) and v in (0, 1)]
    if len(solutions) == 1 and len(verdicts) == 1:
        return kept | {"solutions": [{"text": solutions[0], "correct": bool(verdicts[0])}]}
    return kept | {"solutions": solutions}


def _object(row: Row, name: str) -> Row | None:
    found = decoded(row.get(f"__{name}__", row.get(name)))
    return found if isinstance(found, dict) else None


def _golds(doc: Row) -> list[Any] | None:
    """Those of the choices that are right; without choices, the task's own answer."""
    choices, places = decoded(doc.get("choices")), decoded(doc.get("gold_index"))
    places = places if isinstance(places, list) else [places]
    if isinstance(choices, list):
        golds = [choices[i] for i in places if isinstance(i, int) and 0 <= i < len(choices)]
        if golds:
            return golds
    specific = decoded(doc.get("specific"))
    found = specific.get("answer", specific.get("solution")) if isinstance(specific, dict) else None
    return None if found is None else [found]
