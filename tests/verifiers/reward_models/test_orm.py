"""The ORM against plain forwards of its model, and what it refuses."""

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import verifiers
from bench.tiny import weights_folder
from tests.worked import worked
from verifiers import ORM, Message, Problem, Solution, Step, Stop, check_scorer, failed

ORM_FOLDER = weights_folder("orm")


@pytest.fixture(scope="module")
def orm():
    return ORM.load(ORM_FOLDER)


def plain_score(orm, problem, solution) -> float:
    ids = orm.tokenizer(problem.prompt + solution.text).input_ids
    ids.append(orm.tokenizer.eos_token_id)
    with torch.inference_mode():
        hidden = orm.model.model(input_ids=torch.tensor([ids], device=orm.model.device)).last_hidden_state[0, -1]
        return float(torch.sigmoid(orm.model.score(hidden)))


def test_it_keeps_the_laws(orm):
    cases = [*worked("chain"), *worked("countdown", 2), *worked("last_letter", 2)]
    cases += [(p, Solution(s.steps[:2])) for p, s in cases[:2]]
    cases += [(cases[0][0], Solution(cases[0][1].steps, Stop.LENGTH)), (cases[0][0], failed("no reply"))]
    cases += [(cases[0][0], Solution()), (cases[0][0], Solution((Step(""),), Stop.EOS))]
    check_scorer(orm, cases)


def test_a_score_is_the_plain_forward_of_one_row(orm):
    cases = list(worked("chain", 6)) + list(worked("word_sort", 6))
    scores = orm.score([p for p, _ in cases], [s for _, s in cases])
    expected = [plain_score(orm, p, s) for p, s in cases]
    np.testing.assert_allclose(scores.values(), expected, atol=1e-5)
    assert all(np.isnan(row[:-1]).all() for row in scores.steps)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(1, 300))
@settings(max_examples=20, deadline=None)
def test_neither_repeats_nor_the_batch_size_change_a_score(orm, picks, batch_tokens):
    cases = list(worked("chain", 3)) + list(worked("countdown", 3))
    small = ORM(orm.model, orm.tokenizer, batch_tokens)
    scores = small.score([cases[i][0] for i in picks], [cases[i][1] for i in picks])
    alone = {i: orm.score([cases[i][0]], [cases[i][1]]) for i in set(picks)}
    seen = set()
    for i, value, spend in zip(picks, scores.values(), scores.spend, strict=True):
        assert value == pytest.approx(alone[i].values()[0], abs=1e-5)
        own = alone[i].spend[0]
        again = verifiers.Spend(scorer_calls=1, cached_scored_tokens=own.scored_tokens)
        assert spend == (again if i in seen else own)
        seen.add(i)


def test_spend_counts_a_rows_own_tokens(orm):
    [(problem, solution)] = worked("chain", 1)
    embedding = orm.model.get_input_embeddings().weight.numel()  # a look-up, not a product
    head = sum(p.numel() for p in orm.model.score.parameters())  # it reads one token
    body = sum(p.numel() for p in orm.model.parameters()) - embedding - head
    tokens = len(str(problem.prompt)) + len(solution.text) + 1
    config = orm.model.config
    attention = 4 * config.num_hidden_layers * config.hidden_size * sum(range(1, tokens + 1))
    [spend] = orm.score([problem], [solution]).spend
    flops = 2.0 * (body * tokens + head) + attention
    assert spend == verifiers.Spend(scorer_calls=1, scored_tokens=tokens, scorer_flops=flops)
    [nothing] = orm.score([problem], [Solution(solution.steps)]).spend
    assert (nothing.scored_tokens, nothing.scorer_flops) == (0, 0.0)


def test_an_over_long_solution_is_refused_with_a_reason_and_spoils_no_other(orm):
    [(problem, solution)] = worked("chain", 1)
    room = 256 - len(str(problem.prompt)) - 1
    longest, too_long = (Solution((Step("7" * length),), Stop.EOS) for length in (room, room + 1))
    scores = orm.score([problem] * 3, [too_long, longest, solution])
    assert np.isnan(scores.values()).tolist() == [True, False, False]
    assert "257 tokens" in str(scores.reasons[0])
    assert scores.reasons[1:] == (None, None)
    assert scores.spend[0].scored_tokens == 0


