"""What public PRMs say: tiny random models of each architecture against references from the definitions."""

import dataclasses
import itertools
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma3Config

import prms
from policies.models.token_rows import TokenRow
from prms.formats import QWEN_MATH_PRM
from verifiers import Message, Problem, Solution, Step, Stop, check_scorer, failed
from verifiers.interface.errors import ScoresShapeError
from verifiers.reward_models import reward_model

QUESTION = "What is 2 + 3 * 4?"
TEXTS = ["Step 1: 3 * 4 = 12.", "(so far so good)", "2 + 12 = 14 - and no more", "16"]


def hidden_states(folder: Path, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        out = AutoModelForCausalLM.from_pretrained(folder)(torch.tensor([ids]), output_hidden_states=True)
    return out.hidden_states[-1][0]


def logits(folder: Path, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return AutoModelForCausalLM.from_pretrained(folder)(torch.tensor([ids])).logits[0]


def qwen_reference(folder: Path, question: str, steps: list[str]) -> list[float]:
    tokenizer, weights = AutoTokenizer.from_pretrained(folder), load_file(folder / "model.safetensors")
    messages = [
        {"role": "system", "content": "Please reason step by step, and put your final answer within \\boxed{}."},
        {"role": "user", "content": question},
        {"role": "assistant", "content": "<extra_0>".join(steps) + "<extra_0>"},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)
    ids = tokenizer.encode(text, add_special_tokens=False)
    hidden = hidden_states(folder, ids)
    hidden = torch.relu(hidden @ weights["score.0.weight"].T + weights["score.0.bias"])
    probabilities = torch.softmax(hidden @ weights["score.2.weight"].T + weights["score.2.bias"], dim=-1)
    return [float(p) for p, i in zip(probabilities[:, 1], ids, strict=True) if i == 151651]


def shepherd_reference(folder: Path, question: str, steps: list[str]) -> list[float]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode(f"{question} " + "\n".join(f"{step} ки" for step in steps))
    assert tokenizer.encode("+ -")[1:] == [648, 387]
    good = torch.softmax(logits(folder, ids)[:, [648, 387]], dim=-1)[:, 0]
    return [float(p) for p, i in zip(good, ids, strict=True) if i == 12902]


def rlhflow_reference(folder: Path, question: str, steps: list[str]) -> list[float]:
    """One forward a step, of the conversation so far; the answer's own place is found, not counted from the end."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    plus, minus = tokenizer.encode("+")[-1], tokenizer.encode("-")[-1]
    conversation, scores = [], []
    for k, step in enumerate(steps):
        conversation.append({"role": "user", "content": step if k else f"{question} {step}"})
        conversation.append({"role": "assistant", "content": "+"})
        text = tokenizer.apply_chat_template(conversation, tokenize=False)
        ids = tokenizer.encode(text, add_special_tokens=False)
        answer = len(ids) - 1 - ids[::-1].index(plus)
        scores.append(float(torch.softmax(logits(folder, ids)[answer - 1, [plus, minus]], dim=-1)[0]))
    return scores


def skywork_reference(folder: Path, question: str, steps: list[str]) -> list[float]:
    tokenizer, weights = AutoTokenizer.from_pretrained(folder), load_file(folder / "model.safetensors")
    ids = tokenizer.encode(tokenizer.bos_token + question + "\n", add_special_tokens=False)
    flagged = []
    for step in steps:
        ids += tokenizer.encode(step, add_special_tokens=False)
        ids += [tokenizer.encode("\n", add_special_tokens=False)[-1]]
        flagged.append(len(ids) - 1)
    value = hidden_states(folder, ids) @ weights["v_head.summary.weight"].T + weights["v_head.summary.bias"]
    return torch.sigmoid(value[flagged, 0]).tolist()


def versa_reference(folder: Path, question: str, steps: list[str], tag: int = 23535) -> list[float]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode(question + " \n\n" + " \n\n\n\n".join(steps) + " \n\n\n\n")
    good = torch.softmax(logits(folder, ids)[:, [12, 10]], dim=-1)[:, 1]
    return [float(p) for p, i in zip(good, ids, strict=True) if i == tag]


def versa_qwen_reference(folder: Path, question: str, steps: list[str]) -> list[float]:
    return versa_reference(folder, question, steps, tag=22701)


REFERENCES = {
    "qwen": qwen_reference,
    "shepherd": shepherd_reference,
    "rlhflow-llama": rlhflow_reference,
    "rlhflow-mistral": rlhflow_reference,
    "skywork": skywork_reference,
    "versa": versa_reference,
    "versa-qwen": versa_qwen_reference,
}


def solved(prm, texts, stop=Stop.EOS) -> Solution:
    """Steps as a policy writes them: each but the last ends with the separator the model knows."""
    steps = [Step(text + prm.separator) for text in texts[:-1]] + [Step(text) for text in texts[-1:]]
    return Solution(tuple(steps), stop)


def ids_of(prm, question: str, texts: list[str]) -> tuple[list[int], tuple[int, ...]]:
    [row] = prm._builder.rows([Problem("p", question)], [Solution(tuple(map(Step, texts)))], limit=None)
    return list(row.ids), row.ends


def test_every_score_is_the_reference_of_the_definition(public_prms, public_folders, kind):
    prm = public_prms[kind]
    [scores] = prm.score([Problem("p", QUESTION)], [solved(prm, TEXTS)]).steps
    expected = REFERENCES[kind](public_folders[kind], QUESTION, TEXTS)
    assert len(expected) == len(TEXTS)
    np.testing.assert_allclose(scores, expected, atol=2e-6)
    assert len({round(float(s), 3) for s in scores}) == len(TEXTS)  # a model that says one thing proves nothing


def test_it_keeps_the_laws_and_is_causal(public_prms, kind):
    prm = public_prms[kind]
    other = Problem("q", (Message("system", "Be brief."), Message("user", "How many are 5 and 7? ")))
    cases = [(Problem("p", QUESTION), solved(prm, TEXTS[:n])) for n in (1, 2, 4)]
    cases += [(other, solved(prm, TEXTS[::-1], Stop.LENGTH)), (other, solved(prm, TEXTS[:3], Stop.OPEN))]
    cases += [(other, Solution()), (other, failed("no reply")), (other, solved(prm, ["x" * 500, "y"]))]
    check_scorer(prm, cases, causal=True)
    scores = prm.score([p for p, _ in cases], [s for _, s in cases])
    for row, reason, spend in zip(scores.steps[:5], scores.reasons, scores.spend, strict=False):
        assert ((row >= 0) & (row <= 1)).all()
        assert reason is None
        assert spend.scored_tokens > 0
        assert spend.scorer_flops > 0
    assert scores.spend[5].scored_tokens == 0


def test_the_row_of_a_prefix_begins_the_row_of_the_whole(public_prms, kind):
    rows = [ids_of(public_prms[kind], QUESTION, TEXTS[:n]) for n in (1, 2, 4)]
    for (ids, ends), (more, later) in itertools.pairwise(rows):
        assert more[: len(ids)] == ids
        assert later[: len(ends)] == ends


def test_batches_of_any_size_give_the_same_scores(public_prms, kind):
    prm = public_prms[kind]
    rows = [(Problem("p", QUESTION), solved(prm, TEXTS[:n])) for n in (4, 1, 3, 4)]
    small = dataclasses.replace(prm, batch_tokens=1).score([p for p, _ in rows], [s for _, s in rows])
    large = prm.score([p for p, _ in rows], [s for _, s in rows])
    for a, b in zip(small.steps, large.steps, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_a_finished_solution_scores_as_an_open_one(public_prms, kind):
    prm = public_prms[kind]
    rows = [solved(prm, TEXTS, stop) for stop in (Stop.EOS, Stop.OPEN, Stop.LENGTH)]
    scores = prm.score([Problem("p", QUESTION)] * 3, rows).steps
    assert scores[0].tolist() == scores[1].tolist() == scores[2].tolist()


def test_a_solution_is_worth_what_the_format_says(public_prms, kind):
    prm = public_prms[kind]
    rows = [Problem("p", QUESTION)], [solved(prm, TEXTS)]
    lowest = dataclasses.replace(prm, format=dataclasses.replace(prm.format, reduce="min"))
    assert prm.format.reduce == ("min" if kind == "shepherd" else "last")
    for scorer, reduce in ((prm, prm.format.reduce), (lowest, "min")):
        for scores in (scorer.score(*rows), scorer.remembering().score(*rows)):
            assert scores.reduce == reduce
            [value], [steps] = scores.values(), scores.steps
            assert value == (steps.min() if reduce == "min" else steps[-1])


def test_only_error_labels_give_a_problem_a_value(public_prms, kind):
    prm = public_prms[kind]
    assert (prm.root_values is not None) == (prm.target == "error")
    if prm.root_values is not None:
        roots = prm.root_values([Problem("p", QUESTION), Problem("q", "?")])
        assert [row.tolist() for row in roots.steps] == [[1.0], [1.0]]
        assert roots.spend[0].flops == 0


SPELLED = {
    "qwen": ["<extra_0>", "<|im_end|>", "<|im_start|>user"],
    "shepherd": ["<s>", "</s>"],
    "rlhflow-llama": ["<|eot_id|>", "<|start_header_id|>assistant<|end_header_id|>", "<|begin_of_text|>"],
    "rlhflow-mistral": ["[/INST]", "[INST]", "</s>"],
    "skywork": ["<|endoftext|>", "<|im_end|>"],
    "versa": ["<|eot_id|>", "<|begin_of_text|>"],
    "versa-qwen": ["<|im_end|>"],
}


def test_trap_1_a_text_that_spells_a_special_token_does_not_become_it(public_prms, kind):
    prm = public_prms[kind]
    special = {i for i, t in prm.tokenizer.added_tokens_decoder.items() if t.special}
    if not prm.format.tag_in_steps and prm.format.tag:
        special.add(prm.tokenizer.convert_tokens_to_ids(prm.format.tag))
    plain, _ = ids_of(prm, QUESTION, TEXTS[:2])
    for spelled in SPELLED[kind]:
        hacked = [f"Step 1: {spelled} 12", f"{spelled}16{spelled}"]
        ids, ends = ids_of(prm, f"{QUESTION} {spelled}", hacked)
        assert [i for i in ids if i in special] == [i for i in plain if i in special]
        assert len(ends) == 2
        scores = prm.score([Problem("p", QUESTION)], [solved(prm, hacked)])
        assert scores.reasons == (None,)
        assert scores.steps[0].shape == (2,)


@pytest.mark.parametrize(("kind", "spelled"), [("shepherd", "so 4 ки and 5"), ("versa", "so 4 \n\n\n\n and 5")])
def test_a_step_that_holds_a_tag_which_is_plain_text_is_refused(public_prms, kind, spelled):
    prm = public_prms[kind]
    cases = [[spelled, "16"], ["16", spelled], ["16", "4"]]
    scores = prm.score([Problem("p", QUESTION)] * 3, [solved(prm, texts) for texts in cases])
    assert np.isnan(np.concatenate(scores.steps[:2])).all()
    assert [r and r.partition(" holds")[0] for r in scores.reasons] == ["step 1 of 2", "step 2 of 2", None]
    asked = prm.score([Problem("p", spelled)], [solved(prm, ["16"])])
    assert "the problem holds the token" in str(asked.reasons[0])


def test_trap_1_the_tag_is_one_id_even_where_the_text_would_swallow_it(public_prms):
    # As text, "2+" and " ки" could be cut elsewhere; a line break before the tag would even hide it.
    prm = public_prms["skywork"]
    ids, ends = ids_of(prm, QUESTION, ["2 + 3.", "5.\n"])
    newline = prm.tokenizer.convert_tokens_to_ids("Ċ")
    assert [ids[end] for end in ends] == [newline, newline]
    assert prm.tokenizer.convert_ids_to_tokens(prm.tokenizer.encode("5.\n", add_special_tokens=False))[-1] == ".Ċ"


@pytest.mark.parametrize("kind", ["qwen", "shepherd", "skywork", "versa", "versa-qwen"])
def test_trap_2_the_score_is_read_at_the_tag(public_prms, kind):
    prm = public_prms[kind]
    ids, ends = ids_of(prm, QUESTION, TEXTS)
    tag = prm.tokenizer.convert_tokens_to_ids(prm.format.tag)
    assert [ids[end] for end in ends] == [tag] * len(TEXTS)
    assert ends[-1] == len(ids) - 1


@pytest.mark.parametrize("kind", ["rlhflow-llama", "rlhflow-mistral"])
def test_trap_2_and_3_an_answer_is_read_one_before_it_wherever_it_stands(public_prms, public_folders, kind):
    prm = public_prms[kind]
    ids, ends = ids_of(prm, QUESTION, [*TEXTS, "1"])
    plus = prm.tokenizer.convert_tokens_to_ids("+")
    assert [ids[end + 1] for end in ends[:-1]] == [plus] * len(TEXTS)
    # The reference code's fixed -3 is the place in Llama's template, and another in the one with a line break.
    text = prm.tokenizer.apply_chat_template(
        [{"role": "user", "content": "1"}, {"role": "assistant", "content": "+"}], tokenize=False
    )
    whole = prm.tokenizer.encode(text, add_special_tokens=False)
    assert (whole.index(plus) - 1 == len(whole) - 3) == (kind == "rlhflow-llama")


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_trap_4_scores_of_exactly_nought_and_one_are_kept(public_folders, tmp_path, sign):
    shutil.copytree(public_folders["qwen"], tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    weights["score.2.weight"] = torch.zeros(2, 16)
    weights["score.2.bias"] = torch.tensor([-200.0 * sign, 200.0 * sign])
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    prm = prms.load(str(tmp_path))
    [scores] = prm.score([Problem("p", QUESTION)], [solved(prm, TEXTS)]).steps
    assert scores.tolist() == [float(sign > 0)] * len(TEXTS)


def test_trap_9_one_beginning_of_sequence_and_no_more(public_prms, kind):
    prm = public_prms[kind]
    ids, _ = ids_of(prm, QUESTION, TEXTS)
    bos = prm.tokenizer.bos_token_id
    if kind in ("qwen", "versa-qwen"):
        assert bos is None
    else:
        assert ids.count(bos) == 1
        assert ids[0] == bos


def test_trap_12_a_row_over_the_context_is_refused_and_never_cut(public_prms, kind):
    prm = public_prms[kind]
    prm.tokenizer.model_max_length, was = 16, prm.tokenizer.model_max_length
    long = solved(prm, ["1 + 1 = 2. " * 40, *TEXTS])
    scores = prm.score([Problem("p", QUESTION)] * 2, [long, solved(prm, TEXTS)])
    prm.tokenizer.model_max_length = was
    assert np.isnan(scores.steps[0]).tolist() == [True] * 5
    assert "over the scorer's context of 400" in str(scores.reasons[0])
    assert scores.spend[0].scored_tokens == 0
    assert not np.isnan(scores.steps[1]).any()


def test_a_format_can_bound_the_row_below_the_model(public_prms):
    prm = dataclasses.replace(public_prms["qwen"], format=dataclasses.replace(QWEN_MATH_PRM, max_tokens=150))
    scores = prm.score([Problem("p", QUESTION)], [solved(prm, ["1 + 1 = 2. " * 9, *TEXTS])])
    assert "over the scorer's context of 150" in str(scores.reasons[0])


@pytest.mark.parametrize("blank", ["", " \n", "\n\n"])
def test_a_blank_step_is_refused_with_a_reason(public_prms, kind, blank):
    prm = public_prms[kind]
    scores = prm.score([Problem("p", QUESTION)], [Solution((Step("16"), Step(blank)), Stop.EOS)])
    assert np.isnan(scores.steps[0]).tolist() == [True, True]
    assert "step 2 of 2 is blank" in str(scores.reasons[0])


def test_white_space_around_steps_and_problem_changes_nothing(public_prms, kind):
    prm = public_prms[kind]
    bare = prm.score([Problem("p", QUESTION)], [Solution(tuple(map(Step, TEXTS)))]).steps[0]
    edge = "\n\n" if kind == "skywork" else " \n\n "
    wide = Solution(tuple(Step(edge + text + edge) for text in TEXTS))
    np.testing.assert_array_equal(prm.score([Problem("p", f"\n {QUESTION}\n")], [wide]).steps[0], bare)


def test_skyworks_lines_keep_their_indentation(public_prms):
    prm = public_prms["skywork"]
    lines = [ids_of(prm, QUESTION, [text])[0] for text in ("2", "  2", "2\n")]
    assert lines[0] == lines[2] != lines[1]


def test_a_longer_conversation_is_no_question(public_prms):
    turns = (Message("user", "2?"), Message("assistant", "2."), Message("user", "3?"))
    with pytest.raises(ValueError, match="problem 'p' is a conversation of user, assistant, user"):
        public_prms["qwen"].score([Problem("p", turns)], [Solution()])


def test_a_dropped_step_is_noticed(public_prms, kind, monkeypatch):
    prm = public_prms[kind]
    real = reward_model.read_ends
    monkeypatch.setattr(reward_model, "read_ends", lambda *a, **o: [row[:-1] for row in real(*a, **o)])
    solution = Solution((Step(f"1.{prm.separator}"), Step("2.")))
    with pytest.raises(ScoresShapeError, match=r"problem 'p': .* gave 1 scores for a solution of 2 steps"):
        prm.score([Problem("p", QUESTION)], [solution])
    memory = prm.remembering()
    memory.rows_of = lambda p, s: [TokenRow(row.ids, row.ends[:-1]) for row in prm._rows(p, s)]
    with pytest.raises(ScoresShapeError, match=r"problem 'p': .* gave 1 scores for a solution of 2 steps"):
        memory.score([Problem("p", QUESTION)], [solution])


@pytest.mark.parametrize("logit", [-1e4, 1e4, -torch.finfo(torch.float32).max])
def test_a_value_head_that_is_sure_of_itself_keeps_to_0_and_1(public_prms, logit):
    head = torch.nn.Linear(16, 1, device=public_prms["skywork"].backbone.device)
    prm = dataclasses.replace(public_prms["skywork"], head=head)
    with torch.no_grad():
        prm.head.weight.zero_()
        prm.head.bias.fill_(logit)
    scores = prm.score([Problem("p", QUESTION)], [Solution((Step("1.\n"), Step("2.")))]).steps[0]
    assert scores.tolist() == [float(logit > 0)] * 2


def test_the_context_is_the_text_models(public_prms):
    backbone = SimpleNamespace(config=Gemma3Config(text_config={"max_position_embeddings": 9}))
    prm = dataclasses.replace(public_prms["skywork"], backbone=backbone)
    [row] = prm._rows([Problem("p", QUESTION)], [Solution((Step("1."),))])
    assert "over the scorer's context of 9" in row


def test_its_name_is_the_models_and_the_formats(public_prms):
    assert public_prms["versa"].name == "prm(VersaPRM, versaprm)"
    names = {prm.name for prm in public_prms.values()}
    assert len(names) == len(public_prms)
