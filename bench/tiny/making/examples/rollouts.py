"""Sampling many whole solutions from a tiny policy, fast."""

from collections.abc import Sequence

import torch
from tqdm import tqdm
from transformers import DynamicCache, LlamaForCausalLM

from bench.tiny.worlds.tokenizer import CHARACTERS, EOS, SPECIAL, encode

_TEXT = (*("" for _ in SPECIAL), *CHARACTERS)
_ROWS = 768


def sample(
    model: LlamaForCausalLM, prompts: Sequence[str], n: int, *, seed: int, max_tokens: int, title: str = "sampling"
) -> list[list[str | None]]:
    """`n` solutions for each prompt at temperature 1; None for one that did not end within `max_tokens`.

    Prompts of one length share a batch, so that nothing is padded.
    """
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    rows = sorted((len(prompt), i) for i, prompt in enumerate(prompts) for _ in range(n))
    out: list[list[str | None]] = [[] for _ in prompts]
    start = 0
    with tqdm(total=len(rows), desc=title, mininterval=5, unit="solutions") as bar:
        while start < len(rows):
            end = start + 1
            while end < len(rows) and end - start < _ROWS and rows[end][0] == rows[start][0]:
                end += 1
            indices = [i for _, i in rows[start:end]]
            for i, text in zip(
                indices, _sample_batch(model, [prompts[i] for i in indices], generator, max_tokens), strict=True
            ):
                out[i].append(text)
            bar.update(end - start)
            start = end
    return out


@torch.inference_mode()
def _sample_batch(
    model: LlamaForCausalLM, prompts: Sequence[str], generator: torch.Generator, max_tokens: int
) -> list[str | None]:
    texts: list[str | None] = [None] * len(prompts)
    tokens: list[list[int]] = [[] for _ in prompts]
    live = list(range(len(prompts)))
    cache = DynamicCache()
    ids = torch.tensor([encode(prompt) for prompt in prompts])
    for _ in range(max_tokens):
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
        # Gumbel noise: the largest perturbed logit is a sample of the softmax.
        noise = torch.empty_like(logits).exponential_(generator=generator).log_()
        picked = (logits - noise).argmax(-1)
        keep: list[int] = []
        for row, (i, token) in enumerate(zip(live, picked.tolist(), strict=True)):
            if token == EOS:
                texts[i] = "".join(_TEXT[t] for t in tokens[i])
            else:
                tokens[i].append(token)
                keep.append(row)
        if not keep:
            break
        if len(keep) < len(live):
            cache.batch_select_indices(torch.tensor(keep))
        ids = picked[keep, None]
        live = [live[row] for row in keep]
    return texts
