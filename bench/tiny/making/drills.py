r"""What the generative verifiers' base reads besides clean solutions: fair copies of drafts, and lists to compare.

A large language model has seen text copied and compared at every length before it is taught to verify.
A tiny one has not, so it is given such text here, and no verdict: a pupil's draft with a clean solution after
it, and lists of random words or letters paired up to the first difference.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import LlamaForCausalLM

from bench.tiny.making.examples.made_up import make_up_text
from bench.tiny.making.examples.rationales import (
    compare_last_letter,
    compare_last_lines,
    compare_lists,
    compare_lists_backwards,
)
from bench.tiny.making.lm import FEWER_PROMPTS, PROMPTS, LMBatch, Log, counted, fit, lm_batch, next_token_sum
from bench.tiny.worlds.words import BY_INITIAL, WORDS
from bench.tiny.worlds.worlds import WORLDS, draw_prompts

# Rows of each kind in a batch.
SOLUTIONS = {"chain": 4, "countdown": 5, "last_letter": 4, "word_sort": 7}
DRAFTS = {"chain": 5, "last_letter": 10, "word_sort": 13}
DRILLS = 28

_LONGEST = 7
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_PARTS = 3  # of a batch, by length, which saves padding

_Item = TypeVar("_Item")

Document = tuple[str, str]  # what is given, and what is learnt


def train_on_drills(
    model: LlamaForCausalLM, *, steps: int, learning_rate: float, seed: int, log: Log, title: str
) -> None:
    """Minimise the loss of what follows the given part of each document; all are fresh."""

    def loss(part: LMBatch) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return next_token_sum(model(input_ids=part[0], use_cache=False).logits, part[1])

    # The CPU's flash attention takes longer for its gradient than all other work together.
    with sdpa_kernel(SDPBackend.MATH):
        batches = map(counted, map(_parts, _documents(seed)))
        fit(model, batches, loss, steps=steps, learning_rate=learning_rate, log=log, title=title)


def _parts(documents: list[Document]) -> list[LMBatch]:
    rows = sorted(documents, key=lambda row: len(row[0]) + len(row[1]))
    size = -(-len(rows) // _PARTS)
    return [lm_batch(rows[i : i + size]) for i in range(0, len(rows), size)]


def _documents(seed: int) -> Iterator[list[Document]]:
    rng = random.Random(seed)
    prompts: dict[str, list[str]] = {}
    for name, world in WORLDS.items():
        prompts[name] = []
        for difficulty in sorted({*world.TRAIN_DIFFICULTY, *world.TEST_DIFFICULTY}):
            count = FEWER_PROMPTS.get((name, difficulty), PROMPTS[name])
            prompts[name] += draw_prompts(world, count, seed, "train", difficulty)
    while True:
        rows = [_solution(name, rng.choice(prompts[name]), rng) for name, n in SOLUTIONS.items() for _ in range(n)]
        rows += [_fair_copy(name, rng.choice(prompts[name]), rng) for name, n in DRAFTS.items() for _ in range(n)]
        yield rows + [draw_drill(rng) for _ in range(DRILLS)]


def draw_drill(rng: random.Random) -> Document:
    r"""Two lists, or two answers, and the two in pairs.

    >>> draw_drill(random.Random(2))
    ('A\nchalk\nchalk\n#chalk\n#', 'cchhaallkk\n.c!\n')
    """
    return rng.choice((_words, _letters))(rng)


def _solution(name: str, prompt: str, rng: random.Random) -> Document:
    return prompt, WORLDS[name].demonstrate(prompt, rng, slips=False)


def _fair_copy(name: str, prompt: str, rng: random.Random) -> Document:
    world = WORLDS[name]
    draft = world.demonstrate(prompt, rng, slips=True) if rng.random() < 0.6 else make_up_text(name, prompt, rng)
    return f"{prompt}{draft}\n#", world.demonstrate(prompt, rng, slips=False)


def _words(rng: random.Random) -> Document:
    own = [rng.choice(WORDS) for _ in range(rng.randint(1, _LONGEST))]
    theirs = _changed(own, rng, lambda word: _other_word(word, rng))
    mine, other = "\n".join(own), "\n".join(theirs)
    if rng.random() < 0.5:
        return f"A\n{other}\n#{mine}\n#", compare_lists(mine, other)[0]
    return f"A\n{other}\n#{mine}\n<", compare_lists_backwards(mine, other)[0]


def _letters(rng: random.Random) -> Document:
    own = [(word, rng.choice(word)) for word in rng.sample(WORDS, rng.randint(1, _LONGEST - 1))]
    theirs = _changed(own, rng, lambda pair: _other_letter(pair, rng))
    answer = [letter for _, letter in theirs]
    if rng.random() < 0.5:
        answer = _changed(answer, rng, lambda _: rng.choice(_ALPHABET))
    mine = _solved(own, [letter for _, letter in own])
    other = _solved(theirs, answer)
    if rng.random() < 0.5:
        return f"D\n{other}\n#{mine}\n#", compare_last_lines(mine, other)[0]
    return f"D\n{other}\n#{mine}\n<", compare_last_letter(mine, other)[0]


def _solved(lines: Sequence[tuple[str, str]], answer: Sequence[str]) -> str:
    return "".join(f"{word} {letter}\n" for word, letter in lines) + "=" + "".join(answer)


def _changed(items: Sequence[_Item], rng: random.Random, other: Callable[[_Item], _Item]) -> list[_Item]:
    """The same list, or one with an item changed, left out, written twice or exchanged with the next."""
    out = list(items)
    if not out or rng.random() < 0.25:
        return out
    at, kind = rng.randrange(len(out)), rng.random()
    if kind < 0.5:
        out[at] = other(out[at])
    elif kind < 0.7:
        del out[at]
    elif kind < 0.8:
        out.insert(at, rng.choice(out))
    else:
        after = (at + 1) % len(out)
        out[at], out[after] = out[after], out[at]
    return out


def _other_word(word: str, rng: random.Random) -> str:
    kind, at = rng.random(), rng.randrange(len(word))
    if kind < 0.4:
        return rng.choice(BY_INITIAL[word[0]])
    if kind < 0.6:
        return rng.choice(WORDS)
    return word[:at] + (rng.choice(_ALPHABET) if kind < 0.85 else "") + word[at + 1 :]


def _other_letter(pair: tuple[str, str], rng: random.Random) -> tuple[str, str]:
    word = pair[0]
    if rng.random() < 0.7:
        return word, rng.choice(word + rng.choice(_ALPHABET))
    return _other_word(word, rng), pair[1]
