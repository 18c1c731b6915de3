"""What single evaluations write: HELM's `scenario_state.json`, and Qwen2.5-Math's with its texts under `code`."""

from bench.inputs.rows import Row, decoded
from bench.pools.shapes.solutions import solutions_in
from bench.pools.shapes.texts import text_of


def helm(row: Row) -> Row | None:
    """A request's instance with its references that are right, and the result's completions; a failure is one too.

    >>> right = {"output": {"text": "4"}, "tags": ["correct"]}
    >>> asked = {"id": "id7", "input": {"text": "2+2?"}, "references": [right]}
    >>> helm({"instance": asked, "result": {"success": True, "completions": [{"text": "It is 4"}]}})
    {'named': 'id7', 'prompt': '2+2?', 'answer': ['4'], 'solutions': [{'text': 'It is 4'}]}
    """
    instance, result = decoded(row.get("instance")), decoded(row.get("result"))
    if not isinstance(instance, dict) or "input" not in instance or not isinstance(result, dict):
        return None
    references = instance.get("references") or []
    golds = [text_of(each.get("output")) for each in references if "correct" in (each.get("tags") or [])]
    letters = row.get("output_mapping") or {}  # of a question of choices, which the model answers with a letter
    golds += [letter for letter, text in letters.items() if text in golds]
    made = [
        {name: value for name, value in each.items() if name in ("text", "finish_reason")}
        for each in result.get("completions") or []
    ]
    named = {"named": str(instance["id"])} if instance.get("id") is not None else {}
    solutions = made if result.get("success", True) and made else [{"text": None, "stop": "error"}]
    return named | {"prompt": text_of(instance["input"]), "answer": golds, "solutions": solutions}


def math_eval(row: Row) -> Row | None:
    """A question with its texts; `answer` and `solution` are the data set's.

    >>> math_eval({"idx": 3, "question": "2+2?", "gt": "4", "code": ["It is 4"], "pred": ["4"], "score": [True]})
    {'named': '3', 'prompt': '2+2?', 'answer': '4', 'solutions': [{'text': 'It is 4', 'correct': True}]}
    """
    texts = solutions_in(row.get("code"), several=True)
    if texts is None or "pred" not in row or not {"gt", "answer"} & row.keys():
        return None
    said = decoded(row.get("score"))
    verdicts = said if isinstance(said, list) and len(said) == len(texts) else [None] * len(texts)
    named = {"named": str(row["idx"])} if row.get("idx") is not None else {}
    solutions = [{"text": text, "correct": right} for text, right in zip(texts, verdicts, strict=True)]
    return named | {"prompt": row.get("question"), "answer": row.get("gt", row.get("answer")), "solutions": solutions}
