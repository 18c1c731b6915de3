"""The generative verifier against plain forwards of its model, vote by vote."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import policies
import search
import verifiers
from policies import Sampling, Transformers
from policies.models.tiny_example import tiny_model
from tests.tiny_models import byte_pairs, random_llama
from verifiers import GENRM, GenRM, GenRMFormat, ImplicitReward, LLMJudge, Spend, check_scorer
from verifiers.genrm.critiqued import Critiqued
from verifiers.genrm.format import verdict_ids
from verifiers.genrm.train import verify_examples
from verifiers.interface.solution import Problem, Solution, Step, Stop, failed

SHORT = GenRMFormat(
    direct="{problem}={solution}?", cot="{problem}={solution}:", solver="{problem}=", verdict="?", yes="Y", no="N"
)
P1, P2 = Problem("p1", "2+2"), Problem("p2", "3+4")
FOUR, FIVE = (Solution((Step(text),), Stop.EOS) for text in ("4", "it is\n5"))
CASES = [(P1, FOUR), (P1, FIVE), (P2, FOUR), (P2, Solution((Step("1\n"), Step("7")), Stop.EOS))]
SILENT = [
    (P1, Solution((Step("4"),))),
    (P1, Solution()),
    (P2, failed("no reply")),
    (P2, Solution((Step("4"),), Stop.LENGTH)),
]


@pytest.fixture(scope="module")
def policy():
    """A random model whose every token has a text, so that a rationale's text is all of it."""
    model, tokenizer = tiny_model()
    special = [tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.unk_token_id]
    model.lm_head.register_forward_hook(
        lambda module, inputs, logits: logits.index_fill(-1, torch.tensor(special), -99.0)
    )
    return Transformers(model, tokenizer)


def cot(policy, votes=4, **changes):
    options = {"sampling": Sampling(max_tokens=200), **changes}
    return GenRM(policy, "cot", votes, SHORT, **options)


def plain_probs(policy, *texts):
    ids = [i for text in texts for i in policy.encode(text)]
    with torch.inference_mode():
        return policy.model(input_ids=torch.tensor([ids])).logits[0, -1].double().softmax(-1)


def test_direct_is_the_next_token_after_the_prompt(policy):
    yes, no = verdict_ids(policy.encode, SHORT)
    raw = GenRM(policy, format=SHORT)
    normalised = GenRM(policy, format=SHORT, probability="normalised")
    problems, solutions = [p for p, _ in CASES], [s for _, s in CASES]
    for i, (problem, solution) in enumerate(CASES):
        probs = plain_probs(policy, problem.prompt + "=", solution.text + "?")
        assert raw.score(problems, solutions).values()[i] == pytest.approx(float(probs[yes]), rel=1e-4)
        share = float(probs[yes] / (probs[yes] + probs[no]))
        assert normalised.score(problems, solutions).values()[i] == pytest.approx(share, rel=1e-4)


def test_cot_is_the_mean_of_probabilities_after_sampled_rationales(policy):
    yes, no = verdict_ids(policy.encode, SHORT)
    genrm = cot(policy)
    judged = genrm.judge([p for p, _ in CASES], [s for _, s in CASES])
    scores = genrm.score([p for p, _ in CASES], [s for _, s in CASES]).values()
    for (problem, solution), judgement, score in zip(CASES, judged, scores, strict=True):
        expected = []
        for rationale, p_yes, p_no in zip(judgement.rationales, judgement.yes, judgement.no, strict=True):
            assert rationale.endswith("?")
            assert rationale.lstrip("?").count("?") == 1  # verdict words alone are no rationale
            probs = plain_probs(policy, problem.prompt + "=", solution.text + ":", rationale)
            assert (p_yes, p_no) == pytest.approx((float(probs[yes]), float(probs[no])), rel=1e-3)
            expected.append(float(probs[yes]))
        assert score == pytest.approx(np.mean(expected), rel=1e-3)
        assert len(set(judgement.rationales)) == 4  # independent samples


def test_equal_texts_are_judged_once_and_the_first_is_charged(policy):
    asked = []

    class Counted:
        """A policy, and the rows that it and its twins are asked to extend."""

        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def remembering(self):
            return Counted(self.inner.remembering())

        def extend(self, problems, *arguments, **options):
            asked.extend(problems)
            return self.inner.extend(problems, *arguments, **options)

    counted = Counted(policy)
    [single] = cot(policy).judge([P1], [FOUR])
    in_steps = Solution((Step(FOUR.text[:1]), *([Step(FOUR.text[1:])] if FOUR.text[1:] else [])), Stop.EOS)
    judged = cot(counted).judge([P1] * 3, [FOUR, in_steps, FOUR])
    once = len(asked)
    cot(counted).judge([P1], [FOUR])
    assert len(asked) == 2 * once
    read = single.spend.scored_tokens + single.spend.cached_scored_tokens
    again = Spend(scorer_calls=1, cached_scored_tokens=read)
    for judgement, spend in zip(judged, (single.spend, again, again), strict=True):
        assert judgement.rationales == single.rationales
        assert judgement.spend == spend
        np.testing.assert_array_equal(judgement.yes, single.yes)


