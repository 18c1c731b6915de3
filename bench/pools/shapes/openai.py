"""What chat and completion servers answer, saved beside the prompt, and the lines of their batches."""

from bench.inputs.rows import Row, decoded
from bench.pools.shapes.names import ANSWERS, ONE_SOLUTION, PROMPTS, SOLUTIONS, STOPS
from bench.pools.shapes.texts import is_of_the_model, text_of

_REQUESTS = (
    "request",
    "body",
    "params",
    "modelInput",
)  # where a request stands, beside its answer or in a batch's line
KEYS = ("custom_id", "key")  # of a line of a batch
_NOT_MADE: Row = {"text": None, "stop": "error"}
_OF_ANSWERS = ("id", "object", "model", "created", "usage", "system_fingerprint", "service_tier", "choices", "index")


def openai(row: Row) -> Row | None:
    """A row with its `choices`, its `response` as the server gave it, or a batch's line with the response's `body`.

    >>> openai({"id": "cmpl-1", "prompt": "2+2?", "choices": [{"index": 0, "text": "4", "finish_reason": "stop"}]})
    {'prompt': '2+2?', 'solutions': [{'text': '4', 'finish_reason': 'stop'}]}
    >>> line = {"custom_id": "q1", "response": {"status_code": 500, "body": {"error": {}}}, "error": None}
    >>> openai(line | {"prompt": "2+2?"})
    {'prompt': '2+2?', 'named': 'q1', 'solutions': [{'text': None, 'stop': 'error'}]}
    """
    if "custom_id" in row and {"response", "result", "error"} & row.keys():
        return _batch_line(row, "custom_id")
    if "key" in row and _is_of_gemini(row):
        return _batch_line(row, "key")  # else a key may be the gold answer
    row = request_of(row) | row
    found = _answers(row)
    if found is not None:
        return {name: value for name, value in row.items() if name not in _OF_ANSWERS} | {"solutions": found}
    for name in ("response", "responses", "body", *ONE_SOLUTION):
        given = decoded(row.get(name))
        each = [given] if isinstance(given, dict) else given if isinstance(given, list) else []
        answers = [_answers(each) if isinstance(each, dict) else None for each in each]
        if answers and None not in answers:
            rest = {key: value for key, value in row.items() if key != name}
            return rest | {"solutions": [solution for part in answers for solution in part or ()]}
    return None


def request_of(row: Row) -> Row:
    """What a row's request says of the problem: its prompt, and a gold answer where its `metadata` has one.

    >>> request_of({"custom_id": "q1", "body": {"model": "m", "messages": [{"role": "user", "content": "2+2?"}]}})
    {'messages': [{'role': 'user', 'content': '2+2?'}]}
    """
    found: Row = {}
    for name in _REQUESTS:
        if isinstance(inner := decoded(row.get(name)), dict):
            inner = decoded(inner.get("body", inner))
            about = {**inner, **metadata} if isinstance(metadata := inner.get("metadata"), dict) else inner
            if _is_contents(inner.get("contents")):  # Gemini's
                inner = {"messages": [{"role": "user", **turn, "content": text_of(turn)} for turn in inner["contents"]]}
            asked = {key: inner[key] for key in ("prompt", *PROMPTS) if key in inner}
            found = asked | {key: about[key] for key in ("answer", *ANSWERS) if key in about} | found
    return found


def _is_contents(found: object) -> bool:
    return isinstance(found, list) and bool(found) and all(isinstance(turn, dict) and "parts" in turn for turn in found)


def _is_of_gemini(row: Row) -> bool:
    """Whether it is a line of a batch with a response of Gemini's or a chat server's, or with an error alone."""
    response, error = decoded(row.get("response")), decoded(row.get("error"))
    if response is not None:
        return isinstance(response, dict) and bool(response.keys() & {"candidates", "choices", "promptFeedback"})
    others = (*SOLUTIONS, *ONE_SOLUTION, "solutions", "text")
    return isinstance(error, dict) and bool(error) and all(row.get(name) is None for name in others)


def _batch_line(row: Row, key: str) -> Row:
    """Of OpenAI and those who speak like it, Anthropic's, which has a `result` with a message, and Gemini's."""
    response, result = decoded(row.get("response")), decoded(row.get("result"))
    found = None
    if isinstance(response, dict):
        body = response.get("body", response)
        found = _answers(body) if isinstance(body, dict) else None
    elif isinstance(result, dict) and isinstance(result.get("message"), dict):
        found = _answers(result["message"])
    beside = {k: v for k, v in row.items() if k not in ("id", key, "response", "result", "error", *_REQUESTS)}
    return request_of(row) | beside | {"named": str(row[key]), "solutions": found or [_NOT_MADE]}


def _answers(body: Row) -> list[Row] | None:
    """The solutions in one response, of whichever interface; None where it is none."""
    choices = decoded(body.get("choices"))
    if isinstance(choices, list) and choices and all(isinstance(choice, dict) for choice in choices):
        return [_choice(choice) for choice in choices]
    output = body.get("output")
    if isinstance(output, list) and body.get("object", "response") == "response" and _has_types(output):
        details = body.get("incomplete_details")
        stop = details.get("reason") if isinstance(details, dict) else body.get("status")
        return [{"text": text_of(output), "finish_reason": stop}]
    if (said := _message(body)) is not None:
        stops = {name: each[name] for each in (body, said) for name in STOPS if name in each}
        return [{"text": text_of(said["content"]), **stops}]
    candidates = body.get("candidates")
    if isinstance(candidates, list) and candidates and all(isinstance(c, dict) and "content" in c for c in candidates):
        return candidates
    return None


def _message(body: Row) -> Row | None:
    """The one message of an answer, in `message` (Ollama's) or the answer itself (Anthropic's, llama.cpp's)."""
    message = decoded(body.get("message"))
    if isinstance(message, dict) and "content" in message and is_of_the_model(message):
        return message
    own = body.get("role", "assistant") == "assistant" and bool(body.keys() & {"stop_type", "stop_reason", "timings"})
    return body if "content" in body and own else None


def _choice(choice: Row) -> Row:
    if isinstance(turns := choice.get("turns"), list) and len(turns) == 1:  # FastChat's and LiveBench's
        choice = {"text": turns[0], **choice}
    return {name: value for name, value in choice.items() if name not in ("index", "logprobs", "token_ids", "turns")}


def _has_types(output: list[object]) -> bool:
    return bool(output) and all(isinstance(item, dict) and "type" in item for item in output)
