r"""Made up solutions with more and rarer errors than any policy's, labelled by program; there is no end of them.

A policy's errors are mostly its few systematic ones, and its rollouts teach a verifier these. A search
through many samples finds the rare ones too, so a verifier must have seen every way to be wrong.
"""

import random
from collections.abc import Callable, Mapping

from bench.tiny.worlds import chain, countdown, last_letter, word_sort
from bench.tiny.worlds.words import WORDS
from bench.tiny.worlds.worlds import WORLDS, World, held_out
from verifiers.interface.solution import Problem, Solution, Stop, split_steps
from verifiers.reward_models.labelled import Labelled, with_outcome

NOISE = 0.08  # chance that any digit, letter or word is wrong
RARE = 0.03  # chance of a line left out or written twice, of a wrong operand, of an answer that does not follow

_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def make_up(kind: str, rng: random.Random) -> Labelled:
    """A finished solution of a train problem; its labels are 1 up to the first error and 0 from there on.

    `kind` is a task, or "chain_one_error": a rare error in a solution that is right but for it.

    >>> make_up("chain", random.Random(0)).outcome in (0.0, 1.0)
    True
    """
    world = WORLDS[_WRITERS[kind][0]]
    while held_out(prompt := world.draw_prompt(rng, rng.choice(world.TRAIN_DIFFICULTY))):
        pass
    return label(world, prompt, make_up_text(kind, prompt, rng))


def make_up_outcomes(counts: Mapping[str, int], seed: int) -> list[Labelled]:
    """`counts[kind]` made up solutions, labelled at their ends alone: 1.0 where the answer is right.

    >>> [row] = make_up_outcomes({"chain": 1}, seed=0)
    >>> row.outcome in (0.0, 1.0)
    True
    """
    rng = random.Random(seed)
    rows = [(_WRITERS[kind][0], make_up(kind, rng)) for kind, count in counts.items() for _ in range(count)]
    return [
        with_outcome(row.problem, row.solution, WORLDS[task].is_right(str(row.problem.prompt), row.solution.text))
        for task, row in rows
    ]


def make_up_text(kind: str, prompt: str, rng: random.Random) -> str:
    """A made up solution of a given problem."""
    return _WRITERS[kind][1](prompt, rng)


def label(world: World, prompt: str, text: str) -> Labelled:
    """A finished solution with the program's label a step."""
    steps = split_steps(text)
    labels = world.labels(prompt, [step.text for step in steps], finished=True)
    return Labelled(Problem(prompt.strip(), prompt), Solution(steps, Stop.EOS), tuple(map(float, labels)))


def _chain(prompt: str, rng: random.Random) -> str:
    lines = chain.demonstrate(prompt, rng, slips=True, noise=NOISE, copying=RARE).splitlines(keepends=True)
    answer = f"={rng.randint(0, 9)}" if rng.random() < RARE else lines[-1]
    return "".join(_skip_or_repeat(lines[:-1], rng)) + answer


def _chain_one_error(prompt: str, rng: random.Random) -> str:
    lines = chain.demonstrate(prompt, rng, slips=False).split("\n")[:-1]
    wrong = rng.randrange(len(lines)) if rng.random() < 0.7 else len(lines)
    value, out = int(prompt[2]), []
    for i, line in enumerate(lines):
        sign, operand = line[1], int(line[2])
        if i == wrong and rng.random() < 0.3:
            operand = rng.randint(1, 9)
        result = chain.work(value, sign, operand)
        if i == wrong and operand == int(line[2]):
            result = (result + rng.randint(1, 9)) % 10
        out.append(f"{value}{sign}{operand}={result}\n")
        value = result
    return "".join(out) + f"={value}"


def _countdown(prompt: str, rng: random.Random) -> str:
    numbers, target = countdown.parse(prompt)
    promising = rng.choice((0.3, 0.8))
    lines: list[str] = []
    while len(numbers) > 1 and (legal := list(countdown.moves(numbers))):
        move = rng.choice(legal)
        if rng.random() < promising:
            good = [m for m in legal if countdown.solvable(countdown.after(numbers, m), target)]
            move = rng.choice(good or legal)
        a, sign, b, result = move
        if sign != "-" and rng.random() < 0.5:
            a, b = b, a
        numbers = countdown.after(numbers, move)
        if rng.random() < RARE:
            wrong = rng.choice(
                (target, result + rng.choice((-10, -2, -1, 1, 2, 10)), rng.randint(1, countdown.LARGEST))
            )
            if 1 <= wrong <= countdown.LARGEST:
                numbers = tuple(sorted((*countdown.without(numbers, result), wrong)))
                result = wrong
        elif rng.random() < RARE:
            # A true line with a number that is not there (any more).
            a = rng.choice((a, rng.randint(1, 10), *(int(n) for n in prompt[2:].partition("=")[0].split())))
            forged = {"+": a + b, "-": a - b, "*": a * b}[sign]
            if 1 <= forged <= countdown.LARGEST:
                numbers = tuple(sorted((*countdown.without(numbers, result), forged)))
                result = forged
        lines.append(f"{a}{sign}{b}={result}")
        if rng.random() < RARE / 3:
            break
    return "\n".join(lines)


def _last_letter(prompt: str, rng: random.Random) -> str:
    *lines, answer = last_letter.demonstrate(prompt, rng, slips=True).splitlines(keepends=True)
    lines = [_other_letter(line, rng) if rng.random() < NOISE else line for line in lines]
    if rng.random() < 0.8:  # the answer follows from the lines as they stand
        answer = "=" + "".join(line[-2] for line in lines)
    if rng.random() < NOISE:
        at = rng.randrange(1, len(answer) + 1)
        answer = answer[:at] + rng.choice(_ALPHABET) * rng.randint(0, 1) + answer[at + rng.randint(0, 1) :]
    return "".join(_skip_or_repeat(lines, rng)) + (answer if len(answer) > 1 else "=a")


def _word_sort(prompt: str, rng: random.Random) -> str:
    words = word_sort.demonstrate(prompt, rng, slips=rng.random() < 0.5).split("\n")
    if len(words) > 1 and rng.random() < 3 * NOISE:
        i, j = rng.sample(range(len(words)), 2)
        words[i], words[j] = words[j], words[i]
    words = [rng.choice(WORDS) if rng.random() < RARE else word for word in words]
    return "\n".join(_skip_or_repeat(words, rng) or words)


def _other_letter(line: str, rng: random.Random) -> str:
    word = line[:-3]
    return f"{word} {rng.choice(word if rng.random() < 0.5 else _ALPHABET)}\n"


def _skip_or_repeat(lines: list[str], rng: random.Random) -> list[str]:
    if lines and rng.random() < RARE:
        at = rng.randrange(len(lines))
        return lines[:at] + lines[at : at + 1] * rng.choice((0, 2)) + lines[at + 1 :]
    return lines


_WRITERS: dict[str, tuple[str, Callable[[str, random.Random], str]]] = {
    "chain": ("chain", _chain),
    "chain_one_error": ("chain", _chain_one_error),
    "countdown": ("countdown", _countdown),
    "last_letter": ("last_letter", _last_letter),
    "word_sort": ("word_sort", _word_sort),
}
