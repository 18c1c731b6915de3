r"""The didactic environment of Setlur et al. 2024 (arXiv 2410.08146, section 3.3): find a planted subsequence.

A solution is a word of up to 10 letters out of 14, each a token and a step of its own, then the end: a vocabulary
of 15. It is right where the planted letters occur in it in their order, others in between or not. The prover
of strength gamma draws the next planted letter gamma times as likely as any other token, so its value of every prefix
is known exactly. The planted word and the form of the policy (a Llama of some 20,000 weights, where
the paper has an MLP) are our own.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from policies.backends.transformers import Transformers
from policies.policy import Sampling
from policies.training.loop import Loop, seeded
from verifiers.interface.scoring import Scores
from verifiers.interface.solution import Problem, Solution

LETTERS = "abcdefghijklmn"
ROOM = 10  # letters
PLANTED = "kebdi"
SAMPLING = Sampling(max_tokens=ROOM)
_EOS, _BOS = "<eos>", "<bos>"
PROBLEM = Problem("planted", _BOS)


def found(text: str, planted: str = PLANTED) -> int:
    r"""How many letters of the planted word a solution has in their order.

    >>> found("k\nx\ne\ne\n"), found("e\nk\n")
    (2, 1)
    """
    at = 0
    for letter in text.split("\n"):
        at += at < len(planted) and letter == planted[at]
    return at


@dataclass(frozen=True, slots=True)
class Planted:
    """The verifier: 1 where the whole planted word was found, also in a solution that was cut off."""

    planted: str = PLANTED
    name: str = "planted"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:  # noqa: ARG002
        """One number a solution, at its last step: a word that fills its room is as whole as one that ends."""
        rows = [np.full(len(s.steps), np.nan, dtype=np.float32) for s in solutions]
        for row, solution in zip(rows, solutions, strict=True):
            row[-1:] = found(solution.text, self.planted) == len(self.planted)
        return Scores(tuple(rows))


@dataclass(frozen=True, slots=True)
class Prover:
    """The exact value of every prefix under the prover of strength gamma."""

    gamma: float
    planted: str = PLANTED

    @property
    def name(self) -> str:
        """What a run writes down."""
        return f"prover(gamma={self.gamma:g})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:  # noqa: ARG002
        """The chance, after each step, that the prover finds the rest in what room is left."""
        return Scores(tuple(self._values(solution) for solution in solutions))

    def root_values(self, problems: Sequence[Problem]) -> Scores:
        """The same before the first step."""
        root = np.array([_chance(self.gamma, len(self.planted), ROOM)], dtype=np.float32)
        return Scores((root,) * len(problems))

    def _values(self, solution: Solution) -> np.ndarray[Any, np.dtype[np.float32]]:
        values, text = [], ""
        for k, step in enumerate(solution.steps):
            text += step.text
            over = solution.finished and k == len(solution.steps) - 1
            left = 0 if over else ROOM - (k + 1)
            values.append(_chance(self.gamma, len(self.planted) - found(text, self.planted), left))
        return np.array(values, dtype=np.float32)


@cache
def _chance(gamma: float, missing: int, left: int) -> float:
    if missing == 0:
        return 1.0
    if left < missing:
        return 0.0
    right = gamma / (gamma + len(LETTERS))  # the other letters and the end have weight 1 each
    wrong = (len(LETTERS) - 1) / (gamma + len(LETTERS))
    return right * _chance(gamma, missing - 1, left - 1) + wrong * _chance(gamma, missing, left - 1)


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


def imitator(*, seed: int, planted: str = PLANTED) -> Transformers:
    """A policy that has learnt from samples of the prover for a little while: batches of 64, Adam at 1e-3."""
    model, tokenizer = _imitation(seed, planted)
    return Transformers(deepcopy(model), tokenizer)  # a training changes its weights


@cache
def _imitation(seed: int, planted: str) -> tuple[LlamaForCausalLM, Any]:
    with seeded(seed):
        model, tokenizer = _model()
        words = samples(5.0, 3200, seed=seed, planted=planted)
        rng = np.random.default_rng(seed)
        model.train()

        def loss(batch: list[list[int]]) -> dict[str, torch.Tensor]:
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
    return model.eval(), tokenizer


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
