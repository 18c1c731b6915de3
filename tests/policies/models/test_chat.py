import shutil

import pytest
from tokenizers.processors import TemplateProcessing

import policies
import prms
import verifiers
from bench.commands.cli import main
from bench.inputs.specs import version_of
from policies import Sampling, Transformers
from policies.models.chat import encode_prompt
from policies.models.embedded import weights_folder
from policies.models.engine_options import chat_of
from policies.models.tiny_example import tiny_model, tiny_tokenizer
from policies.models.token_rows import token_rows
from policies.training.config import TrainConfig
from verifiers import GenRM, GenRMFormat, Message, Problem, Solution, Step, Stop, with_outcome
from verifiers.interface.errors import BadInput
from verifiers.interface.naming import policy_name
from verifiers.interface.spec_parts import spec_parts

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "[{{ m.role }}]{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)
TURNS = (Message("user", "1+1?"), Message("assistant", "2"), Message("user", "2+2?"))


def with_bos(*, template=None, eos=False):
    """A tokenizer that adds BOS (and EOS) to what it encodes, as Llama's does."""
    tokenizer = tiny_tokenizer()
    single = "<bos> $A" + " <eos>" * eos
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=single, special_tokens=[("<bos>", tokenizer.bos_token_id), ("<eos>", tokenizer.eos_token_id)]
    )
    tokenizer.chat_template = template
    return tokenizer


def test_a_template_that_writes_bos_gets_no_second_one():
    tokenizer = with_bos(template=TEMPLATE)
    ids = encode_prompt(tokenizer, "What is 2+2?")
    assert tokenizer.decode(ids) == "<bos>[user]What is 2+2?\n[assistant]"
    assert ids.count(tokenizer.bos_token_id) == 1


def test_messages_go_through_the_template():
    tokenizer = with_bos(template=TEMPLATE)
    expected = "<bos>[user]1+1?\n[assistant]2\n[user]2+2?\n[assistant]"
    assert tokenizer.decode(encode_prompt(tokenizer, TURNS)) == expected


def test_without_a_template_or_with_chat_off_the_text_is_plain():
    for tokenizer, chat in ((with_bos(), True), (with_bos(template=TEMPLATE), False), (with_bos(eos=True), True)):
        assert tokenizer.decode(encode_prompt(tokenizer, "2+2=", chat=chat)) == "<bos>2+2="
        plain = tokenizer.decode(encode_prompt(tokenizer, TURNS, chat=chat))
        assert plain == "<bos>user: 1+1?\nassistant: 2\nuser: 2+2?\nassistant:"


def test_a_prompt_that_begins_with_bos_gets_no_second_one():
    tokenizer = with_bos()
    assert tokenizer.decode(encode_prompt(tokenizer, "<bos>2+2=")) == "<bos>2+2="


def test_a_prompt_that_the_template_refuses_fails_its_row_only():
    model, tokenizer = tiny_model()
    tokenizer.chat_template = TEMPLATE
    policy = Transformers(model, tokenizer)
    problems = [Problem("sys", (Message("system", "Be brief."),)), Problem("ok", "1+1?")]
    reply = policy.extend(problems, [Solution()] * 2, until="end", sampling=Sampling(max_tokens=5), seeds=[0, 1])
    assert reply.solutions[0].stop is Stop.FAILED
    assert reply.solutions[0].reason == "problem 'sys': the chat template refused the prompt (no system role)"
    assert reply.solutions[1].token_count > 0


@pytest.mark.parametrize("chat", [True, False])
def test_the_policy_reads_what_the_encoder_wrote(chat):
    model, tokenizer = tiny_model()
    tokenizer.chat_template = TEMPLATE
    policy = Transformers(model, tokenizer, chat=chat)
    problem = Problem("p", "1+1=")
    assert list(policy.prompt_ids(problem)) == encode_prompt(tokenizer, problem.prompt, chat=chat)
    empty = policy.extend([Problem("e", "")], [Solution()], until="end", sampling=Sampling(max_tokens=5), seeds=[0])
    assert (empty.solutions[0].stop is Stop.FAILED) == (not chat)


THINKING = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]"
    "{% if enable_thinking is defined and not enable_thinking %}(no){% endif %}{% endif %}"
)


def thinking(template=THINKING):
    model, tokenizer = tiny_model()
    tokenizer.chat_template = template
    return model, tokenizer


@pytest.mark.parametrize("said", ["It is", "It is ", "", "a\nb"])
def test_a_last_message_of_the_assistants_is_continued(said):
    _, tokenizer = thinking()
    turns = (*TURNS, Message("assistant", said))
    text = tokenizer.decode(encode_prompt(tokenizer, turns))
    assert text == f"[user]1+1?<eos>[assistant]2<eos>[user]2+2?<eos>[assistant]{said.strip()}"
    assert tokenizer.decode(encode_prompt(tokenizer, turns, chat=False)).endswith(f"\nuser: 2+2?\nassistant: {said}")


def test_a_template_that_leaves_out_the_last_message_fails_the_row_only():
    policy = Transformers(
        *thinking("{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}")
    )
    problems = [Problem("on", (*TURNS, Message("assistant", "It is"))), Problem("new", TURNS)]
    reply = policy.extend(problems, [Solution()] * 2, until="end", sampling=Sampling(max_tokens=5), seeds=[0, 1])
    assert reply.solutions[0].stop is Stop.FAILED
    assert (
        "problem 'on': the chat template refused the prompt (ValueError: continue_final_message"
        in reply.solutions[0].reason
    )
    assert reply.solutions[1].token_count > 0


