"""The policies of the library keep every law of `check_policy`, and each law catches a policy made to break it."""

from dataclasses import replace

import pytest

from bench.tiny import load_task, weights_folder
from policies import Extended, Replay, Sampling, Scripted, Transformers, check_policy
from policies.models.tiny_example import tiny_model
from verifiers import BrokenLawError, Problem, Solution, Step, Stop, failed, split_steps

ROOT = Solution()
ROOM = Sampling(max_tokens=40)
P1, P2 = Problem("p1", "1+1="), Problem("p2", "What is 2*3?")
CASES = [(P1, ROOT), (P1, Solution(split_steps("one\n"))), (P2, ROOT), (P2, Solution(split_steps("one\ntwo\n")))]


def says(problem, prefix, seed):
    """Two steps after the prefix, and an end."""
    return f"{problem.id} {seed % 97}\nthen {seed % 89}\nso {len(prefix.steps)}"


def test_scripted():
    check_policy(Scripted(says), CASES, sampling=ROOM)
    check_policy(Scripted(says), CASES, sampling=Sampling(max_tokens=14))
    check_policy(Scripted(lambda problem, prefix, seed: "4"), CASES, sampling=Sampling(temperature=0))


def test_replay():
    begins = {"p1": "one\n", "p2": "one\ntwo\n"}
    pools = {
        name: [Solution(split_steps(f"{start}then {i}\nso {i}"), Stop.EOS) for i in range(32)]
        for name, start in begins.items()
    }
    check_policy(Replay(pools), CASES)


def test_transformers():
    policy = Transformers(*tiny_model(), cache_bytes=0)
    check_policy(policy, CASES[1:3], sampling=Sampling(temperature=0, max_tokens=12))
    check_policy(policy.remembering(), CASES[1:3], sampling=Sampling(max_tokens=24, top_p=0.9))


def test_transformers_on_a_task():
    task = load_task("chain", count=3, seed=5)
    policy = Transformers.load(weights_folder("policy"), dtype="float32")
    sampling = replace(task.sampling, max_tokens=20)
    grown = policy.extend(task.problems, [ROOT] * 3, until="step", sampling=sampling, seeds=[1, 2, 3]).solutions
    cases = [(p, s) for p, step in zip(task.problems, grown, strict=True) for s in (ROOT, step) if s.stop is Stop.OPEN]
    check_policy(policy, cases, sampling=sampling)


class Broken:
    """A policy that makes a mistake in an otherwise right reply: `spoil(rows, reply)` gives the reply, or None."""

    def __init__(self, spoil):
        self.spoil, self.calls, self.longest = spoil, 0, 0

    def extend(self, problems, prefixes, **options):
        reply = Scripted(says).extend(problems, prefixes, **options)
        self.calls += 1
        self.longest = max(self.longest, *(len(prefix.steps) for prefix in prefixes))
        return self.spoil(self, list(prefixes), reply, options)


def each(change):
    """Spoil every solution that has not failed by `change(policy, prefix, solution, options)`."""

    def spoil(policy, prefixes, reply, options):
        rows = zip(prefixes, reply.solutions, strict=True)
        return Extended(tuple(change(policy, prefix, s, options) for prefix, s in rows), reply.spend)

    return spoil


def ending(text):
    """Another end of a solution that has one."""

    def change(policy, prefix, solution, options):
        if solution.stop is Stop.OPEN:
            return solution
        return Solution((*solution.steps[:-1], Step(solution.steps[-1].text + text(policy))), solution.stop)

    return each(change)


def by_place(policy, prefixes, reply, options):
    first = reply.solutions[0]
    return Extended((replace(first, steps=(*first.steps[:-1], Step("first\n"))), *reply.solutions[1:]), reply.spend)


def by_batch(policy, prefixes, reply, options):
    return each(lambda *row: failed(f"a batch of {len(prefixes)}"))(policy, prefixes, reply, options)


def fewer(policy, prefixes, reply, options):
    return Extended(reply.solutions[:-1], reply.spend[:-1])


def without_spend(policy, prefixes, reply, options):
    return Extended(reply.solutions)


def unlikely(policy, prefix, solution, options):
    step = replace(solution.steps[-1], tokens=(1, 2), logprobs=(0.5, -1.0))
    return replace(solution, steps=(*solution.steps[:-1], step))


def one_logprob(policy, prefix, solution, options):
    step = replace(solution.steps[-1], tokens=(1, 2), logprobs=(-0.5,))
    return replace(solution, steps=(*solution.steps[:-1], step))


def never_ends(policy, prefix, solution, options):
    return replace(solution, stop=Stop.OPEN) if options["until"] == "end" else solution


def two_steps(policy, prefix, solution, options):
    return Solution((*prefix.steps, *split_steps("a\nb\nc"))[:-1]) if options["until"] == "step" else solution


def no_step(policy, prefix, solution, options):
    return prefix if options["until"] == "step" else solution


def loses_the_prefix(policy, prefix, solution, options):
    return Solution(solution.steps[len(prefix.steps) :], solution.stop)


