"""One token a character: a tokenizer that can neither merge nor lose anything."""

from transformers import PreTrainedTokenizerFast

SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")
CHARACTERS = "\n" + "".join(chr(code) for code in range(32, 127))
VOCABULARY = {token: i for i, token in enumerate((*SPECIAL, *CHARACTERS))}
PAD, BOS, EOS = 0, 1, 2


def build_tokenizer() -> PreTrainedTokenizerFast:
    r"""The tokenizer of every tiny model: printable ASCII and the line break, and no template.

    Nothing is added in front: the task's letter opens the prompt. Special tokens are ids alone: a text
    that spells one is read as the characters it has.

    >>> tokenizer = build_tokenizer()
    >>> ids = tokenizer("C 7+5\n").input_ids
    >>> len(ids), tokenizer.decode(ids)
    (6, 'C 7+5\n')
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    core = Tokenizer(models.WordLevel(VOCABULARY, unk_token=SPECIAL[3]))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    core.decoder = decoders.Fuse()
    pad, bos, eos, unknown = SPECIAL
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=pad,
        bos_token=bos,
        eos_token=eos,
        unk_token=unknown,
        padding_side="right",
        model_max_length=256,
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,  # a text that spells "<eos>" ends nothing
    )


def encode(text: str) -> list[int]:
    r"""The ids of a text, as the tokenizer gives them, without its overhead.

    >>> encode("=4")
    [34, 25]
    """
    unknown = VOCABULARY["<unk>"]
    return [VOCABULARY.get(character, unknown) for character in text]
