"""One token a character, nothing added, nothing lost."""

from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from bench.tiny import weights_folder
from bench.tiny.worlds.tokenizer import CHARACTERS, EOS, PAD, build_tokenizer, encode

TOKENIZER = build_tokenizer()
TEXTS = st.text(alphabet=CHARACTERS, max_size=40)


@given(TEXTS | st.lists(st.sampled_from(("<pad>", "<eos>", "a", "<", "\n"))).map("".join))
def test_decoding_gives_the_text_back(text):
    ids = TOKENIZER(text).input_ids
    assert TOKENIZER.decode(ids) == text
    assert ids == encode(text)
    assert len(ids) == len(text)


@given(TEXTS, TEXTS)
def test_a_join_of_texts_is_a_join_of_ids(a, b):
    assert TOKENIZER(a + b).input_ids == TOKENIZER(a).input_ids + TOKENIZER(b).input_ids


def test_the_saved_tokenizer_is_the_same():
    saved = AutoTokenizer.from_pretrained(weights_folder("policy"))
    text = "  C 7+5*3\n\n =4 . , n't\n"
    assert saved(text).input_ids == encode(text)
    assert saved.decode(encode(text)) == text
    assert (saved.pad_token_id, saved.eos_token_id, saved.chat_template) == (PAD, EOS, None)
