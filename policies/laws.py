"""The laws of a policy, executable: run `check_policy` on your own."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from policies.policy import Extended, Policy, Sampling, Until
from verifiers.interface.arguments import check_pairs, check_policy_argument
from verifiers.interface.capabilities import remembering
from verifiers.interface.errors import BrokenLawError
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Problem, Solution, Step, Stop

Draw: TypeAlias = tuple[Problem, Solution, int]
_DRAWS = 8  # further seeds of each case, of which one at least should draw something else


def check_policy(
    policy: Policy,
    cases: Sequence[tuple[Problem, Solution]],
    *,
    sampling: Sampling | None = None,
    seed: int = 0,
    atol: float = 1e-3,
) -> None:
    r"""Check that a policy keeps the laws on which every search relies; a case is a problem and an open prefix.

    1. One row a row: a solution, and a spend with one call (`Spend` has no amount below 0). 2. `until="step"` adds
    exactly one step, or ends the solution; `until="end"` ends it. 3. The text is lossless: the prefix is kept,
    but for separators that its last step takes in, and each step but a solution's last holds the separator. 4.
    `max_tokens` bounds the whole solution. 5. The same call twice draws the same. 6. A batch equals its
    singles. 7. Permuting the rows permutes the solutions. 8. A memory (`policies.remembering`) changes no
    sample. 9. Nothing depends on earlier calls. 10. Ended prefixes are refused with a ValueError. 11. Another
    seed may draw another solution; not asked at temperature 0. 12. A log-probability a token, none above 0.

    >>> from policies import Scripted
    >>> from verifiers import Problem, Solution
    >>> policy = Scripted(lambda problem, prefix, seed: f"2+2={seed}\nThe answer is {seed}."[len(prefix.text) :])
    >>> check_policy(policy, [(Problem("p1", "2+2?"), Solution()), (Problem("p2", "2+2?"), Solution())])

    Solutions must be equal to the token; `atol` bounds float noise in their log-probabilities, in nats. Give a
    `sampling` whose `max_tokens` some rows reach, and prefixes of several lengths. Raises BrokenLawError at the
    first broken law, naming it, the problem and what was seen; ValueError where `cases` cannot test anything.
    """
    check_policy_argument(policy)
    cases = check_pairs(cases, "give a list of pairs, (problem, prefix)", name="cases")
    if len(cases) < 2 or any(prefix.stop is not Stop.OPEN for _, prefix in cases):
        raise ValueError(f"check_policy got {len(cases)} cases: give two or more, each with an open prefix")
    sampling = sampling or Sampling()
    rows = [(p, prefix, seed_at(seed, p.id, "law", i, j)) for i, (p, prefix) in enumerate(cases) for j in range(2)]
    order = np.random.default_rng(0).permutation(len(rows)).tolist()
    first: dict[Until, Sequence[Solution]] = {}
    untils: tuple[Until, ...] = ("step", "end")
    for until in untils:
        first[until] = solutions = _extend(policy, rows, until, sampling)
        _same(rows, solutions, _extend(policy, rows, until, sampling), "the same call twice draws the same", atol)
        singles = [_extend(policy, [row], until, sampling)[0] for row in rows]
        _same(rows, solutions, singles, "a batch equals its singles", atol)
        permuted = _extend(policy, [rows[i] for i in order], until, sampling)
        law = "permuting the rows permutes the solutions"
        _same([rows[i] for i in order], [solutions[i] for i in order], permuted, law, atol)
    _memory(policy, rows, sampling, atol)
    for until in untils:
        again = _extend(policy, rows, until, sampling)
        _same(rows, first[until], again, "nothing depends on earlier calls", atol)
    _refusal(policy, cases, sampling)
    if sampling.temperature > 0:
        _draws(policy, cases, sampling, seed)
    for until in untils:
        _tests_something(rows, first[until], until)


def _extend(policy: Policy, rows: Sequence[Draw], until: Until, sampling: Sampling) -> tuple[Solution, ...]:
    problems, prefixes, seeds = zip(*rows, strict=True)
    reply = policy.extend(problems, prefixes, until=until, sampling=sampling, seeds=seeds)
    if not len(rows) == len(reply.solutions) == len(reply.spend):
        raise BrokenLawError(
            f"one row a row: {len(rows)} rows got {len(reply.solutions)} solutions and {len(reply.spend)} of spend"
        )
    for i, row in enumerate(rows):
        _check_row(row, reply, i, until, sampling)
    return reply.solutions


def _tests_something(rows: Sequence[Draw], solutions: Sequence[Solution], until: Until) -> None:
    """Raise ValueError where no row was extended by any text: the laws would hold of anything."""
    if not any(
        s.stop is not Stop.FAILED and s.text != prefix.text for (_, prefix, _), s in zip(rows, solutions, strict=True)
    ):
        reason = next((s.reason for s in solutions if s.reason), "they add no text")
        raise ValueError(f"check_policy: none of {len(rows)} rows was extended with until={until!r} ({reason})")


def _check_row(row: Draw, reply: Extended, i: int, until: Until, sampling: Sampling) -> None:
    """The laws that a row keeps or breaks alone."""
    (problem, prefix, _), solution, spend = row, reply.solutions[i], reply.spend[i]

    def broken(law: str, seen: object) -> BrokenLawError:
        return BrokenLawError(
            f"{law}: problem {problem.id!r} got {seen} after the prefix {brief(prefix)}, until={until!r}"
        )

    if spend.policy_calls != 1:
        raise broken("one row a row", f"a spend of {spend.policy_calls:g} policy calls")
    if solution.stop is Stop.FAILED:
        return
    old, new = len(prefix.steps), solution.steps[len(prefix.steps) :]
    if not _keeps(prefix.steps, solution.steps[:old], sampling.separator):
        raise broken("the prefix is kept", brief(solution))
    if until == "end" and solution.stop is Stop.OPEN:
        raise broken('until="end" ends the solution', f"{brief(solution)}, which is open")
    if until == "step" and (len(new) > 1 or (len(new) < 1 and solution.stop is Stop.OPEN)):
        raise broken('until="step" adds exactly one step', f"{len(new)} steps ({brief(solution)})")
    for step in new[: None if solution.stop is Stop.OPEN else -1]:
        if sampling.separator not in step.text:
            raise broken("a step ends with its separator", f"the step {step.text!r}")
    for step in new:
        if len(step.logprobs or ()) not in (0, len(step.tokens or ())) or any(
            not p <= 1e-6 for p in step.logprobs or ()
        ):
            raise broken("a log-probability a token, none above 0", f"{step.logprobs} for {step.tokens}")
    tokens = max(solution.token_count, prefix.token_count + spend.sampled_tokens)
    if tokens > sampling.max_tokens:
        raise broken("max_tokens bounds the whole solution", f"{tokens:g} tokens, over {sampling.max_tokens}")


def _keeps(prefix: Sequence[Step], steps: Sequence[Step], separator: str) -> bool:
    if len(prefix) != len(steps) or tuple(prefix[:-1]) != tuple(steps[:-1]):
        return False
    if not prefix or prefix[-1] == steps[-1]:
        return True
    before, after = prefix[-1].text, steps[-1].text
    return after.startswith(before) and not after[len(before) :].replace(separator, "")


def _same(rows: Sequence[Draw], expected: Sequence[Solution], got: Sequence[Solution], law: str, atol: float) -> None:
    for (problem, prefix, seed), a, b in zip(rows, expected, got, strict=True):
        if _content(a) != _content(b) or not np.allclose(_logprobs(a), _logprobs(b), rtol=0.0, atol=atol):
            raise BrokenLawError(
                f"{law}: problem {problem.id!r}, seed {seed}, after the prefix {brief(prefix)}: "
                f"got {brief(a)} and then {brief(b)}"
            )


def _content(solution: Solution) -> object:
    steps = [(step.text, step.tokens, len(step.logprobs or ())) for step in solution.steps]
    return steps, solution.stop, solution.reason


def _logprobs(solution: Solution) -> list[float]:
    return [logprob for step in solution.steps for logprob in step.logprobs or ()]


def _memory(policy: Policy, rows: Sequence[Draw], sampling: Sampling, atol: float) -> None:
    """Grow every row by two steps, with a memory and without."""
    memory = remembering(policy)
    for _ in range(2):
        plain = _extend(policy, rows, "step", sampling)
        _same(rows, plain, _extend(memory, rows, "step", sampling), "a memory changes no sample", atol)
        rows = [(p, s, seed) for (p, _, seed), s in zip(rows, plain, strict=True) if s.stop is Stop.OPEN]
        if not rows:
            return


def _refusal(policy: Policy, cases: Sequence[tuple[Problem, Solution]], sampling: Sampling) -> None:
    problem, prefix = cases[0]
    for stop in (Stop.EOS, Stop.LENGTH, Stop.FAILED):
        ended = Solution((*prefix.steps, Step("end")), stop, "it broke" if stop is Stop.FAILED else None)
        try:
            policy.extend([problem], [ended], until="end", sampling=sampling, seeds=[0])
        except ValueError:
            continue
        raise BrokenLawError(
            f"ended prefixes are refused with a ValueError: problem {problem.id!r} got a reply to a prefix that "
            f"had stopped ({stop.value!r})"
        )


def _draws(policy: Policy, cases: Sequence[tuple[Problem, Solution]], sampling: Sampling, seed: int) -> None:
    for i, (problem, prefix) in enumerate(cases):
        rows = [(problem, prefix, seed_at(seed, problem.id, "draw", i, j)) for j in range(_DRAWS)]
        drawn = [s for s in _extend(policy, rows, "end", sampling) if s.stop is not Stop.FAILED]
        if len({s.text for s in drawn}) > 1:
            return
    raise BrokenLawError(
        f"another seed may draw another solution: none of {_DRAWS} seeds did, last of problem {problem.id!r}, which "
        f"got {brief(drawn[-1]) if drawn else 'failures'} (of a policy that cannot, ask with temperature=0)"
    )


def brief(solution: Solution) -> str:
    """The text of a solution, or its beginning, for a message."""
    text = solution.text
    return repr(text if len(text) <= 60 else text[:57] + "...")
