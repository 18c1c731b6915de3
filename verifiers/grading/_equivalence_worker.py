"""Runs as a script, in a process of its own: compares answers with Math-Verify, one JSON line at a time.

It imports nothing of the library and is never imported by it. The parent ends it by closing its stdin.
"""

import gc
import json
import os
import re
import signal
import sys
from functools import lru_cache
from typing import Any

_DIGITS = 60
_LARGEST_SET = 12


def main() -> None:
    # Whatever a dependency prints must not reach the pipe that carries the verdicts.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes our stdin
    gc.set_threshold(100_000, 50, 100)  # a third of the start goes into collecting what lives for ever
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    try:
        _bound_memory(memory)
        # The import, and the tables that the parser builds as it goes, are part of the start: the time limit of
        # the first pair is for the pair.
        _compare("2x+1", "3")
    except Exception as error:  # noqa: BLE001  the parent raises it
        _say(replies, {"error": f"{type(error).__name__}: {error}"})
        return
    _say(replies, {"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        _alarm(seconds + 1.0)
        reply = _compare(request["answer"], request["gold"])
        _alarm(0.0)
        _say(replies, reply)


def _say(replies: Any, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def _bound_memory(limit: int) -> None:
    try:
        import resource
    except ImportError:  # not on this platform
        return
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ValueError, OSError):  # a lower limit is in force, or the platform has none
        return


def _alarm(seconds: float) -> None:
    # The signal's default action ends the process even inside a C call that never returns to Python. The
    # parent kills it before that; this is for a worker whose parent was killed.
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _compare(answer: str, gold: str) -> dict[str, Any]:
    import math_verify  # noqa: F401  where it is absent the worker cannot start; any other failure is a verdict

    try:
        right = _read(gold)
        if not right:
            return {"equal": None, "reason": "Math-Verify cannot read the gold answer"}
        left = _read(answer)
        if not left:
            return {"equal": False, "reason": "Math-Verify cannot read the answer"}
        equal = _same(left, right)
    except Exception as error:  # noqa: BLE001  any failure in there is an unknown verdict, never a False
        return {"equal": None, "reason": f"Math-Verify failed: {type(error).__name__}: {str(error)[:200]}"}
    return {"equal": equal, "reason": None}


def _same(left: list[Any], right: list[Any]) -> bool:
    from math_verify import verify
    from sympy import FiniteSet, Tuple  # type: ignore[import-untyped]

    parts = [list(side[0].args) if isinstance(side[0], (FiniteSet, Tuple)) else [] for side in (left, right)]
    if all(1 < len(side) <= _LARGEST_SET for side in parts) and len(parts[0]) == len(parts[1]):
        # Math-Verify sorts both and compares in pairs, so that its verdict follows the spelling of the parts.
        if isinstance(left[0], Tuple) and isinstance(right[0], Tuple):
            return all(_same([one], [other]) for one, other in zip(*parts, strict=True))
        unused = list(parts[1])
        for one in parts[0]:
            fitting = next((other for other in unused if _same([one], [other])), None)
            if fitting is None:
                return False
            unused.remove(fitting)
        return True
    apart = _differ_at_a_point(left[0], right[0])
    if apart is not None:
        return not apart
    # Its own time limits use signals that would disturb ours, and it turns errors into False by default.
    return bool(
        verify(right, left, strict=True, allow_set_relation_comp=True, timeout_seconds=None, raise_on_error=True)
    )


def _differ_at_a_point(left: Any, right: Any) -> bool | None:
    """Whether two expressions differ, by their values at a point, which spares the slow proof; None if that is open."""
    from sympy import Expr, Float, Mul, Symbol

    for side in (left, right):
        # Math-Verify has rules of its own for names, and for products of letters that may spell one.
        if not isinstance(side, Expr) or isinstance(side, Symbol):
            return None
        if isinstance(side, Mul) and all(isinstance(factor, Symbol) for factor in side.args):
            return None
    symbols = left.free_symbols | right.free_symbols
    # Positive and of no special form, so that sqrt(x^2) = x and the like are left to the proof; with many
    # digits, so that terms which cancel leave no difference behind. One name has one value: a symbol that
    # is taken for real on one side only is another symbol.
    names = sorted({symbol.name for symbol in symbols})
    values = {name: Float(f"{1 + i}.{4142135 + 7320508 * i}", _DIGITS) for i, name in enumerate(names)}
    point = {symbol: values[symbol.name] for symbol in symbols}
    a, b = left.subs(point).evalf(_DIGITS), right.subs(point).evalf(_DIGITS)
    if not (a.is_number and b.is_number and a.is_finite and b.is_finite):
        return None
    if symbols:
        return True if abs(a - b) > 1e-3 * (1 + abs(a) + abs(b)) else None
    if _is_percent(left, right):
        return None
    # Two constants: Math-Verify rounds them to six places, to which 1/2008! and 1/2010! are both 0.
    distance, size = abs(a - b), max(abs(a), abs(b))
    if distance > 1e-5 * size:
        return True
    return False if left.has(Float) | right.has(Float) and distance < 1e-12 * size else None


def _is_percent(*sides: Any) -> bool:
    """Whether one is a percentage, which equals its number too."""
    return any(type(factor).__name__ == "UnevaluatedExpr" for side in sides for factor in side.args)


_NUMBERED = re.compile(r"(\\[A-Za-z]+)|([A-Za-z])(\d+)")
_PRIME = re.compile(r"([A-Za-z])('+)")
# Letters in products too, as in 2mE; not in words, in names (E_k, T(n)) nor of a matrix whose entries are given.
_E_OR_T = re.compile(r"(\\end\{\w+\} ?\^\{?T|\\[A-Za-z]+)|([ET])(?![_(]|[a-z]{2})")
_FUNCTION = re.compile(r"(?<![A-Za-z\\])(arcsin|arccos|arctan|sin|cos|tan|cot|sec|csc|log|ln|pi|theta)(?![A-Za-z])")
_TRIGONOMETRIC = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
_DEGREES = re.compile(r"(\d+(?:\.\d+)?|(?<![A-Za-z\\])[a-z](?![A-Za-z]))\^\\circ ?")


def _for_the_parser(text: str) -> str:
    """The text with what Math-Verify's parser would drop or take for products of letters spelled out."""
    # x2 is a name, as x_2 is, or a power that was lost: in no case 2x.
    text = _NUMBERED.sub(lambda found: found[1] or f"{found[2]}_{{{found[3]}}}", text)
    text = _PRIME.sub(lambda found: rf"{found[1]}_{{q{len(found[2])}}}", text)  # it drops primes: f' would be f
    # It takes E for the number e, and drops a power of T, which is a transpose or a number of times.
    text = _E_OR_T.sub(lambda found: found[1] or (r"\Xi " if found[2] == "E" else r"\Upsilon "), text)
    text = _FUNCTION.sub(r"\\\1 ", text)
    if _TRIGONOMETRIC.search(text):
        text = _DEGREES.sub(r"{(\1\\cdot\\frac{\\pi}{180})}", text)
    return text


def _with_imaginary_unit(value: Any) -> Any:
    """The value with i as a number: the parser takes it for a variable."""
    from sympy import Eq, Expr, FiniteSet, I, Tuple

    if isinstance(value, Eq):
        return Eq(_with_imaginary_unit(value.lhs), _with_imaginary_unit(value.rhs), evaluate=False)
    if not isinstance(value, (Expr, FiniteSet, Tuple)):
        return value
    return value.subs({symbol: I for symbol in value.free_symbols if symbol.name == "i"})


@lru_cache(maxsize=256)
def _read(text: str) -> list[Any]:
    text = _for_the_parser(text)
    found = _parsed(text)
    # The last of what it found is the text itself, by which it would compare two that it cannot compare otherwise.
    return [_with_imaginary_unit(value) for value in found]


def _parsed(text: str) -> list[Any]:
    from latex2sympy2_extended import NormalizationConfig, latex2sympy
    from math_verify import LatexExtractionConfig, parse

    # The text is an answer already: it is read whole, as LaTeX, and not searched for numbers. Bare letters
    # are variables here, whereas Math-Verify's rule for units would read "3t" as 3.
    config = LatexExtractionConfig(
        normalization_config=NormalizationConfig(
            basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="all", equations=False
        )
    )
    found: list[Any] = parse(
        f"${text}$", [config], fallback_mode="no_fallback", parsing_timeout=None, raise_on_error=True
    )
    if not found:
        # Math-Verify drops the error; a text that is too deep or too large may still be mathematics.
        try:
            latex2sympy(text)
        except (RecursionError, MemoryError):
            raise
        except Exception:  # noqa: BLE001  it cannot be read, as was found before
            return found
    return found


if __name__ == "__main__":
    main()