def strips_the_prefix(policy, prefix, solution, options):
    steps = tuple(Step(s.text.strip()) for s in prefix.steps)
    return Solution((*steps, *solution.steps[len(steps) :]), solution.stop)


def strips_steps(policy, prefix, solution, options):
    steps = tuple(Step(s.text.strip()) for s in solution.steps[len(prefix.steps) :])
    return Solution((*prefix.steps, *steps), solution.stop)


def counts_new_tokens_only(policy, prefix, solution, options):
    if solution.stop is Stop.OPEN:
        return solution
    tokens = tuple(range(options["sampling"].max_tokens))
    return Solution((*solution.steps[:-1], Step("x", (*tokens, 1))), Stop.LENGTH)


@pytest.mark.parametrize(
    ("spoil", "law", "seen"),
    [
        (fewer, "one row a row", "8 rows got 7 solutions"),
        (each(unlikely), "a log-probability a token, none above 0", "0.5"),
        (each(one_logprob), "a log-probability a token, none above 0", "(1, 2)"),
        (without_spend, "one row a row", "'p1' got a spend of 0 policy calls"),
        (each(two_steps), 'until="step" adds exactly one step', "'p1' got 2 steps"),
        (each(no_step), 'until="step" adds exactly one step', "'p1' got 0 steps"),
        (each(never_ends), 'until="end" ends the solution', "which is open after the prefix ''"),
        (each(loses_the_prefix), "the prefix is kept", "'p1' got 'p1 "),
        (each(strips_the_prefix), "the prefix is kept", "after the prefix 'one\\n'"),
        (each(strips_steps), "a step ends with its separator", "'p1' got the step 'p1 "),
        (each(counts_new_tokens_only), "max_tokens bounds the whole solution", "'p1' got 41 tokens, over 40"),
        (ending(lambda policy: f"{policy.calls}"), "the same call twice draws the same", "'p1', seed "),
        (by_batch, "a batch equals its singles", "'p1', seed "),
        (by_place, "a batch equals its singles", "'p1', seed "),
        (ending(lambda policy: f"{policy.longest > 2}"), "nothing depends on earlier calls", "False' and then"),
    ],
)
def test_a_broken_policy_is_caught(spoil, law, seen):
    with pytest.raises(BrokenLawError) as caught:
        check_policy(Broken(spoil), CASES, sampling=ROOM)
    assert str(caught.value).startswith(f"{law}: ")
    assert seen in str(caught.value)


def test_a_policy_that_goes_by_the_order_is_caught():
    places = {}

    def by_order(policy, prefixes, reply, options):
        # Singles are told from batches, in which each row says what stood before it.
        seeds = options["seeds"]
        before = [0, *seeds[:-1]]
        if len(seeds) > 1:
            places.update({seed: b for seed, b in zip(seeds, before, strict=True) if seed not in places})
        said = before if len(seeds) > 1 else [places[seeds[0]]]
        return Extended(tuple(failed(f"after {b}") for b in said), reply.spend)

    with pytest.raises(BrokenLawError, match="permuting the rows permutes the solutions: problem 'p1'"):
        check_policy(Broken(by_order), CASES, sampling=ROOM)


def test_a_memory_that_changes_a_sample_is_caught():
    class Forgetful(Scripted):
        def remembering(self):
            return Scripted(lambda problem, prefix, seed: says(problem, prefix, seed + len(prefix.steps)))

    with pytest.raises(BrokenLawError, match="a memory changes no sample: problem 'p1', seed"):
        check_policy(Forgetful(says), CASES, sampling=ROOM)


def test_a_policy_that_extends_what_has_ended_is_caught():
    class Goes(Scripted):
        def extend(self, problems, prefixes, **options):
            return super().extend(problems, [Solution(prefix.steps) for prefix in prefixes], **options)

    with pytest.raises(BrokenLawError, match=r"ended prefixes are refused.*'p1' got a reply .* stopped \('eos'\)"):
        check_policy(Goes(says), CASES, sampling=ROOM)


def test_a_policy_that_ignores_the_seed_is_caught_unless_it_is_greedy():
    with pytest.raises(BrokenLawError, match="another seed may draw another solution: none of 8 seeds did"):
        check_policy(Scripted(lambda problem, prefix, seed: "4"), CASES, sampling=ROOM)


def test_cases_that_test_nothing_are_refused():
    for cases in (CASES[:1], [*CASES, (P1, Solution((Step("4"),), Stop.EOS))]):
        with pytest.raises(ValueError, match="give two or more, each with an open prefix"):
            check_policy(Scripted(says), cases)


@pytest.mark.parametrize("until", ["step", "end"])
def test_a_policy_that_never_extends_a_row_tests_nothing(until: str) -> None:
    def refuses(policy, prefix, solution, options):
        return failed("no server", prefix.steps) if options["until"] == until else solution

    with pytest.raises(ValueError, match=rf"none of 8 rows was extended with until='{until}' \(no server\)"):
        check_policy(Broken(each(refuses)), CASES, sampling=replace(ROOM, temperature=0.0))
