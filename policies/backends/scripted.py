"""A policy that says what a function tells it to, for tests and for measuring everything else."""

from collections.abc import Callable, Sequence

from policies.checks import Call
from policies.policy import Extended, Sampling, Until
from verifiers.interface.arguments import check_takes, shown
from verifiers.interface.scoring import Spend
from verifiers.interface.solution import Problem, Solution, Step, Stop, split_steps


class Scripted:
    r"""A policy from a function: `reply(problem, prefix, seed)` is the text that follows the prefix, to the end.

    It is cut into steps as `verifiers.split_steps` does, and `until="step"` hands out the first of
    them. A reply may also be a whole `Solution` (say `verifiers.failed("HTTP 500")`), returned as it is;
    what `reply` raises goes through to the caller. A character counts as a token, in
    `sampling.max_tokens` and in the spend; `Step.tokens` stays None, as with a backend that gives text only.
    `calls` lists the calls so far, so that a test can look at the batches.

    >>> policy = Scripted(lambda problem, prefix, seed: f"2+2={seed}\nThe answer is {seed}."[len(prefix.text) :])
    >>> problem, sampling = Problem("p1", "What is 2+2?"), Sampling()
    >>> first = policy.extend([problem], [Solution()], until="step", sampling=sampling, seeds=[4]).solutions[0]
    >>> first
    <Solution open, 1 steps: '2+2=4\n'>
    >>> reply = policy.extend([problem], [first], until="step", sampling=sampling, seeds=[4])
    >>> reply.solutions[0].text, reply.solutions[0].finished, reply.spend[0].sampled_tokens, len(policy.calls)
    ('2+2=4\nThe answer is 4.', True, 16, 2)

    Raises BadArgument for a function that does not take the three, ValueError for a prefix that has already ended, and
    TypeError for a reply that is neither a text nor a solution.
    """

    def __init__(self, reply: Callable[[Problem, Solution, int], str | Solution]) -> None:
        check_takes("reply", reply, 3, "it is given a problem, a prefix and a seed, and returns the text behind it")
        self.reply = reply
        self.calls: list[Call] = []
        # Rows of one length share one record: making it costs as much as the rest of the row.
        self._spend: dict[int, Spend] = {}

    def extend(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> Extended:
        """Extend every prefix by what the function replies; see `policies.Policy`."""
        call = Call(problems, prefixes, until, sampling, seeds)
        self.calls.append(call)
        reply, stepwise = self.reply, until == "step"
        solutions, spend = [], []
        for problem, prefix, seed in zip(problems, prefixes, call.seeds, strict=True):
            said = reply(problem, prefix, seed)
            if isinstance(said, Solution):
                solution, sampled = said, len(said.text) - len(prefix.text)
            else:
                if not isinstance(said, str):
                    raise TypeError(f"problem {problem.id!r}: the reply is {shown(said)}; return a text or a Solution")
                solution, sampled = _extend(prefix, said, stepwise, sampling)
            solutions.append(solution)
            if sampled not in self._spend:
                self._spend[sampled] = Spend(policy_calls=1, sampled_tokens=max(sampled, 0))
            spend.append(self._spend[sampled])
        return Extended(tuple(solutions), tuple(spend))


def _extend(prefix: Solution, rest: str, stepwise: bool, sampling: Sampling) -> tuple[Solution, int]:
    """The prefix and its continuation, with the number of characters taken from `rest`."""
    separator, steps = sampling.separator, prefix.steps
    used = 0
    for step in steps:
        used += len(step.text)
    room = max(sampling.max_tokens - used, 0)
    taken = rest[:room]
    text = first_step(taken, separator) if stepwise else taken
    stop = Stop.OPEN if len(text) < len(taken) else Stop.EOS if len(rest) <= room else Stop.LENGTH
    if steps and not text.replace(separator, ""):
        # Nothing but separators: they belong to the step that they follow.
        steps = (*steps[:-1], Step(steps[-1].text + text)) if text else steps
    elif stepwise or not text:
        steps = (*steps, Step(text)) if text or stop is Stop.EOS else steps
    else:
        steps = steps + split_steps(text, separator)
    return Solution(steps, stop), len(text)


def first_step(text: str, separator: str) -> str:
    r"""The first step of `split_steps(text, separator)`, without the cost of the others.

    >>> first_step("\na\n\nb\n", "\n")
    '\na\n\n'
    """
    start = 0
    while text.startswith(separator, start):
        start += len(separator)
    end = text.find(separator, start)
    if end < 0:
        return text
    while text.startswith(separator, end):
        end += len(separator)
    return text[:end]
