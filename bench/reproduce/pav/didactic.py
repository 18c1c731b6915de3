r"""The didactic environment of Setlur et al. 2024 (arXiv 2410.08146, section 3.3): find a planted subsequence.

The task is that of `bench.tiny.worlds.planted`: a vocabulary of 15, and provers whose values are known exactly. The
planted word and the form of the policy (a Llama of some 20,000 weights, where
the paper has an MLP) are our own. To end is an action of its own, as there: a step without letters.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bench.tiny.worlds.planted import LETTERS, ROOM, Planted
from policies.backends.transformers import Transformers
from policies.decoding.loop import Sampled
from policies.policy import Sampling
from policies.training.loop import Loop, seeded
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Problem, Solution, Step, Stop

PLANTED = "kebdi"
SAMPLING = Sampling(max_tokens=ROOM)
_EOS, _BOS = "<eos>", "<bos>"


def problem_of(planted: str) -> Problem:
    """The one problem; its prompt tells nothing of the word."""
    return Problem("planted", _BOS, planted)


def samples(gamma: float, count: int, *, seed: int, planted: str = PLANTED) -> list[list[int]]:
    """What the prover draws, as numbers of letters, `len(LETTERS)` for the end."""
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(count):
        word: list[int] = []
        at = 0
        while len(word) < ROOM and (not word or word[-1] != len(LETTERS)):
            weights = np.ones(len(LETTERS) + 1)
            if at < len(planted):
                weights[LETTERS.index(planted[at])] = gamma
            word.append(int(rng.choice(len(weights), p=weights / weights.sum())))
            at += at < len(planted) and word[-1] < len(LETTERS) and LETTERS[word[-1]] == planted[at]
        drawn.append(word)
    return drawn


class Speller(Transformers):
    """A policy whose end of sequence is a step of its own, which has no text."""

    def extended(self, prefix: Solution, sampled: Sampled, sampling: Sampling) -> Solution:
        """The solution that a prefix and what was sampled behind it make."""
        solution = super().extended(prefix, sampled, sampling)
        if solution.stop is not Stop.EOS or not solution.steps[-1].text:
            return solution
        *before, last = solution.steps
        tokens, logprobs = last.tokens or (), last.logprobs
        letter = Step(last.text, tokens[:-1], None if logprobs is None else logprobs[:-1])
        end = Step("", tokens[-1:], None if logprobs is None else logprobs[-1:])
        return replace(solution, steps=(*before, letter, end))


def imitator(*, seed: int, planted: str = PLANTED) -> Speller:
    """A policy that has learnt from samples of the prover for a little while: batches of 64, Adam at 1e-3."""
    return _speller(_imitation(seed, planted))


def fine_tuned(*, seed: int, planted: str = PLANTED, rollouts: int) -> Speller:
    """The imitator, which has learnt for as long again from those of its rollouts that are right, if any are."""
    return _speller(_fine_tuning(seed, planted, rollouts))


def draw(policy: Transformers, planted: str, count: int, *, seed: int, what: str) -> list[Solution]:
    """So many words by a policy; `what` they are for is part of their seeds."""
    problem = problem_of(planted)
    words: list[Solution] = []
    for begin in range(0, count, 2048):
        seeds = [seed_at(seed, what, i) for i in range(begin, min(begin + 2048, count))]
        start = [Solution()] * len(seeds)
        words += policy.extend([problem] * len(seeds), start, until="end", sampling=SAMPLING, seeds=seeds).solutions
    return words


def next_ids(policy: Transformers) -> list[int]:
    """The ids of what may come next: every letter, and the end."""
    return [_id(policy.tokenizer, letter) for letter in range(len(LETTERS) + 1)]


@cache
def _imitation(seed: int, planted: str) -> dict[str, torch.Tensor]:
    """The imitator's weights; many arms start from the same."""
    with seeded(seed):
        model, tokenizer = _model()
        return _taught(model, tokenizer, samples(5.0, 3200, seed=seed, planted=planted), seed)


@cache
def _fine_tuning(seed: int, planted: str, rollouts: int) -> dict[str, torch.Tensor]:
    start = imitator(seed=seed, planted=planted)
    drawn = draw(start, planted, rollouts, seed=seed, what="right samples")
    right = Planted().score([problem_of(planted)] * len(drawn), drawn).values() == 1.0
    words = [
        [LETTERS.index(letter) for letter in word.text.split()] + [len(LETTERS)] * (word.stop is Stop.EOS)
        for word, good in zip(drawn, right, strict=True)
        if good
    ]
    with seeded(seed):
        return _taught(start.model, start.tokenizer, words, seed) if words else _imitation(seed, planted)


def _taught(model: Any, tokenizer: Any, words: Sequence[Sequence[int]], seed: int) -> dict[str, torch.Tensor]:
    """A model's weights after 50 batches of these words."""
    rng = np.random.default_rng(seed)
    model.train()

    def loss(batch: list[Sequence[int]]) -> dict[str, torch.Tensor]:
        ids = torch.full((len(batch), ROOM + 1), -100)
        ids[:, 0] = tokenizer.bos_token_id
        for i, word in enumerate(batch):
            ids[i, 1 : 1 + len(word)] = torch.tensor([_id(tokenizer, letter) for letter in word])
        logits = model(input_ids=ids[:, :-1].clamp(min=0)).logits
        return {"loss": cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=-100)}

    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loop = Loop(model=model, optimizer=optimizer, steps=50, rate=lambda _: 1e-3, max_grad_norm=0.0)
    for _ in loop:
        loop.update([[words[i] for i in rng.integers(0, len(words), 64)]], loss)
    return {name: value.clone() for name, value in model.state_dict().items()}


def _speller(weights: dict[str, torch.Tensor]) -> Speller:
    model, tokenizer = _model()
    model.load_state_dict(weights)
    return Speller(model.eval(), tokenizer)


def _id(tokenizer: Any, letter: int) -> int:
    return int(tokenizer.eos_token_id if letter == len(LETTERS) else tokenizer.bos_token_id + 1 + letter)


def _model() -> tuple[LlamaForCausalLM, Any]:
    # Each letter's token holds the line break that ends its step.
    vocabulary = {token: i for i, token in enumerate([_EOS, _BOS, *(f"{letter}\n" for letter in LETTERS)])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=_EOS))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[^\n]*\n"), "isolated")
    backend.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=_EOS, bos_token=_BOS)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=ROOM + 2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config), tokenizer
