"""The decoding loop against `model.generate`, and kept prefix caches against computing each prefix again.

    python benchmarks/decode.py [--model FOLDER] [--repeats 3] [--threads 1]

1. n=64 samples of each of several prompts, plain sampling at temperature 1, which end at mixed lengths
   where the model itself says EOS, or at the limit. `generate` (num_return_sequences=64, use_cache=True)
   runs once with a call a prompt and once with all prompts in one padded batch; the faster way counts.
   The policy gets all rows in one call. Tokens are counted up to and with each sample's EOS.
2. A step-wise search: 4 prefixes of each problem, 4 new rows from each, 12 steps; the policy with its
   prefix cache, and with `cache_bytes=0`, where each call computes each distinct prompt and prefix anew.

Same model, dtype, threads, prompts and limits; the order alternates; medians and spread of the repeats.
Without --model the model is a random character-level Llama (width 256, 4 layers, 8 heads on 2 of keys) with
a head that makes it write lines of about 9 characters and stop after 14 on average (`writer_of_lines`).
Exits 1 if the first ratio is below 1.5 or the second below 2.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

from policies import Sampling, Transformers
from policies.models.pretrained import load_pretrained
from policies.models.tiny_example import tiny_model
from verifiers import Problem, Solution, Stop

BARS = (1.5, 2.0)
N, WIDTH, EXPAND, STEPS = 64, 4, 4, 12
NAMES = ("Tom", "Ann", "Ibrahim", "Li", "Maria", "Ed", "Josephine", "Kim", "Noor", "Pablo", "Ida", "Sven", "Uma", "Al")


def questions(count: int) -> list[Problem]:
    """Word problems of the length of GSM8K's (231 characters on average in its test set)."""
    return [
        Problem(
            f"q{i}",
            f"{NAMES[i % len(NAMES)]} has {10 ** (i % 4) + i} apples in the cellar and buys {i + 2} bags of 5 "
            f"apples each at the market. On the way home {i % 3 + 1} apples fall out of a bag and are lost, and a "
            "neighbour is given half of what is left. How many apples are there in the end?\n",
        )
        for i in range(count)
    ]


