"""The options of a row's question, wherever it has them."""

from bench.inputs.choices import option_texts
from bench.inputs.rows import Row
from bench.pools.shapes.names import OPTIONS_ASKED
from bench.pools.shapes.texts import decoded


def options_of(row: Row) -> list[str]:
    """The options of a row's question, without the letters that all of them begin with; none where it has none.

    >>> options_of({"choices": ["A) red", "B) blue"]}), options_of({"options": '["A. Smith", "red"]'})
    (['red', 'blue'], ['A. Smith', 'red'])
    """
    return next((texts for name in OPTIONS_ASKED if (texts := option_texts(decoded(row.get(name))))), [])
