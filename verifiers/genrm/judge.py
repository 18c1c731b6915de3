"""The generative verifier: it answers Yes or No as a language model does, at once or after a rationale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from policies.backends.load import load_policy
from policies.models.batches import greedy_batches
from policies.models.engine_options import DType, EngineChoice
from policies.policy import Sampling, TokenPolicy, text_verdicts_of
from verifiers.genrm.format import GENRM, GenRMFormat, verdict_ids
from verifiers.genrm.votes import draw_votes, verdicts
from verifiers.interface.arguments import check_asked, check_kind, check_policy_argument
from verifiers.interface.capabilities import remembering
from verifiers.interface.errors import BadInput, check_least, check_whole, first_line
from verifiers.interface.naming import policy_name
from verifiers.interface.scoring import FloatArray, Scores, Spend, outcome_scores
from verifiers.interface.seeds import seed_at
from verifiers.interface.solution import Problem, Solution, Step

Mode: TypeAlias = Literal["direct", "cot"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a generative verifier said of one solution, vote by vote.

    `yes` and `no` have shape (votes,): P(yes) and P(no) as the next token, NaN for a vote that came to no
    verdict. `rationales` are its texts ("" without one). `reason` says why there is no score: no vote at all came to a
    verdict, or one was not answered. `read_flops` are those of `spend` that went into problem and solution, which the
    votes share.
    """

    yes: FloatArray
    no: FloatArray
    rationales: tuple[str, ...]
    spend: Spend
    reason: str | None = None
    read_flops: float = 0.0

    def __repr__(self) -> str:
        said = self.reason or f"P(yes) {float(np.nanmean(self.yes)):.3g}"
        return f"<Judgement of {len(self.yes)} votes: {said}>"


