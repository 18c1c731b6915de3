"""A public PRM on a server: the ids that it is sent, and what becomes of its replies."""

import math
from pathlib import Path

import numpy as np
import pytest

import prms
from policies.backends import openai_client
from tests.served import Served, serving
from verifiers import Problem, Solution, Stop, check_scorer, split_steps
from verifiers.interface.errors import BadInput, EngineStoppedError

PROBLEMS = [Problem("p1", "What is 2+3?"), Problem("p2", "What is 4+4?")]
SOLUTIONS = [Solution(split_steps("2+3=5\n\nIt is 5.", "\n\n"), Stop.EOS), Solution(split_steps("4+4=9\n\n", "\n\n"))]
TAG = 151651


def likely(ids: str) -> dict[str, float]:
    """A probability a tag, which the ids before it decide."""
    pieces = ids.split(str(TAG))
    return {str(k): (len("".join(pieces[: k + 1])) % 97) / 97 for k in range(len(pieces) - 1)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from tests.prms.conftest import qwen_folder

    qwen_folder(tmp_path / "qwen")
    return tmp_path / "qwen"


def opened(served: Served, folder: Path):
    return prms.load(f"prm:toy,base_url={served.url},tokenizer={folder},tries=2")


def test_a_row_is_a_request_with_its_ids_and_each_tag_a_score(folder: Path) -> None:
    with serving(Served(lambda prompt, seed: "", likely=likely)) as served:
        prm = opened(served, folder)
        scores = prm.score(PROBLEMS, SOLUTIONS)
        check_scorer(prm, list(zip(PROBLEMS, SOLUTIONS, strict=True)), causal=True)
        prm.close()
    sent = [body["input"] for body in served.bodies[:2]]
    assert sorted(ids.count(TAG) for ids in sent) == [1, 2]
    assert {body["task"] for body in served.bodies} == {"token_classify"}
    expected = [list(likely(str(ids)).values()) for ids in sorted(sent, key=len, reverse=True)]
    for row, values in zip(scores.steps, expected, strict=True):
        np.testing.assert_allclose(row, values, rtol=1e-6)
    assert scores.spend[0].scored_tokens == max(map(len, sent))
    assert math.isnan(scores.spend[0].scorer_flops)
    assert (prm.name, prm.target, prm.separator) == ("prm(toy, qwen2.5-math-prm)", "error", "\n\n")


def test_a_row_without_an_answer_has_its_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_client, "_FIRST_WAIT", 0.005)
    fault = lambda body, time: "503" if body["input"].count(TAG) == 2 else None  # noqa: E731
    with serving(Served(lambda prompt, seed: "", likely=likely, fault=fault)) as served:
        prm = opened(served, folder)
        scores = prm.score(PROBLEMS, SOLUTIONS)
        assert np.isnan(scores.steps[0]).all()
        assert "HTTP 503" in str(scores.reasons[0])
        assert scores.reasons[1] is None
        served.likely = lambda ids: {"one": 0.5, "too": 0.5, "many": 0.5}
        assert "serve the model with a pooler of type STEP" in str(prm.score(PROBLEMS, SOLUTIONS).reasons[1])
        prm.close()
        served.fault = lambda body, time: "404"
        prm = opened(served, folder)
        with pytest.raises(EngineStoppedError, match="name a model that the server has"):
            prm.score(PROBLEMS, SOLUTIONS)
        prm.close()


@pytest.mark.parametrize("good", [4.0, -0.5, math.nan, None])
def test_what_is_no_probability_is_no_answer(folder: Path, good: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_client, "_FIRST_WAIT", 0.005)
    served = Served(lambda prompt, seed: "")
    served.pooled = lambda body: {"data": [{"data": [[None if good is None else 1 - good, good]]}]}
    with serving(served):
        prm = opened(served, folder)
        scores = prm.score(PROBLEMS[1:], SOLUTIONS[1:])
        prm.close()
    assert np.isnan(scores.steps[0]).all()
    assert "where probabilities of two classes are due" in str(scores.reasons[0])


def test_a_prm_with_another_head_is_refused_by_name(tmp_path: Path) -> None:
    from tests.prms.conftest import shepherd_folder

    shepherd_folder(tmp_path / "math-shepherd")
    refused = "a 'math-shepherd' PRM is not read from vLLM's /pooling"
    server = Served(lambda prompt, seed: "", names=["math-shepherd"])
    with serving(server) as served, pytest.raises(BadInput, match=refused):
        prms.load(f"prm:math-shepherd,base_url={served.url},tokenizer={tmp_path / 'math-shepherd'}")