@pytest.mark.slow
def test_they_keep_the_laws(policy):
    check_scorer(GenRM(policy, format=SHORT), CASES + SILENT)
    check_scorer(cot(policy, votes=2), CASES + SILENT)
    check_scorer(LLMJudge(policy, votes=2, format=SHORT, sampling=Sampling(max_tokens=150)), CASES + SILENT)


@pytest.mark.parametrize("batch_rows", [*(pytest.param(rows, marks=pytest.mark.slow) for rows in (1, 3)), 512])
def test_neither_the_batch_nor_what_was_scored_before_changes_votes_or_cost(policy, batch_rows):
    genrm = cot(policy, batch_rows=batch_rows)
    together = genrm.judge([p for p, _ in CASES], [s for _, s in CASES])
    by_problem = [j for pair in (CASES[:2], CASES[2:]) for j in genrm.judge([p for p, _ in pair], [s for _, s in pair])]
    for a, b in zip(together, by_problem, strict=True):
        np.testing.assert_allclose(a.yes, b.yes, rtol=1e-4)
        assert (a.rationales, a.spend) == (b.rationales, b.spend)


def test_the_first_votes_of_many_are_the_votes_of_few(policy):
    few, many = (cot(policy, votes=k).judge([P1], [FOUR])[0] for k in (2, 6))
    assert many.rationales[:2] == few.rationales
    np.testing.assert_allclose(many.yes[:2], few.yes, rtol=1e-4)


def test_the_cost_counts_rationales_and_shares_the_prompt(policy):
    [judgement] = cot(policy, votes=2, redraws=0, seed=1).judge([P1], [FOUR])
    spend = judgement.spend
    assert not np.isnan(judgement.yes).any()
    assert (spend.scorer_calls, spend.policy_calls, spend.sampled_tokens) == (1, 0, 0)
    assert spend.judged_tokens == sum(len(policy.encode(r)) for r in judgement.rationales)
    # The prompt once, and the last token of each rationale, at which the verdict is read.
    assert spend.scored_tokens == len("2+2=4:") + 2
    at = len("2+2=4:")
    ends = [at + len(policy.encode(rationale)) for rationale in judgement.rationales]
    assert spend.scorer_flops == policy.price.flops((0, at), *((at, end) for end in ends))
    assert judgement.read_flops == policy.price.flops((0, at))  # which the votes share
    direct = GenRM(policy, format=SHORT).judge([P1, P1], [FOUR, FIVE])
    assert [j.read_flops for j in direct] == [j.spend.scorer_flops for j in direct]
    assert [j.spend.scored_tokens for j in direct] == [len("2+2=4?"), len("it is\n5?")]


def test_a_rationale_without_a_verdict_is_drawn_again_and_never_counts_as_zero(policy):
    # With little room some rationales end before the verdict words; drawn again, fewer do.
    few = cot(policy, votes=24, redraws=0, sampling=Sampling(max_tokens=60))
    more = cot(policy, votes=24, redraws=2, sampling=Sampling(max_tokens=60))
    [once], [thrice] = few.judge([P1], [FOUR]), more.judge([P1], [FOUR])
    missing = np.isnan(once.yes)
    assert 0 < np.isnan(thrice.yes).sum() < missing.sum() < 24
    np.testing.assert_allclose(thrice.yes[~missing], once.yes[~missing], rtol=1e-4)
    assert thrice.spend.judged_tokens > once.spend.judged_tokens
    assert few.score([P1], [FOUR]).values()[0] == pytest.approx(once.yes[~missing].mean(), rel=1e-5)


def test_without_any_verdict_the_score_is_nan_with_a_reason(policy):
    hopeless = cot(policy, votes=2, redraws=1, sampling=Sampling(max_tokens=3))
    scores = hopeless.score([P1], [FOUR])
    assert np.isnan(scores.values()[0])
    assert scores.reasons[0] == (
        "none of 2 rationales came to a verdict in 2 draws; first: the rationale ended without the verdict (length)"
    )
    assert scores.spend[0].judged_tokens == 2 * 2 * 1  # room for one token after the two of the solution


