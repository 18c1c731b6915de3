"""What reinforcement learning writes down of its rollouts; TRL's log and verl's dump have the usual names alone."""

from bench.inputs.rows import Row
from bench.pools.shapes.texts import decoded


def verl(row: Row) -> Row | None:
    """A row of verl's data with its responses; the gold answer stands in `reward_model`.

    >>> verl({"prompt": "2+2?", "responses": ["4"], "reward_model": {"style": "rule", "ground_truth": "4"}})
    {'prompt': '2+2?', 'responses': ['4'], 'answer': '4'}
    """
    rule = decoded(row.get("reward_model"))
    if not isinstance(rule, dict) or rule.get("ground_truth") is None:
        return None
    return {name: value for name, value in row.items() if name != "reward_model"} | {"answer": rule["ground_truth"]}