def main() -> int:
    """Run both comparisons and print them; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a folder or hub name; default a tiny random model")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--prompts", type=int, default=2)
    parser.add_argument("--problems", type=int, default=6, help="of the step-wise search")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.model:
        model, tokenizer = load_pretrained(options.model, dtype=options.dtype, device=options.device)
    else:
        model, tokenizer = writer_of_lines()
        model.to(options.device, getattr(torch, options.dtype))
    print(
        f"{options.model or 'random Llama'}: {sum(p.numel() for p in model.parameters()):,} parameters, "
        f"{options.dtype}, {options.device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    ratios = (
        against_generate(model, tokenizer, options.prompts, options.max_tokens, options.repeats),
        against_prefilling(model, tokenizer, options.problems, options.repeats),
    )
    met = all(ratio >= bar for ratio, bar in zip(ratios, BARS, strict=True))
    print(
        f"decode: {ratios[0]:.2f} times generate's tokens/s (bar {BARS[0]}), kept caches {ratios[1]:.2f} times faster "
        f"than prefilling each step (bar {BARS[1]}): {'met' if met else 'NOT MET'}"
    )
    return 0 if met else 1


def writer_of_lines(width: int = 256, layers: int = 4, heads: int = 8) -> tuple[PreTrainedModel, Any]:
    """A random Llama whose head makes it write lines of 7 to 11 characters, 14 lines a solution on average.

    The vocabulary is dealt into columns; the head reads the current character off the residual stream
    (embeddings are orthogonal) and puts the probability on the next columns, from the last on a newline,
    and after a newline on the first column or, one time in 14, on EOS.
    """
    model, tokenizer = tiny_model(width=width, layers=layers, heads=heads, context=1024)
    vocabulary = len(tokenizer)
    embedding = torch.linalg.qr(torch.randn(width, vocabulary, generator=torch.Generator().manual_seed(0)))[0].T
    follows = torch.zeros(vocabulary, vocabulary)
    newline = tokenizer.convert_tokens_to_ids("\n")
    columns = [[newline], *torch.arange(newline + 1, vocabulary).tensor_split(10)]
    for here, column in enumerate(columns):
        # Now and then a column is left out, so that lines differ in length.
        for ahead, share in ((1, 0.8), (2, 0.2)) if 0 < here < 9 else ((1, 1.0),):
            after = columns[(here + ahead) % len(columns)]
            for token in column:
                follows[int(token), torch.as_tensor(after)] += share / len(after)
    follows[newline] *= 13 / 14
    follows[newline, tokenizer.eos_token_id] = 1 / 14
    scale = width**0.5
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(scale * embedding)
        # The final norm brings the stream to length sqrt(width), along the current embedding.
        model.get_output_embeddings().weight.copy_((follows + 1e-4).log().T @ embedding / scale)
    return model, tokenizer


def against_generate(model: PreTrainedModel, tokenizer: Any, prompts: int, longest: int, repeats: int) -> float:
    """Tokens a second of the policy over those of `generate`."""
    problems = questions(prompts)
    policy = Transformers(model, tokenizer)
    ids = [list(policy.prompt_ids(p)) for p in problems]
    eos = torch.tensor(policy.eos).to(model.device)
    rows = [(p, s) for p in problems for s in range(N)]

    def ours(repeat: int) -> list[int]:
        reply = policy.extend(
            [p for p, _ in rows],
            [Solution()] * len(rows),
            until="end",
            sampling=Sampling(max_tokens=longest),
            seeds=[1000 * repeat + i for i in range(len(rows))],
        )
        return [s.token_count for s in reply.solutions]

    def generate(batch: list[list[int]], repeat: int) -> list[int]:
        torch.manual_seed(repeat)
        width = max(map(len, batch))
        inputs = torch.tensor([[0] * (width - len(x)) + x for x in batch], device=model.device)
        mask = torch.tensor([[0] * (width - len(x)) + [1] * len(x) for x in batch], device=model.device)
        out = model.generate(
            inputs,
            attention_mask=mask,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            num_return_sequences=N,
            max_new_tokens=longest,
            use_cache=True,
            pad_token_id=int(eos.nonzero()[0, 0]),
        )[:, width:]
        ended = eos[out].long().cumsum(dim=1)
        return ((ended == 0) | ((ended == 1) & eos[out])).sum(dim=1).tolist()

    ways: dict[str, Callable[[int], list[int]]] = {
        "policy, one call": ours,
        "generate, a call a prompt": lambda r: [n for x in ids for n in generate([x], r)],
        "generate, one padded batch": lambda r: generate(ids, r),
    }
    print(
        f"\n1. {N} samples of each of {prompts} prompts ({min(map(len, ids))} to {max(map(len, ids))} tokens), "
        f"at most {longest} new tokens"
    )
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    lengths: dict[str, list[int]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name in list(ways)[:: -1 if repeat % 2 else 1]:
            start = time.perf_counter()
            counts = ways[name](repeat)
            speed = sum(counts) / (time.perf_counter() - start)
            if repeat:  # the first round warms up
                speeds[name].append(speed)
                lengths[name] += counts
    for name, values in speeds.items():
        n = sorted(lengths[name])
        print(
            f"   {name:28}{spread(values)} tokens/s; lengths: mean {statistics.mean(n):.1f}, "
            f"10% {n[len(n) // 10]}, 90% {n[len(n) * 9 // 10]}, longest {n[-1]}"
        )
    medians = [statistics.median(v) for v in speeds.values()]
    return medians[0] / max(medians[1:])


def against_prefilling(model: PreTrainedModel, tokenizer: Any, count: int, repeats: int) -> float:
    """Seconds of the search that prefills over those of the search that keeps its caches."""
    problems = questions(count)
    sampling = Sampling(max_tokens=700)
    policies = {
        "caches kept": Transformers(model, tokenizer),
        "each prefix prefilled": Transformers(model, tokenizer, cache_bytes=0),
    }
    print(f"\n2. {count} problems, {WIDTH} prefixes x {EXPAND} rows, {STEPS} steps")
    seconds: dict[str, list[float]] = {name: [] for name in policies}
    seen = {}
    for repeat in range(repeats + 1):
        for name in list(policies)[:: -1 if repeat % 2 else 1]:
            start = time.perf_counter()
            texts, computed, sampled, steps = search(policies[name], problems, sampling, repeat)
            if repeat:
                seconds[name].append(time.perf_counter() - start)
            seen[name] = (texts, f"{computed:,} prefix tokens computed, {sampled:,} sampled, {steps} steps")
    for name, values in seconds.items():
        print(f"   {name:28}{spread(values)} seconds; last run: {seen[name][1]}")
    same = seen["caches kept"][0] == seen["each prefix prefilled"][0]
    print(f"   the same texts: {same}")
    return statistics.median(seconds["each prefix prefilled"]) / statistics.median(seconds["caches kept"])


def search(
    policy: Transformers, problems: list[Problem], sampling: Sampling, repeat: int
) -> tuple[list[str], int, int, int]:
    """Beam search without a scorer: the first open rows go on. The texts, tokens computed and sampled, steps made."""
    policy = policy.remembering()
    rows = [(p, Solution()) for p in problems for _ in range(WIDTH * EXPAND)]
    computed = sampled = steps = 0
    for step in range(STEPS):
        reply = policy.extend(
            [p for p, _ in rows],
            [prefix for _, prefix in rows],
            until="step",
            sampling=sampling,
            seeds=[(repeat * 100 + step) * 10_000 + i for i in range(len(rows))],
        )
        computed += sum(s.prompt_tokens for s in reply.spend)
        sampled += sum(s.sampled_tokens for s in reply.spend)
        steps += 1
        beams: dict[str, list[Solution]] = {}
        for (p, _), solution in zip(rows, reply.solutions, strict=True):
            if solution.stop is Stop.OPEN:
                beams.setdefault(p.id, []).append(solution)
        rows = [(p, s) for p in problems for s in beams.get(p.id, [])[::EXPAND][:WIDTH] for _ in range(EXPAND)]
        if not rows:
            break
    return [s.text for s in reply.solutions], computed, sampled, steps


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):10.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    sys.exit(main())
