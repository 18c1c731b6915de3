"""Rows as they are given, before they are named: those that are several side by side, and texts that are prompts."""

from bench.inputs.rows import Row, decoded
from bench.pools.shapes.names import ONE_SOLUTION, PROMPTS, SOLUTIONS
from bench.pools.shapes.texts import is_talk


def unfolded(row: Row, *, prompt: str | None = None) -> list[Row]:
    """The rows in a row whose prompt (of the name `prompt`, where it is given) is a list of prompts.

    >>> unfolded({"step": 3, "prompt": ["2+2?", "1+1?"], "completion": ["4", "3"]})
    [{'step': 3, 'prompt': '2+2?', 'completion': '4'}, {'step': 3, 'prompt': '1+1?', 'completion': '3'}]
    """
    names = ("prompt", *PROMPTS) if prompt is None else (prompt,)
    columns = {column.strip().lower() if prompt is None else column: column for column in row}
    name = next(
        (columns[name] for name in names if name in columns and _are_prompts(decoded(row[columns[name]]))), None
    )
    if name is None:
        return [row]
    count = len(decoded(row[name]))
    lists = {key: each for key, value in row.items() if isinstance(each := decoded(value), list) and len(each) == count}
    if len(lists) == 1:
        return [row]
    return [row | {key: each[i] for key, each in lists.items()} for i in range(count)]


def without_prompt_as_text(row: Row) -> Row:
    """A row with its solution under another name, and a `text` that is the prompt, or begins with it.

    >>> without_prompt_as_text({"text": "2+2?", "response": "4"})
    {'prompt': '2+2?', 'response': '4'}
    """
    text = row.get("text")
    if not isinstance(text, str) or not any(row.get(name) for name in (*SOLUTIONS, *ONE_SOLUTION)):
        return row
    prompt = next((row[name] for name in ("prompt", *PROMPTS) if row.get(name)), None)
    if prompt is None:
        return {"prompt" if name == "text" else name: value for name, value in row.items()}
    if isinstance(prompt, str) and text.startswith(prompt.strip()):
        return {name: value for name, value in row.items() if name != "text"}
    return row


def _are_prompts(found: object) -> bool:
    return isinstance(found, list) and bool(found) and all(isinstance(x, str) or is_talk(x) for x in found)
