"""A policy on any server that speaks OpenAI's protocol."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Self

from policies.backends.in_flight import Answer, Loop, RowsInFlight
from policies.backends.openai_client import Servers
from policies.backends.openai_text import TextRows
from policies.backends.openai_verdicts import gathered, verdict
from policies.backends.servers.start import Card, one_card
from policies.checks import check_call
from policies.models.engine_options import Chat, with_chat
from policies.policy import Extended, NextTokens, Sampling, TextVerdicts, Until
from verifiers.interface.arguments import check_kind, path_argument
from verifiers.interface.errors import BadInput
from verifiers.interface.scoring import Scores
from verifiers.interface.solution import Problem, Solution

if TYPE_CHECKING:
    from policies.backends.openai_ids import IdRows

# Whose chats go on from an assistant's message, by what their lists of models say of the owner.
_CONTINUING = ("vllm", "sglang", "llamacpp")


class OpenAI:
    """A policy from the model of one or more servers that speak OpenAI's protocol.

    Each row is one HTTP request with its own seed; up to `connections` are in flight, and of several addresses the one
    with the fewest is asked. A request that takes longer than `seconds`, or that another try may mend (429, 5xx, a
    broken connection, a reply that is no answer), is sent again up to `tries` times in all, after a growing wait of
    random length; one that is refused is sent to the next address. An address that asks to be left alone (429,
    Retry-After) is not asked meanwhile, and tries there count only where it answers nobody. A row without an
    answer is a failed row with its reason. Where every row of a call fails and none was ever answered because the
    server is not there, takes no key or has no such model, EngineStoppedError is raised.

    A server of vLLM's is spoken to in token ids, by the `tokenizer` that it names itself or that is named here: prompts
    and steps are then those of `policies.VLLM`, log-probabilities are told at temperature 0 and 1 (without `top_p` and
    `top_k`), and `encode`, `next_token_probs` and `logprobs` work. Any other, or any with `tokenizer=False`, is spoken
    to in texts: chat messages, or with `chat=False` texts to complete. Steps are then cut in the text, tokens and
    log-probabilities are None, and what a prefix takes of `max_tokens` is reckoned: a token for four bytes. A chat can
    only go on from a prefix where the server takes `continue_final_message`: vLLM's, SGLang's and llama.cpp's are known
    to, of others `continues=True` says so. What it cannot do is refused by name.

    Spend is what the server's `usage` says, NaN where it does not say; FLOPs are never known. The key is read from the
    environment, out of `key_env`, and is written nowhere. Threads may share a policy. Use it as a context manager, or
    call `close`.

        with policies.OpenAI("Qwen/Qwen2.5-7B-Instruct", base_url="http://localhost:8000/v1") as policy:
            results = search.best_of_n(problems, policy, scorer, n=64)

    Raises ImportError where the client `openai` is not installed, and BadInput where no address can be asked, a key is
    missing or refused, for a model that a vLLM server, or one of several, does not have, and for arguments of a chat
    template that are no JSON.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | Sequence[str] | None = None,
        key_env: str | None = None,
        chat: Chat = True,
        tokenizer: str | PathLike[str] | bool = True,
        continues: bool | None = None,
        connections: int = 64,
        seconds: float = 600.0,
        tries: int = 6,
    ) -> None:
        check_kind("model", model, str, "give the name that the server has for it")
        if not isinstance(tokenizer, str | bool):
            tokenizer = path_argument("tokenizer", tokenizer, "give True, False, a folder's path or a hub's name")
        self.model = model
        self._loop = Loop()
        try:
            self._servers = Servers.at(base_url, key_env=key_env, connections=connections, seconds=seconds, tries=tries)
            self._loop.at_end.append(self._servers.close)
            [cards] = self._loop.run(self._servers.listed(model))
            self._rows = self._speaking(cards, chat, tokenizer, continues)
        except BaseException:
            self.close()
            raise

    def _speaking(
        self, cards: Sequence[Card], chat: Chat, tokenizer: str | PathLike[str] | bool, continues: bool | None
    ) -> IdRows | TextRows:
        """How the servers are spoken to: in ids where all are vLLM's, else in texts."""
        names = {card.id for card in cards}
        owners = {card.owner for card in cards}
        # vLLM's replies name the model that was asked for, others' what the name stands for (gpt-4o-2024-08-06).
        others = frozenset(n for n in names if not n.startswith(self.model)) if owners == {"vllm"} else frozenset()
        if tokenizer is True and owners != {"vllm"}:
            tokenizer = False
        if tokenizer is False:
            goes_on = bool(owners) and owners <= set(_CONTINUING) if continues is None else continues
            known = chat is not False or (bool(owners) and owners <= set(_CONTINUING))  # /completions had five
            return TextRows(self._servers, self.model, chat, goes_on, others, most_likely=20 if known else 5)
        from policies.backends.openai_ids import IdRows
        from policies.models.pretrained import checked_source, load_config, load_tokenizer

        card = one_card(self.model, cards, one_root=tokenizer is True)
        try:
            source = checked_source(card.root or self.model if tokenizer is True else tokenizer)
            loaded = load_tokenizer(source), load_config(source)
        except (ValueError, OSError) as error:
            raise BadInput(
                f"{self._servers.urls[0]}: rows are sent as ids, and the tokenizer cannot be loaded ({error}): name "
                "its folder or hub name with tokenizer=, or send texts with tokenizer=no"
            ) from error
        return IdRows(self._servers, self._loop, self.model, *loaded, chat=chat, context=card.context, others=others)

    @property
    def name(self) -> str:
        """What a run writes down: the model's name, and what its chat template is given, or that it is left out."""
        rows = self._rows
        return with_chat(Path(self.model).name, rows.chat) if isinstance(rows, TextRows) else rows.name

    @property
    def uses_chat_template(self) -> bool:
        """Whether prompts go through a chat template."""
        return self._rows.uses_chat_template

    def extend(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        until: Until,
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> Extended:
        """Extend every prefix by a step or to its end; see `policies.Policy`."""
        rows = self.stream()
        answers: dict[int, Answer] = {}
        try:
            numbers = rows.add(problems, prefixes, until=until, sampling=sampling, seeds=seeds)
            while len(answers) < len(numbers):
                answers.update({number: (solution, spend) for number, solution, spend in rows.ended()})
        finally:
            rows.close()
        return Extended(*zip(*(answers[number] for number in numbers), strict=True)) if numbers else Extended(())

    def stream(self) -> RowsInFlight:
        """Rows that are answered one by one as they end; see `policies.policy.RowStream`."""
        return RowsInFlight(self._loop, self._rows.rows, self._servers.lost)

    def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text that continues another; of a vLLM server's model alone."""
        return self._ids("token ids").encode(text)

    def next_token_probs(
        self, problems: Sequence[Problem], prefixes: Sequence[Solution], *, tokens: Sequence[int]
    ) -> NextTokens:
        """The probability of each of `tokens` as the next one after each prefix; of a vLLM server's model alone."""
        return self._ids("probabilities of tokens").next_token_probs(problems, prefixes, tokens=tokens)

    def logprobs(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """The log-probability of each step given all before it, in nats; of a vLLM server's model alone."""
        return self._ids("log-probabilities of a text").logprobs(problems, solutions)

    @property
    def text_verdicts(self) -> TextVerdicts | None:
        """How likely texts are at a place of what is drawn, None where token ids say it better."""
        return self._verdicts if isinstance(self._rows, TextRows) else None

    def _verdicts(
        self,
        problems: Sequence[Problem],
        prefixes: Sequence[Solution],
        *,
        after: str,
        texts: Sequence[str],
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> tuple[Extended, NextTokens]:
        problems, prefixes, seeds = check_call(problems, prefixes, "end", sampling, seeds)
        rows = self._rows
        assert isinstance(rows, TextRows)
        rows.check_continues(problems, prefixes)
        work = [
            verdict(rows, problem, prefix, after=after, texts=texts, sampling=sampling, seed=seed)
            for problem, prefix, seed in zip(problems, prefixes, seeds, strict=True)
        ]
        read = gathered(self._loop.run(*work), len(texts))
        self._servers.check_there()
        return read

    def _ids(self, what: str) -> IdRows:
        if isinstance(self._rows, TextRows):
            raise BadInput(
                f"{self._servers.urls[0]}: a server that is spoken to in texts gives no {what}: take vLLM's, with "
                "its tokenizer"
            )
        return self._rows

    def close(self) -> None:
        """Close every connection and stop what is in flight; a second call does nothing."""
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