def test_a_template_is_given_arguments():
    model, tokenizer = thinking()
    off = Transformers(model, tokenizer, chat={"enable_thinking": False})
    assert tokenizer.decode(off.prompt_ids(Problem("p", "1+1?"))) == "[user]1+1?<eos>[assistant](no)"
    assert off.uses_chat_template
    for chat in (True, {}, {"enable_thinking": True}):
        on = Transformers(model, tokenizer, chat=chat)
        assert tokenizer.decode(on.prompt_ids(Problem("p", "1+1?"))) == "[user]1+1?<eos>[assistant]"
    left_out, plain = Transformers(model, tokenizer, chat=False), Transformers(*tiny_model(), chat=False)
    names = [policy_name(policy) for policy in (off, Transformers(model, tokenizer), left_out, plain)]
    assert names == ["untitled[enable_thinking=False]", "untitled", "untitled[chat=False]", "untitled"]


@pytest.mark.parametrize(
    ("chat", "message"),
    [
        ({"enable_thoughts": False}, "does not know enable_thoughts"),
        ({"add_generation_prompt": False}, "add_generation_prompt is given by this library"),
    ],
)
def test_arguments_that_a_template_cannot_take(chat, message):
    with pytest.raises(BadInput, match=message):
        Transformers(*thinking(), chat=chat)
    with pytest.raises(BadInput, match="has none: leave it out"):
        Transformers(*tiny_model(), chat={"enable_thinking": False})


def test_arguments_by_spec(tmp_path):
    model, tokenizer = thinking()
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "model")
    spec = f"transformers:{tmp_path / 'model'}"
    for option, chat in (
        ("chat.enable_thinking=false", {"enable_thinking": False}),
        ("chat.enable_thinking=no,dtype=float32", {"enable_thinking": False}),
        ("chat=no", False),
        ("chat=yes", True),
        ("dtype=float32", True),
    ):
        assert policies.load(f"{spec},{option}").prompts.chat == chat
    given = [chat_of(spec_parts(f"vllm:m,chat.a={value}"))["a"] for value in ("3", "0.5", "low", "none", "True", "[1]")]
    assert given == [3, 0.5, "low", None, True, "[1]"]
    for option, message in (
        ("chat=maybe", "use yes or no"),
        ("chat=no,chat.a=1", "chat=no leaves out the chat template"),
    ):
        with pytest.raises(ValueError, match=message):
            policies.load(f"{spec},{option}")
    with pytest.raises(ValueError, match="unknown policy"):
        policies.load(f"{spec},chatty.a=1")
    assert version_of(f"{spec},chat.enable_thinking=false") != version_of(spec)


def test_a_run_writes_down_what_its_template_was_given(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model, tokenizer = thinking()
    for part in (model, tokenizer):
        part.save_pretrained("model")
    command = ["run", "--task=chain", "--n=1", "--limit=1", "--max-tokens=4", "--out=out"]
    assert main([*command, "--policy=transformers:model,chat.enable_thinking=false"]) == 0
    assert 'policy = "transformers:model,chat.enable_thinking=false"' in (tmp_path / "out/config.toml").read_text()
    assert main([*command, "--policy=transformers:model"]) == 2
    assert "chat.enable_thinking=false" in capsys.readouterr().err


def test_tokens_that_the_model_does_not_have():
    """A vocabulary larger than the embeddings: a row that uses it fails with a reason, the others do not."""
    model, tokenizer = tiny_model()
    tokenizer.add_tokens(["two"])
    policy = Transformers(model, tokenizer)
    problems = [Problem("large", "two+1="), Problem("fine", "2+1=")]
    reply = policy.extend(problems, [Solution()] * 2, until="end", sampling=Sampling(max_tokens=5), seeds=[0, 1])
    reason = "token 99 is none of the model's 99: its tokenizer is another model's"
    assert reply.solutions[0].reason.startswith(f"problem 'large': {reason}")
    assert reply.solutions[1].token_count > 0
    prefix = Solution((Step("it is two"),))
    assert (
        reason
        in policy.extend(problems[1:], [prefix], until="end", sampling=Sampling(max_tokens=50), seeds=[0])
        .solutions[0]
        .reason
    )
    assert [
        reason in (why or "") for why in policy.logprobs([problems[1]] * 2, [prefix, Solution((Step("2"),))]).reasons
    ] == [True, False]
    assert reason in policy.next_token_probs(problems[1:], [prefix], tokens=[1]).reasons[0]
    with pytest.raises(BadInput, match="token 99"):
        policy.next_token_probs(problems[1:], [Solution()], tokens=[99])
    with pytest.raises(BadInput, match="token 99"):
        GenRM(
            policy, format=GenRMFormat(direct="{problem}{solution}", cot="", solver="", verdict="?", yes="two", no="N")
        )
    [row] = token_rows(tokenizer, problems[:1], [Solution()], limit=None, vocabulary=99)
    assert reason in row


def test_scorers_and_trainings_with_tokens_that_the_model_does_not_have(tmp_path):
    for kind in ("orm", "prm"):
        scorer = prms.load(f"tiny:{kind}")
        scorer.tokenizer.add_tokens(["two"])
        rows = [Solution((Step(text),), Stop.EOS) for text in ("=two", "=2")]
        scores = scorer.score([Problem("p", "C 1+1\n")] * 2, rows)
        assert scores.reasons[0].startswith("token 100 is none of the model's 100")
        assert scores.reasons[1] is None
    shutil.copytree(weights_folder("policy"), tmp_path / "base")
    scorer.tokenizer.save_pretrained(tmp_path / "base")
    labelled = [with_outcome(Problem("p", "C 1+1\n"), row, True) for row in rows]
    with pytest.raises(BadInput, match="an example cannot be trained on: token 100"):
        verifiers.train_orm(
            tmp_path / "base", labelled, out=tmp_path / "out", config=TrainConfig(max_steps=1, batch_size=1)
        )
