"""Monte-Carlo values of prefixes, for a policy's own solutions and for made up ones."""

import gzip
import json
import math
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from bench.inputs.rows import read_rows
from bench.tiny.making.examples.made_up import make_up_text
from bench.tiny.worlds.tasks import load_task
from bench.tiny.worlds.worlds import WORLDS, draw_prompts
from policies.policy import Policy, Sampling
from prms.rollouts import State, Tally, roll_out, state_of
from verifiers.interface.errors import BadInput
from verifiers.interface.solution import Problem, Solution, Stop, split_steps
from verifiers.reward_models.labelled import Labelled

_CHUNK = 512  # states that are rolled out in one call


def draw_solutions(
    policy: Policy, task: str, *, count: int, samples: int, made: int, seed: int
) -> list[tuple[Problem, Solution]]:
    """`samples` solutions by the policy and `made` made up ones for each of `count` train problems; the different ones.

    The policy's show what a search will meet; the made up ones hold the rare errors.
    """
    rng = random.Random(seed)
    world = WORLDS[task]
    problems = [
        Problem(f"{task} {seed} {i}", prompt, world.gold_answer(prompt))
        for i, prompt in enumerate(draw_prompts(world, count, seed, "train"))
    ]
    asked = [problem for problem in problems for _ in range(samples)]
    drawn = policy.extend(
        asked,
        [Solution()] * len(asked),
        until="end",
        sampling=Sampling(max_tokens=world.MAX_TOKENS),
        seeds=[rng.getrandbits(62) for _ in asked],
    ).solutions
    texts: dict[tuple[Problem, str], None] = {}
    for i, problem in enumerate(problems):
        own = [s.text for s in drawn[i * samples : (i + 1) * samples] if s.finished and s.text]
        texts |= dict.fromkeys((problem, t) for t in own)
        texts |= dict.fromkeys((problem, make_up_text(task, str(problem.prompt), rng)) for _ in range(made))
    return [(problem, Solution(split_steps(text), Stop.EOS)) for problem, text in texts]


def value_solutions(
    policy: Policy,
    task: str,
    solutions: Sequence[tuple[Problem, Solution]],
    *,
    rollouts: int,
    prefixes: int,
    seed: int,
    temperature: float = 1.0,
) -> list[Labelled]:
    """The policy's chance to end right from each solution's root and from `prefixes` of its steps (at most), at random.

    The last step's label is the outcome. The labels of the other steps are NaN.
    """
    loaded = load_task(task, count=1)
    sampling = Sampling(max_tokens=loaded.sampling.max_tokens, temperature=temperature)
    rng = random.Random(seed)
    picked = []
    for _, solution in solutions:
        inner = range(1, len(solution.steps))
        picked.append(sorted(rng.sample(inner, min(prefixes, len(inner)))))
    states = dict.fromkeys(State(problem) for problem, _ in solutions)
    for (problem, solution), ks in zip(solutions, picked, strict=True):
        states |= dict.fromkeys(state_of(problem, solution.steps[:k]) for k in ks)
    order = list(states)
    tallies: dict[State, Tally] = {}
    for start in tqdm(range(0, len(order), _CHUNK), desc=f"values {task}", mininterval=5):
        chunk = order[start : start + _CHUNK]
        found, _, _ = roll_out(policy, loaded.verifier, chunk, n=rollouts, sampling=sampling, seed=seed)
        tallies.update(zip(chunk, found, strict=True))
    outcomes = loaded.verifier.score([p for p, _ in solutions], [s for _, s in solutions]).values()
    rows = []
    for (problem, solution), ks, outcome in zip(solutions, picked, outcomes, strict=True):
        labels = [math.nan] * (len(solution.steps) - 1) + [float(outcome)]
        for k in ks:
            labels[k - 1] = tallies[state_of(problem, solution.steps[:k])].value
        rows.append(Labelled(problem, solution, tuple(labels), tallies[State(problem)].value))
    return rows


def write_labelled(rows: Iterable[Labelled], path: Path) -> None:
    """One JSON object a line, gzipped; it appears whole or not at all."""
    draft = path.with_suffix(".partial")
    with gzip.open(draft, "wt", encoding="utf-8") as file:
        for row in rows:
            entry = {
                "problem": row.problem.id,
                "prompt": row.problem.prompt,
                "answer": row.problem.answer,
                "steps": [step.text for step in row.solution.steps],
                "labels": [None if math.isnan(label) else round(label, 4) for label in row.labels],
                "root": row.root,
            }
            file.write(json.dumps(entry) + "\n")
    draft.replace(path)


def read_labelled(path: Path) -> list[Labelled]:
    """What `write_labelled` wrote, at least a row; BadInput for anything else."""
    rows = []
    for where, entry in read_rows(path):
        try:
            solution = Solution(split_steps("".join(entry["steps"])), Stop.EOS)
            labels = tuple(math.nan if label is None else label for label in entry["labels"])
            problem = Problem(entry["problem"], entry["prompt"], entry["answer"])
            rows.append(Labelled(problem, solution, labels, entry["root"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"{where}: not a row that was written here ({error}); remove the file") from None
    if not rows:
        raise BadInput(f"{path}: no rows in it; remove the file")
    return rows