def test_nothing_to_score_is_no_error(orm):
    assert len(orm.score([], [])) == 0
    problem = Problem("p", "C 1+1\n")
    scores = orm.score([problem], [Solution()])
    assert scores.steps[0].shape == (0,)


def test_a_conversation_needs_a_template(orm):
    problems = [Problem("talk", (Message("user", "hi"),)), Problem("text", "hi")]
    scores = orm.score(problems, [Solution((Step("x"),), Stop.EOS)] * 2)
    assert np.isnan(scores.values()).tolist() == [True, False]
    assert "problem 'talk' is a conversation" in str(scores.reasons[0])


def test_a_chat_template_is_used_and_adds_no_second_opening(orm):
    tokenizer = verifiers.ORM.load(ORM_FOLDER).tokenizer
    tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    templated = ORM(orm.model, tokenizer)
    solution = Solution((Step("=2"),), Stop.EOS)
    [spoken] = templated.score([Problem("a", "1+1")], [solution]).values()
    [turns] = templated.score([Problem("b", (Message("user", "1+1"),))], [solution]).values()
    [written] = orm.score([Problem("c", "<user>1+1")], [solution]).values()
    assert spoken == turns == pytest.approx(written, abs=1e-6)


def test_it_is_loaded_by_spec():
    assert isinstance(verifiers.load(f"orm:{ORM_FOLDER}"), ORM)


def test_a_spec_says_how_to_compute():
    assert verifiers.load(f"orm:{ORM_FOLDER}").model.dtype is torch.float32
    assert verifiers.load(f"orm:{ORM_FOLDER},dtype=bfloat16").model.dtype is torch.bfloat16
    policy = weights_folder("policy")
    implicit = verifiers.load(f"implicit:{policy},{policy},beta=0.1,dtype=bfloat16")
    assert {implicit.policy.model.dtype, implicit.reference.model.dtype} == {torch.bfloat16}
    with pytest.raises(ValueError, match="dtype=float16: use bfloat16 or float32"):
        verifiers.load(f"orm:{ORM_FOLDER},dtype=float16")


@pytest.mark.parametrize("spec", ["orm", "orm:", "magic:x", "orm:a,b"])
def test_an_unknown_spec_is_named(spec):
    with pytest.raises(ValueError, match=f"unknown verifier '{spec}'"):
        verifiers.load(spec)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder") as caught:
        verifiers.load(f"orm:{tmp_path / 'nothing'}")
    assert str(tmp_path / "nothing") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_weights_is_named(tmp_path):
    shutil.copy(ORM_FOLDER / "config.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="no weights"):
        ORM.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        ORM.load(tmp_path.parent)


def test_another_kind_of_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="of kind 'prm', not 'orm'"):
        ORM.load(weights_folder("prm"))
    with pytest.raises(ValueError, match=r"holds no trained orm: its weights lack score\.weight"):
        ORM.load(weights_folder("policy"))
    shutil.copytree(ORM_FOLDER, tmp_path / "orm")
    config = json.loads((tmp_path / "orm" / "config.json").read_text())
    del config["stepbeam"]
    (tmp_path / "orm" / "config.json").write_text(json.dumps(config))
    ORM.load(tmp_path / "orm")  # others' models carry no entry


def test_an_unknown_dtype_is_named():
    with pytest.raises(ValueError, match="unknown dtype 'float8'"):
        ORM.load(ORM_FOLDER, dtype="float8")


def test_a_head_of_two_outputs_is_refused(orm):
    from transformers import LlamaForSequenceClassification

    config = type(orm.model.config).from_dict(orm.model.config.to_dict())
    config.num_labels = 2
    with pytest.raises(ValueError, match="2 labels"):
        ORM(LlamaForSequenceClassification(config), orm.tokenizer)
