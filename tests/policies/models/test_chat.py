import pytest
from tokenizers.processors import TemplateProcessing

from policies import Sampling, Transformers
from policies.models.chat import encode_prompt
from policies.models.tiny_example import tiny_model, tiny_tokenizer
from verifiers import Message, Problem, Solution, Stop

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
