"""What Qwen2.5-Math's evaluation and those made of it write: texts under `code`, verdicts under `score`."""

from bench.inputs.rows import Row
from bench.pools.shapes.solutions import solutions_in
from bench.pools.shapes.texts import decoded


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