@dataclass(frozen=True, slots=True, eq=False)
class GenRM:
    r"""P(yes) as the next token after a solution, or the mean of it over rationales (Zhang et al. 2024, section 3).

    `mode="direct"` reads P(yes) right after the prompt. `mode="cot"` samples `votes` rationales a
    solution; each ends with the format's verdict words, and P(yes) is read there. The score is the mean
    of these *probabilities*, not a count of votes (equation 7). `probability="normalised"` divides by
    P(yes) + P(no).

    A rationale that ends without the verdict words is drawn again, up to `redraws` times; a vote that has
    still none is left out of the mean, and without any vote the score is NaN with a reason. It is never 0.
    A vote that the policy fails to answer, as a server may, is no vote without a verdict: it is not drawn again with
    another seed, and the score is NaN with its reason. What was drawn behind the verdict words is not read.
    `sampling.max_tokens` bounds solution and rationale together. Seeds come from (`seed`, problem id,
    solution text, vote), so the first votes of a larger number are those of a smaller one. `batch_rows`
    rationales are sampled in a call, which bounds the memory for their keys and values.

    >>> import policies
    >>> from policies.models.tiny_example import tiny_model
    >>> from verifiers import Problem, Solution, Step, Stop
    >>> policy = policies.Transformers(*tiny_model())
    >>> short = GenRMFormat(direct="{problem}={solution}?", cot="", solver="", verdict="?", yes="Y", no="N")
    >>> untrained = GenRM(policy, format=short, probability="normalised")
    >>> scores = untrained.score([Problem("p1", "2+2")], [Solution((Step("4"),), Stop.EOS)])
    >>> bool(0.4 < scores.values()[0] < 0.6)
    True

    Costs: tokens of rationales are `judged_tokens`, drawn-again ones included. Raises ValueError where
    `yes` or `no` is not a single token of the policy, and for a policy that wraps a prompt which is not
    made for it in a chat template.
    """

    policy: TokenPolicy
    mode: Mode = "direct"
    votes: int = 1
    format: GenRMFormat = GENRM
    probability: Literal["raw", "normalised"] = "raw"
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=1024))
    redraws: int = 3
    seed: int = 0
    batch_rows: int = 512
    ends_only: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.mode not in ("direct", "cot"):
            raise ValueError(f"GenRM(mode={self.mode!r}): use 'direct' or 'cot'")
        if self.probability not in ("raw", "normalised"):
            raise ValueError(f"GenRM(probability={self.probability!r}): use 'raw' or 'normalised'")
        if self.mode == "direct" and self.votes != 1:
            raise ValueError(f"GenRM(mode='direct', votes={self.votes}): the next token has one probability; use 'cot'")
        check_least(1, {"votes": self.votes, "batch_rows": self.batch_rows}, who="GenRM")
        check_least(0, {"redraws": self.redraws}, who="GenRM")
        check_whole({"seed": self.seed}, who="GenRM")
        check_policy_argument(self.policy)
        check_kind("format", self.format, GenRMFormat, "give a verifiers.GenRMFormat")
        check_kind("sampling", self.sampling, Sampling, "write policies.Sampling(temperature=...)")
        if getattr(self.policy, "uses_chat_template", False) and not self.format.chat:
            raise ValueError(
                "the policy puts prompts into a chat template, and this format is no chat message: load the policy "
                "with chat=False, or use a format with chat=True"
            )
        if text_verdicts_of(self.policy) is None:
            verdict_ids(self.policy.encode, self.format)

    @classmethod
    def load(
        cls,
        name: str | PathLike[str],
        *,
        votes: int | None = None,
        sampling: Sampling | None = None,
        seed: int = 0,
        dtype: DType = "auto",
        device: str = "auto",
        engine: EngineChoice = "transformers",
    ) -> GenRM:
        """The generative verifier that `verifiers.train_genrm` wrote, with the mode and format that it was taught.

        `votes` defaults to 1 (direct) or 32 (cot). `engine="vllm"`, or `policies.EngineOptions` (its dtype is this
        call's), samples and reads with vLLM's engine, which is to be closed (`.policy.close()`); where it runs is then
        vLLM's to say.

        Raises BadInput for a model of another kind.
        """
        mode, words, room = _taught(name)  # before an engine is started, which would have to be stopped again
        # The tokenizer may bring a template that the model was not taught with.
        policy: Any = load_policy(name, dtype=dtype, device=device, engine=engine, chat=words.chat)
        votes = (1 if mode == "direct" else 32) if votes is None else votes
        return cls(policy, mode, votes, words, sampling=sampling or Sampling(max_tokens=room), seed=seed)

    @property
    def name(self) -> str:
        """What a run writes down."""
        votes = [f"votes={self.votes}"] if self.mode == "cot" else []
        share = ["normalised"] if self.probability == "normalised" else []
        return f"genrm({', '.join([policy_name(self.policy), self.mode, *votes, *share])})"

    def score(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> Scores:
        """One P(yes) a finished solution, at its last step; N rows."""
        judged = self.judge(problems, solutions)
        values, reasons = zip(*map(self._value, judged), strict=True) if judged else ((), ())
        return outcome_scores(solutions, values, [j.spend for j in judged], reasons)

    def judge(self, problems: Sequence[Problem], solutions: Sequence[Solution]) -> list[Judgement]:
        """Every vote on every solution; an unfinished solution gets none, and costs nothing.

        Equal texts of one problem are judged once; the first is charged for it, to the others it is cached.
        """
        problems, solutions = check_asked({"problems": problems, "solutions": solutions})
        unique: dict[tuple[Problem, str], Solution] = {}
        for problem, solution in zip(problems, solutions, strict=True):
            if solution.finished and solution.text:
                unique.setdefault((problem, solution.text), solution)
        judge = self._direct if self.mode == "direct" else self._cot
        policy = remembering(self.policy)  # a verdict is read behind the rationale that was just sampled
        judged = dict(zip(unique, judge(policy, [p for p, _ in unique], list(unique.values())), strict=True))
        silent = np.full(self.votes, np.nan, dtype=np.float32)
        judgements: list[Judgement] = []
        for problem, solution in zip(problems, solutions, strict=True):
            if solution.finished and solution.text:
                key = problem, solution.text
                judgements.append(judged[key])
                read = judged[key].spend.scored_tokens + judged[key].spend.cached_scored_tokens
                again = Spend(scorer_calls=1, cached_scored_tokens=read)
                judged[key] = replace(judged[key], spend=again, read_flops=0.0)
            else:
                reason = "the solution has no text to judge" if solution.finished else None
                judgements.append(Judgement(silent, silent, ("",) * self.votes, Spend(scorer_calls=1), reason))
        return judgements

    def _value(self, judgement: Judgement) -> tuple[float, str | None]:
        """The mean over the votes, or why there is none."""
        yes, reason = judgement.yes.astype(np.float64), judgement.reason
        if self.probability == "normalised":
            both = yes + judgement.no
            yes = np.divide(yes, both, out=np.full(len(yes), np.nan), where=both > 0)
            if (both == 0).any():
                words = self.format
                reason = (
                    f"{words.yes!r} and {words.no!r} both have probability 0, so there is no share of {words.yes!r}"
                )
        spoken = yes[~np.isnan(yes)]
        return (float(spoken.mean()), None) if len(spoken) else (float("nan"), reason)

    def _direct(
        self, policy: TokenPolicy, problems: Sequence[Problem], solutions: Sequence[Solution]
    ) -> list[Judgement]:
        rows = [_row(p, self.format.direct_parts(p, s)) for p, s in zip(problems, solutions, strict=True)]
        read = verdicts(policy, rows, self.format)
        return [
            Judgement(
                read.probs[i, :1],
                read.probs[i, 1:],
                ("",),
                read.spend[i].as_scorer(),
                read.reasons[i],
                read.spend[i].flops,
            )
            for i in range(len(rows))
        ]

    def _cot(self, policy: TokenPolicy, problems: Sequence[Problem], solutions: Sequence[Solution]) -> list[Judgement]:
        yes = np.full((len(solutions), self.votes), np.nan, dtype=np.float32)
        no = yes.copy()
        texts = [[""] * self.votes for _ in solutions]
        reasons = [[""] * self.votes for _ in solutions]
        spends: list[list[Spend]] = [[] for _ in solutions]
        read = [0.0] * len(solutions)
        failures: dict[int, str] = {}
        for batch in _batches([p.id for p in problems], self.votes, self.batch_rows):
            rows = [_row(problems[i], self.format.cot_parts(problems[i], solutions[i])) for i, _ in batch]
            open_rows = list(range(len(batch)))
            for attempt in range(1 + self.redraws):
                if not open_rows:
                    break
                places = [batch[r] for r in open_rows]
                seeds = [seed_at(self.seed, problems[i].id, solutions[i].text, vote, attempt) for i, vote in places]
                asked = [rows[r] for r in open_rows]
                drawn = draw_votes(policy, asked, self.format, sampling=self.sampling, seeds=seeds)
                for (i, vote), said in zip(places, drawn, strict=True):
                    spends[i].append(said.spend)
                    read[i] += said.read
                    texts[i][vote], reasons[i][vote] = said.rationale, said.reason
                    yes[i, vote], no[i, vote] = said.probs
                    if said.failed:
                        failures.setdefault(i, f"vote {vote}: {said.reason}")
                open_rows = [r for r, said in zip(open_rows, drawn, strict=True) if said.reason and not said.failed]
        yes[list(failures)] = no[list(failures)] = np.nan  # a mean over the other votes would be another score
        none = {i: self._why_none(reasons[i]) for i in range(len(solutions)) if np.isnan(yes[i]).all()}
        return [
            Judgement(
                yes[i],
                no[i],
                tuple(texts[i]),
                Spend.total(spends[i]).as_scorer(),
                failures.get(i) or none.get(i),
                read[i],
            )
            for i in range(len(solutions))
        ]

    def _why_none(self, reasons: Sequence[str]) -> str:
        first = next((reason for reason in reasons if reason), "no reason given")
        return f"none of {self.votes} rationales came to a verdict in {1 + self.redraws} draws; first: {first}"


def _row(problem: Problem, parts: tuple[str, str]) -> tuple[Problem, Solution]:
    prompt, continuation = parts
    return Problem(problem.id, prompt), Solution((Step(continuation),)) if continuation else Solution()


def _batches(ids: Sequence[str], votes: int, limit: int) -> Iterator[list[tuple[int, int]]]:
    """(row, vote) pairs in batches whose borders, within a problem, depend on that problem's rows alone."""
    rows: dict[str, list[tuple[int, int]]] = {}
    for i, problem in enumerate(ids):
        rows.setdefault(problem, []).extend((i, vote) for vote in range(votes))
    parts = [(pairs[k : k + limit], len(pairs) > limit) for pairs in rows.values() for k in range(0, len(pairs), limit)]
    for batch in greedy_batches(parts, lambda batch: not batch[-1][1] and sum(len(p) for p, _ in batch) <= limit):
        yield [pair for part, _ in batch for pair in part]


def _taught(name: str | PathLike[str]) -> tuple[Mode, GenRMFormat, int]:
    """What a generative verifier was taught, and its room; raises BadInput for a model of another kind."""
    from policies.models.pretrained import checked_source, load_config

    entry: dict[str, Any] = getattr(load_config(checked_source(name)), "stepbeam", None) or {}
    if entry.get("kind") != "genrm":
        raise BadInput(
            f"{fspath(name)!r} is not a trained generative verifier (its kind is {entry.get('kind')!r}): "
            "give the model to GenRM or LLMJudge with a format of your own"
        )
    try:
        mode, words, room = entry["mode"], GenRMFormat(**entry["format"]), entry.get("max_tokens", 1024)
        if mode not in ("direct", "cot") or type(room) is not int or room < 1:
            raise ValueError(f"mode is {mode!r} and max_tokens {room!r}")
        if not all(isinstance(text, str) for key, text in entry["format"].items() if key != "chat"):
            raise TypeError("a word of its format is no text")
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{fspath(name)}/config.json: its stepbeam entry is none of a generative verifier ({type(error).__name__}: "
            f"{first_line(error)}): train it again, or give the model to GenRM with a format of your own"
        ) from None
    return mode, words, room
