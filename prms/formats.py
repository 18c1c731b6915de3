r"""The input formats of public process reward models, as data.

A format says, to the token, what a PRM was trained to read and where its opinion stands. None of
them is a class of its own: a model retrained in a known format is `dataclasses.replace(FORMAT, ...)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Literal

from verifiers.interface.scoring import Reduce


@dataclass(frozen=True, slots=True)
class PRMFormat:
    r"""What a public PRM reads, where its opinion stands, and how to tell that a model is of this kind.

    The ids of a row are, with the problem and each step stripped of white space (of `strip` alone, for steps):

    - layout "text": BOS where `bos`; `problem`; then `first_step` or `next_step` and the tag, for each step;
    - layout "assistant": the tokenizer's chat template with `system`, the problem as the user's message, and
      all steps in the assistant's, each followed by the tag;
    - layout "turns": one turn of the user a step, the problem in the first; the assistant answers `good` to each.

    A step's score is read at its tag; in "turns" at the token before the assistant's answer, which
    predicts it. The tag is always appended as an id: the text of a problem or of a step never becomes
    a special token, whatever it spells. `head` says by what: "tokens" is the softmax of the language
    model over `good` and `bad`, "classes" a Linear-ReLU-Linear `score` whose class 1 is good, "value"
    the sigmoid of a Linear `v_head.summary`.

    >>> MATH_SHEPHERD.tag, MATH_SHEPHERD.good, MATH_SHEPHERD.bad
    ('▁ки', '▁+', '▁-')
    >>> format_named("Qwen/Qwen2.5-Math-PRM-72B").name
    'qwen2.5-math-prm'

    Tokens are named as the vocabulary spells them. `ids` are those of the published tokenizer, and a
    tokenizer with others is refused; give `ids=()` for a model retrained on another vocabulary.
    `target` says what the labels were, see `prms.PRM`; None where nobody has said. Of those with "value",
    Math-Shepherd's and RLHFlow's are 1 where *any* of a step's completions was right, so their scores are
    closer to the value of Best-of-N than to Q. `reduce` makes one number of a solution's scores: "min" where
    the paper says so, else "last". `separator` ends the steps the model was trained on. `max_tokens` bounds
    a row, where the model's own context does not. `tag_in_steps`: whether the tag is a token that steps may
    hold themselves.
    """

    name: str
    models: tuple[str, ...]  # hub names
    layout: Literal["text", "assistant", "turns"]
    head: Literal["tokens", "classes", "value"]
    separator: str
    target: Literal["error", "value"] | None
    reduce: Reduce = "last"
    architecture: str | None = None  # of config.json, where it alone tells the format
    bos: bool = False
    system: str | None = None
    problem: str = "{problem}"
    first_step: str = "{step}"
    next_step: str = "{step}"
    strip: str | None = None
    tag: str | None = None
    tag_text: str | None = None  # how the reference writes the tag, where it tokenizes the whole text
    tag_in_steps: bool = False
    good: str | None = None
    bad: str | None = None
    ids: tuple[tuple[str, int], ...] = ()
    max_tokens: int | None = None


# Model cards of Qwen2.5-Math-PRM-7B, -72B and Qwen2.5-Math-7B-PRM800K; labels: Zhang et al. 2025
# (arXiv 2501.07301), sections 3-4: hard, from completions and a judge that agree, and PRM800K's.
QWEN_MATH_PRM = PRMFormat(
    name="qwen2.5-math-prm",
    models=("Qwen/Qwen2.5-Math-PRM-7B", "Qwen/Qwen2.5-Math-PRM-72B", "Qwen/Qwen2.5-Math-7B-PRM800K"),
    layout="assistant",
    head="classes",
    separator="\n\n",
    target="error",
    architecture="Qwen2ForProcessRewardModel",
    system=r"Please reason step by step, and put your final answer within \boxed{}.",
    tag="<extra_0>",
    tag_text="<extra_0>",
    ids=(("<extra_0>", 151651),),
    max_tokens=4096,
)

# Model card of math-shepherd-mistral-7b-prm; Wang et al. 2023 (arXiv 2312.08935), section 3.3: a step
# is labelled + if any of its completions is right ("hard estimation"): a value and not a first error, and
# that of Best-of-N rather than Q. A solution is worth its lowest step (section 3.4).
MATH_SHEPHERD = PRMFormat(
    name="math-shepherd",
    models=("peiyi9979/math-shepherd-mistral-7b-prm",),
    layout="text",
    head="tokens",
    separator="\n",
    target="value",
    reduce="min",
    bos=True,
    first_step=" {step}",
    next_step="\n{step}",
    tag="▁ки",
    tag_text=" ки",
    good="▁+",
    bad="▁-",
    ids=(("▁ки", 12902), ("▁+", 648), ("▁-", 387)),
)

# RLHFlow/RLHF-Reward-Modeling, math-rm/prm_evaluate.py and the model cards. Labels as Math-Shepherd's: any
# completion right. That script takes the mean over steps, which padding raises; the last is read here.
RLHFLOW_DEEPSEEK = PRMFormat(
    name="rlhflow-deepseek",
    models=("RLHFlow/Llama3.1-8B-PRM-Deepseek-Data",),
    layout="turns",
    head="tokens",
    separator="\n\n",
    target="value",
    first_step=" {step}",
    good="+",
    bad="-",
    ids=(("+", 10), ("-", 12)),
)

# The same model family and turns, trained on Mistral's solutions, whose steps are lines ("Step 1: ...").
RLHFLOW_MISTRAL: PRMFormat = replace(
    RLHFLOW_DEEPSEEK,
    name="rlhflow-mistral",
    models=("RLHFlow/Llama3.1-8B-PRM-Mistral-Data",),
    separator="\n",
)

# SkyworkAI/skywork-o1-prm-inference (prepare_input and the value head of its vLLM plug-in). The
# labels are not published. Steps are lines, whose indentation is kept.
SKYWORK = PRMFormat(
    name="skywork-o1-open-prm",
    models=("Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B", "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-7B"),
    layout="text",
    head="value",
    separator="\n",
    target=None,
    architecture="Qwen2ForPrmModel",
    bos=True,
    problem="{problem}\n",
    strip="\n",
    tag="Ċ",
    tag_in_steps=True,
    ids=(("Ċ", 198),),
)

# Training and evaluation code of VersaPRM (Zeng et al. 2025, arXiv 2502.06737): a judge's labels, cut
# after the first wrong step. Its Llama models; transformers loads those that are LoRA adapters through peft.
VERSA_PRM = PRMFormat(
    name="versaprm",
    models=(
        "UW-Madison-Lee-Lab/VersaPRM",
        "UW-Madison-Lee-Lab/VersaPRM-Aug",
        "UW-Madison-Lee-Lab/VersaPRM-Base-8B",
        "UW-Madison-Lee-Lab/VersaPRM-Base-3B",
        "UW-Madison-Lee-Lab/VersaPRM-Math-Subset",
        "UW-Madison-Lee-Lab/VersaPRM-Small-Subset",
        "UW-Madison-Lee-Lab/Llama-PRM800K",
    ),
    layout="text",
    head="tokens",
    separator="\n\n",
    target="error",
    bos=True,
    problem="{problem} \n\n",
    tag="ĠĊĊĊĊ",
    tag_text=" \n\n\n\n",
    good="+",
    bad="-",
    ids=(("ĠĊĊĊĊ", 23535), ("+", 10), ("-", 12)),
)

# The same code's Qwen2.5-Math model, whose tokenizer has no BOS and another id for the tag.
VERSA_PRM_QWEN: PRMFormat = replace(
    VERSA_PRM,
    name="versaprm-qwen",
    models=("UW-Madison-Lee-Lab/Qwen-PRM800K",),
    bos=False,
    ids=(("ĠĊĊĊĊ", 22701), ("+", 10), ("-", 12)),
)

FORMATS = (
    QWEN_MATH_PRM,
    MATH_SHEPHERD,
    RLHFLOW_DEEPSEEK,
    RLHFLOW_MISTRAL,
    SKYWORK,
    VERSA_PRM,
    VERSA_PRM_QWEN,
)


def format_named(name: str) -> PRMFormat | None:
    """The format of that name, of that hub name, or of a folder named like the model it holds.

    >>> [f.name if (f := format_named(n)) else None for n in ("math-shepherd", "./Llama-PRM800K", "mine")]
    ['math-shepherd', 'versaprm', None]
    """
    wanted = name.casefold()
    # A hub cache keeps `owner/model` in models--owner--model/snapshots/REVISION.
    last = [part.rpartition("--")[2].casefold() for part in PurePath(name).parts if part]
    for known in FORMATS:
        if wanted in map(str.casefold, (known.name, *known.models)):
            return known
        short = {model.rpartition("/")[2].casefold() for model in known.models}
        if last and (last[-1] in short or (len(last) > 2 and last[-2] == "snapshots" and last[-3] in short)):
            return known
    return None


def format_of(name: str, config: Mapping[str, Any]) -> PRMFormat | None:
    """The format of a model by its name and its config.json, None where neither tells.

    >>> format_of("models/run-7", {"architectures": ["Qwen2ForPrmModel"]}).name
    'skywork-o1-open-prm'
    >>> format_of("models/run-7", {"architectures": ["LlamaForCausalLM"]}) is None
    True
    """
    architectures = config.get("architectures") or ()
    for known in FORMATS:
        if known.architecture in architectures:
            return known
    return format_named(name) or format_named(str(config.get("_name_or_path") or ""))


def known_formats() -> str:
    """One line that names every format, for messages."""
    return ", ".join(known.name for known in FORMATS)