def test_an_empty_finished_solution_has_nothing_to_judge(policy):
    scores = GenRM(policy, format=SHORT).score([P1], [Solution((Step(""),), Stop.EOS)])
    assert np.isnan(scores.values()[0])
    assert scores.reasons[0] == "the solution has no text to judge"


def test_a_solution_over_the_context_is_nan_and_spoils_no_other(policy):
    long = Solution((Step("1" * 300),), Stop.EOS)
    for scorer in (GenRM(policy, format=SHORT), cot(policy, votes=2)):
        scores = scorer.score([P1, P1], [long, FOUR])
        assert np.isnan(scores.values()).tolist() == [True, False]
        assert scores.reasons[0]


@pytest.fixture(scope="module")
def merging():
    """A byte-level BPE in which " Yes" and "Yes" are tokens of their own, and " No" is two."""
    tokenizer = byte_pairs([" Yes Yes Yes", "Yes\nYes\nYes", "is it correct? Yes"] * 9, 400)
    return Transformers(random_llama(len(tokenizer)), tokenizer)


def line_breaks():
    """Bytes, and "?" with a line break as one token."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {c: i for i, c in enumerate(["<eos>", *letters, "?\u010a"])}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[("?", "\u010a")]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>")


def that_says(tokenizer, said, *, after):
    """A policy that says these tokens behind `after` ids, at any temperature, whatever it reads."""
    policy = Transformers(random_llama(len(tokenizer)), tokenizer)
    wrapped = policy.model.forward

    def forward(input_ids, position_ids, **options):
        out = wrapped(input_ids=input_ids, position_ids=position_ids, **options)
        at = (position_ids[:, -1] - after + 1).clamp(0, len(said) - 1)
        out.logits = torch.nn.functional.one_hot(torch.tensor(said)[at], len(tokenizer)).float()[:, None] * 99
        return out

    policy.model.forward = forward
    return policy


@pytest.mark.parametrize(
    ("said", "rationale"),
    [
        (("ok", "?", "Y", "<eos>"), "ok?"),
        (("?", "Y", "<eos>"), "?"),  # the verdict words alone
        (("?", "Y", "\n", "so", "<eos>"), "?"),
        (("ok", "?\n", "Y", "<eos>"), "ok?"),  # their end shares a token with a line break
        (("?\n", "Y", "<eos>"), "?"),
    ],
)
def test_the_verdict_is_read_behind_its_words_wherever_they_stand(said, rationale):
    tokenizer = line_breaks()
    ids = [i for part in said for i in tokenizer(part).input_ids]
    prompt = len(tokenizer("2+2=4:").input_ids)
    genrm = cot(that_says(tokenizer, ids, after=prompt), votes=2, redraws=0)
    [judged] = genrm.judge([P1], [FOUR])
    assert judged.rationales == (rationale,) * 2
    assert judged.yes.tolist() == pytest.approx([1.0, 1.0])
    # All that was drawn is paid for, what stands behind the verdict too.
    [drawn] = genrm.policy.extend(
        [Problem("q", "2+2=")],
        [Solution((Step("4:"),))],
        until="step",
        sampling=Sampling(separator="?"),
        seeds=[0],
    ).spend
    assert judged.spend.judged_tokens == 2 * drawn.sampled_tokens


def test_a_rationale_that_only_repeats_the_question_is_none():
    tokenizer = line_breaks()
    genrm = cot(that_says(tokenizer, [*tokenizer("so it is").input_ids, 0], after=6), votes=2, redraws=1)
    scores = genrm.score([P1], [FOUR])
    assert np.isnan(scores.values()[0])
    assert "ended without the verdict (eos)" in scores.reasons[0]


class Told:
    """A policy that draws "so?" and has the next probabilities of yes and no read from a list."""

    def __init__(self, *pairs):
        self.pairs = list(pairs)

    def encode(self, text):
        return tuple(map(ord, text))

    def extend(self, problems, prefixes, *, until, sampling, seeds):
        return policies.Extended(tuple(Solution((*p.steps, Step("so?"))) for p in prefixes))

    def next_token_probs(self, problems, prefixes, *, tokens):
        probs = np.array([self.pairs.pop(0) for _ in problems], dtype=np.float32)
        return policies.NextTokens(probs, (Spend(),) * len(problems), (None,) * len(problems))


@pytest.mark.filterwarnings("error")
def test_a_judge_is_the_mean_of_its_normalised_votes():
    judge = LLMJudge(Told((0.9, 0.1), (0.001, 0.003)), votes=2, format=SHORT)
    assert judge.score([P1], [FOUR]).values()[0] == pytest.approx((0.9 + 0.25) / 2)
    one_silent = LLMJudge(Told((0.6, 0.2), (0.0, 0.0)), votes=2, format=SHORT)
    assert one_silent.score([P1], [FOUR]).values()[0] == pytest.approx(0.75)


@pytest.mark.filterwarnings("error")
def test_without_any_probability_of_yes_and_no_there_is_no_share():
    for genrm in (
        GenRM(Told((0.0, 0.0)), format=SHORT, probability="normalised"),
        LLMJudge(Told((0.0, 0.0), (0.0, 0.0)), votes=2, format=SHORT),
    ):
        scores = genrm.score([P1], [FOUR])
        assert np.isnan(scores.values()[0])
        assert scores.reasons[0] == "'Y' and 'N' both have probability 0, so there is no share of 'Y'"
    assert GenRM(Told((0.0, 0.0)), format=SHORT).score([P1], [FOUR]).values()[0] == 0  # as such it is one


def test_votes_are_32_where_nothing_is_said(tmp_path):
    assert LLMJudge(Told(), format=SHORT).votes == 32
    model, tokenizer = tiny_model()
    entry = {"kind": "genrm", "mode": "cot", "format": asdict(SHORT)}
    for mode, votes in (("cot", 32), ("direct", 1)):
        model.config.stepbeam = entry | {"mode": mode}
        model.save_pretrained(tmp_path / mode)
        tokenizer.save_pretrained(tmp_path / mode)
        assert GenRM.load(tmp_path / mode).votes == votes


def test_a_trained_folders_template_is_used_as_in_its_training(tmp_path):
    model, tokenizer = tiny_model()
    tokenizer.chat_template = "{% for m in messages %}[{{ m.content }}]{% endfor %}"
    for chat in (False, True):
        words = replace(SHORT, chat=chat)
        model.config.stepbeam = {"kind": "genrm", "mode": "direct", "format": asdict(words)}
        model.save_pretrained(tmp_path / str(chat))
        tokenizer.save_pretrained(tmp_path / str(chat))
        genrm = GenRM.load(tmp_path / str(chat))
        assert genrm.policy.uses_chat_template is chat
        [scored] = genrm.score([P1], [FOUR]).spend
        assert scored.scored_tokens == len("2+2=4?") + 2 * chat
        [example], _ = verify_examples(tokenizer, [Critiqued(P1, FOUR, True)], "direct", words, limit=None)
        assert len(example.ids) == scored.scored_tokens


def test_the_verdicts_id_is_one_in_training_and_scoring(merging):
    words = GenRMFormat(
        direct="{problem}{solution}?", cot="{problem}{solution}:", solver="", verdict="?", yes=" Yes", no="N"
    )
    row = Critiqued(P1, FOUR, True, ("so? Yes",))
    ids = verdict_ids(merging.encode, words)
    assert merging.tokenizer.decode([ids[0]]) == " Yes"
    for mode in ("direct", "cot"):
        [example], _ = verify_examples(merging.tokenizer, [row], mode, words, limit=None)
        assert ids[0] in example.targets.astype(int)
    with pytest.raises(ValueError, match=r"the verdict ' No' is \d tokens .* must be one"):
        verify_examples(merging.tokenizer, [row], "direct", replace(words, no=" No"), limit=None)


def test_a_verdict_of_many_tokens_is_refused_by_name(policy, merging):
    with pytest.raises(ValueError, match=r"the verdict ' Yes' is 4 tokens .* not that of one next token"):
        GenRM(policy)
    with pytest.raises(ValueError, match=r"the verdict ' No' is \d tokens"):
        GenRM(merging)


def test_a_leading_space_makes_another_token(merging):
    with_space, without = (
        GenRMFormat(direct="{problem}{solution}?", cot="", solver="", verdict="?", yes=yes, no="N")
        for yes in (" Yes", "Yes")
    )
    assert verdict_ids(merging.encode, with_space)[0] != verdict_ids(merging.encode, without)[0]


def test_what_cannot_mean_anything_is_refused(policy):
    for options, message in [
        ({"mode": "chat"}, "use 'direct' or 'cot'"),
        ({"votes": 2}, "has one probability; use 'cot'"),
        ({"probability": "odds"}, "use 'raw' or 'normalised'"),
        ({"mode": "cot", "votes": 0}, r"GenRM\(votes=0\)"),
        ({"mode": "cot", "redraws": -1}, r"GenRM\(redraws=-1\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            GenRM(policy, format=SHORT, **options)
    same = GenRMFormat(direct="{problem}{solution}?", cot="", solver="", verdict="?", yes="\u00e4", no="\u00f6")
    with pytest.raises(ValueError, match="are one token"):
        GenRM(policy, format=same)  # both are the unknown token


def test_a_prompt_is_not_wrapped_in_a_template_it_was_not_made_for():
    model, tokenizer = tiny_model()
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}:"
    with pytest.raises(ValueError, match="chat=False"):
        GenRM(Transformers(model, tokenizer), format=SHORT)
    GenRM(Transformers(model, tokenizer, chat=False), format=SHORT)


def test_a_judge_that_is_asked_in_chat_needs_a_template():
    model, tokenizer = tiny_model()
    words = replace(SHORT, chat=True)
    for chat in (True, False):
        with pytest.raises(ValueError, match=r"made for a chat message.*no chat template.*chat=False"):
            LLMJudge(Transformers(model, tokenizer, chat=chat), format=words)
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}:"
    LLMJudge(Transformers(model, tokenizer), format=words)
    with pytest.raises(ValueError, match="no chat template"):
        LLMJudge(Transformers(model, tokenizer, chat=False), format=words)


def test_names_tell_verifiers_apart(tmp_path):
    model, tokenizer = tiny_model()
    model.save_pretrained(tmp_path / "mine")
    tokenizer.save_pretrained(tmp_path / "mine")
    loaded = Transformers.load(tmp_path / "mine")
    assert GenRM(loaded, format=SHORT).name == "genrm(mine, direct)"
    assert cot(loaded, votes=8).name == "genrm(mine, cot, votes=8)"
    normalised = GenRM(loaded, format=SHORT, probability="normalised")
    assert normalised.name == "genrm(mine, direct, normalised)"
    assert LLMJudge(loaded, votes=8, format=SHORT).name == "judge(mine, votes=8)"
    assert GenRM(Transformers(model, tokenizer), format=SHORT).name == "genrm(untitled, direct)"
    assert LLMJudge(Told(), votes=2, format=SHORT).name == "judge(Told, votes=2)"
    assert ImplicitReward(loaded, Told(), beta=0.5).name == "implicit(mine, Told, beta=0.5)"


def test_it_serves_every_strategy_and_is_refused_by_beam_search(policy):
    solver = policies.Scripted(lambda problem, prefix, seed: f"so\nThe answer is {seed % 3}.")
    for genrm in (GenRM(policy, format=SHORT), cot(policy, votes=2)):
        [best] = search.best_of_n([P1], solver, genrm, n=4)
        [voted] = search.weighted_majority([P1], solver, genrm, n=4)
        [reranked] = search.rerank([(P1, best.pool)], genrm)
        assert best.answer == reranked.answer
        assert best.answer in "012"
        assert voted.answer in "012"
        assert Spend.total(best.scores.spend).scored_tokens > 0
        with pytest.raises(search.NoOpinionError, match="RolloutValue"):
            search.beam_search([P1], solver, genrm, width=2, expand=2, max_steps=3)


def test_a_judges_room_in_its_spec(monkeypatch):
    policy = Told()
    policy.encode = lambda text: (sum(map(ord, text)),)
    monkeypatch.setattr(Transformers, "load", lambda name, dtype, device, chat: policy)
    judge = verifiers.load("judge:any,max_tokens=99")
    assert isinstance(judge, LLMJudge)
    assert (judge.votes, judge.sampling) == (32, Sampling(temperature=0.7, max_tokens=99))


def test_a_trained_folder_brings_its_mode_and_format(tmp_path):
    entry = {
        "kind": "genrm",
        "mode": "cot",
        "format": {f: getattr(SHORT, f) for f in ("direct", "cot", "solver", "verdict", "yes", "no", "chat")},
    }
    model, tokenizer = tiny_model()
    model.config.stepbeam = entry
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = GenRM.load(tmp_path, votes=3, sampling=Sampling(max_tokens=200))
    assert (loaded.mode, loaded.votes, loaded.format) == ("cot", 3, SHORT)
    ours = cot(Transformers(*tiny_model()), votes=3).score([P1], [FOUR])
    np.testing.assert_allclose(loaded.score([P1], [FOUR]).values(), ours.values(), rtol=1e-4)
    by_spec = verifiers.load(f"genrm:{tmp_path},votes=3,max_tokens=200")
    assert isinstance(by_spec, GenRM)
    assert (by_spec.votes, by_spec.sampling) == (3, Sampling(max_tokens=200))
    config = json.loads((tmp_path / "config.json").read_text())
    del config["stepbeam"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="is not a trained generative verifier"):
        GenRM.load(tmp_path)


def test_the_default_format_is_the_datasets():
    assert GenRM.__dataclass_fields__["format"].default is GENRM
