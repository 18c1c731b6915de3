"""A public PRM on vLLM's own server, beside the same weights here."""

from pathlib import Path

import numpy as np
import pytest

import prms
from tests.prms import conftest
from tests.vllm_server import KEY, vllm_serving
from verifiers import Problem, Solution, Stop, split_steps

pytest.importorskip("vllm", reason="the extra 'vllm' is not installed")
pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore")]


def test_the_servers_scores_are_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRM_KEY", KEY)
    monkeypatch.setattr(conftest, "WIDTH", 64)  # vLLM's attention on a CPU takes no smaller heads than of 32
    conftest.qwen_folder(tmp_path / "qwen")
    texts = ["2+3=5\n\nIt is 5.", "4+4=9\n\nSo it is 9.\n\nOr so.", "7\n\n"]
    problems = [Problem(f"p{i}", f"What is {i}+3?") for i in range(3)]
    solutions = [Solution(split_steps(text, "\n\n"), Stop.EOS) for text in texts]
    ours = prms.load(tmp_path / "qwen", dtype="float32").score(problems, solutions)
    more = ["--runner", "pooling", "--served-model-name", "small"]
    with vllm_serving(tmp_path / "qwen", tmp_path, *more) as url:
        served = prms.load(f"prm:small,base_url={url},key_env=PRM_KEY")
        theirs = served.score(problems, solutions)
        served.close()
    for a, b in zip(ours.steps, theirs.steps, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert [s.scored_tokens for s in ours.spend] == [s.scored_tokens for s in theirs.spend]
