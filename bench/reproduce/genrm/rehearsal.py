r"""What the base has read, at all lengths, for verifiers to keep while they learn verdicts of 2 to 4 words.

No text has a verdict, and none an end, since a rationale goes on where the text ends: with an end, verifiers
write their own solution of a longer problem and stop before they have compared it.
"""

import random
from collections.abc import Sequence

from bench.reproduce.genrm.arms import TASKS, Rehearsal
from bench.tiny.making.drills import draw_drill
from bench.tiny.making.examples.made_up import make_up_text
from bench.tiny.making.examples.rationales import FORMAT, rationale_lines
from bench.tiny.worlds.worlds import WORLDS, draw_prompts
from verifiers.interface.solution import Problem, Solution, Stop, split_steps
from verifiers.reward_models.labelled import Labelled, with_outcome

SOLVED = 1 / 6  # of the texts are clean solutions


def rehearsal(kind: Rehearsal, *, count: int, seed: int) -> list[tuple[str, str]]:
    r"""`count` texts of train problems of 2 to 6 words, each with how it goes on.

    "parts" are the base's own: clean solutions, fair copies of drafts up to the sign that a comparison follows, and
    lists of random words or letters in pairs. In "whole" the fair copies go on with the comparison with their drafts,
    as rationales do, without the verdict.

    >>> parts, whole = (rehearsal(kind, count=9, seed=0) for kind in ("parts", "whole"))
    >>> sum(len(learnt) for _, learnt in parts) < sum(len(learnt) for _, learnt in whole)
    True
    """
    rng = random.Random(f"{kind} {seed}")
    prompts = {task: _prompts(task, count, seed) for task in TASKS}
    return [_text(kind, task := rng.choice(TASKS), rng.choice(prompts[task]), rng) for _ in range(count)]


def _text(kind: Rehearsal, task: str, prompt: str, rng: random.Random) -> tuple[str, str]:
    world, which = WORLDS[task], rng.random()
    clean = world.demonstrate(prompt, rng, slips=False)
    if which < SOLVED:
        return prompt, clean
    if which > (1 + SOLVED) / 2:
        given, pairs = draw_drill(rng)
        return given[:-1], given[-1] + pairs
    draft = world.demonstrate(prompt, rng, slips=True) if rng.random() < 0.6 else make_up_text(task, prompt, rng)
    given = FORMAT.cot.format(problem=prompt.strip(), solution=draft)
    lines = rng.choice(rationale_lines(task, prompt, draft))
    return given, lines if kind == "whole" else lines[: len(clean) + 2]


def compared_lists(count: int, *, seed: int) -> list[Labelled]:
    """Lists of all lengths beside another, labelled by whether they are alike: the same reading, for an ORM."""
    rng = random.Random(f"lists {seed}")
    out = []
    for _ in range(count):
        other, _, rest = draw_drill(rng)[0].partition("\n#")
        mine = rest.rpartition("\n")[0]
        same = mine == other.partition("\n")[2]
        out.append(with_outcome(Problem(other, f"{other}\n"), Solution(split_steps(mine), Stop.EOS), same))
    return out


def _prompts(task: str, count: int, seed: int) -> Sequence[str]:
    world = WORLDS[task]
    lengths = (*world.TRAIN_DIFFICULTY, *world.TEST_DIFFICULTY)
    each = -(-count // len(lengths))
    return [prompt for length in lengths for prompt in draw_prompts(world, each, seed, "train", length)]
