"""What makes rollouts writes of them: vLLM's and SGLang's offline engines, and verl's data.

TRL's log and verl's dump have the usual names alone.
"""

from bench.inputs.rows import Row, decoded

_OF_REQUESTS = ("request_id", "prompt_token_ids", "prompt_logprobs", "finished", "metrics", "outputs")
_OF_OUTPUTS = ("index", "token_ids", "logprobs", "routed_experts", "lora_request")


def vllm(row: Row) -> Row | None:
    """A request with its `outputs`, each a text with the reason of its end.

    >>> vllm({"request_id": "0", "prompt": "2+2?", "outputs": [{"text": "4", "token_ids": [7]}]})
    {'prompt': '2+2?', 'solutions': [{'text': '4'}], 'named': '0'}
    """
    outputs = row.get("outputs")
    if not isinstance(outputs, list) or not outputs:
        return None
    if not all(isinstance(output, dict) and "text" in output for output in outputs):
        return None
    kept = {name: value for name, value in row.items() if name not in _OF_REQUESTS}
    solutions = [{name: value for name, value in output.items() if name not in _OF_OUTPUTS} for output in outputs]
    named = {"named": str(row["request_id"])} if row.get("request_id") is not None else {}
    return kept | {"solutions": solutions} | named


def verl(row: Row) -> Row | None:
    """A row of verl's data with its responses; the gold answer stands in `reward_model`.

    >>> verl({"prompt": "2+2?", "responses": ["4"], "reward_model": {"style": "rule", "ground_truth": "4"}})
    {'prompt': '2+2?', 'responses': ['4'], 'answer': '4'}
    """
    rule = decoded(row.get("reward_model"))
    if not isinstance(rule, dict) or rule.get("ground_truth") is None:
        return None
    return {name: value for name, value in row.items() if name != "reward_model"} | {"answer": rule["ground_truth"]}
