"""The embedded tasks by name, ready to run."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.inputs.task import Task
from bench.tiny.worlds.worlds import WORLDS, Split, draw_prompts
from policies.policy import Sampling
from verifiers.combinators.from_function import from_function
from verifiers.grading.answers import Answers
from verifiers.interface.solution import Problem, Solution


def load_task(
    name: str,
    *,
    count: int = 100,
    seed: int = 0,
    split: Split = "test",
    difficulty: int | None = None,
    working: bool = False,
) -> Task:
    r"""`count` problems of an embedded task, the same ones for the same arguments.

    `difficulty` is the number of operations (`chain`), of numbers (`countdown`) or of words
    (`last_letter`, `word_sort`); None mixes the split's own. No prompt is in both splits, because a
    hash of the prompt decides which one it belongs to. With `working` a solution is right only if all its lines
    are: one digit of `chain` can be guessed, and a policy that makes errors in most lines is right on every tenth.

    >>> task = load_task("chain", count=3, difficulty=6)
    >>> task.problems[0].prompt
    'C 4-7-8+4*7-9*7\n'
    >>> from verifiers import Stop, split_steps
    >>> lucky = Solution(split_steps("4-7=3\n3-8=5\n5+4=9\n9*7=3\n3-9=4\n4*7=2\n=2"), Stop.EOS)
    >>> verifier = load_task("chain", count=3, difficulty=6, working=True).verifier
    >>> verifier.score(task.problems[:1], [lucky]).values().tolist()
    [0.0]

    Raises ValueError for a name, split or count that does not exist, or where the task has fewer
    problems of that difficulty.
    """
    if name not in WORLDS:
        raise ValueError(f"unknown tiny task {name!r}: use one of {', '.join(WORLDS)}")
    if split not in ("test", "train"):
        raise ValueError(f"unknown split {split!r} of task {name!r}: use 'test' or 'train'")
    if count < 1:
        raise ValueError(f"count is {count}: ask for at least one problem of task {name!r}")
    world = WORLDS[name]
    prompts = draw_prompts(world, count, seed, split, difficulty)
    problems = tuple(
        Problem(f"{name}-{split}-{seed}-{i:05d}", prompt, world.gold_answer(prompt)) for i, prompt in enumerate(prompts)
    )
    return Task(
        name,
        problems,
        Answers(world.extract, _same_text),
        from_function(_RightWorking(name) if working else _RightIn(name)),
        Sampling(max_tokens=world.MAX_TOKENS),
    )


# No closures: a task is sent to other processes.
@dataclass(frozen=True, slots=True)
class _RightIn:
    """Whether a solution is right in a world, which is named and so can be sent."""

    world: str

    def __call__(self, problem: Problem, solution: Solution) -> float:
        return float(WORLDS[self.world].is_right(str(problem.prompt), solution.text))


@dataclass(frozen=True, slots=True)
class _RightWorking:
    """Whether every line of a solution is right in a world."""

    world: str

    def __call__(self, problem: Problem, solution: Solution) -> float:
        steps = [step.text for step in solution.steps]
        return float(bool(steps) and all(WORLDS[self.world].labels(str(problem.prompt), steps, finished=True)))


def _same_text(pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
    return [answer == gold for answer, gold in pairs]
