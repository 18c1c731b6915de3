"""A run on a server that breaks in every way: each problem ends with a result or a failure, and failures are mended."""

import json
from collections import Counter
from pathlib import Path

import pytest

from bench.commands.cli import main
from policies.backends import openai_client
from tests.served import Served, serving

N = 2
FAULTS = ("429", "later", "500", "reset", "half", "model", "empty", "usage")


def reply(prompt: str, seed: int) -> str:
    return f"first {seed % 3}\n#### {int(prompt.split()[-1][:-1]) % 4 if seed % 4 else 9}"


def fault(body: dict[str, object], time: int) -> str | None:
    """Two in five requests break, most of them once; a few hang, and one in 25 breaks for good."""
    seed = int(str(body["seed"]))
    if seed % 25 == 0:
        return "503" if seed % 50 else "400"
    if seed % 97 == 0 and time == 0:
        return "hang"
    return FAULTS[seed // 5 % 8] if seed % 5 < 2 and time <= seed % 2 else None


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A command for a server, into a folder, with so many problems."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOY_KEY", "sk-secret-of-a-run")
    monkeypatch.setattr(openai_client, "_FIRST_WAIT", 0.01)
    rows = [{"id": f"q{i}", "prompt": f"what is {i}?", "answer": str(i % 4)} for i in range(200)]
    Path("task.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(served: Served, out: str, *more: str, problems: int = 10) -> int:
        policy = f"--policy=openai:toy,base_url={served.url},tokenizer=no,key_env=TOY_KEY,tries=4,seconds=3"
        size = [f"--limit={problems}", f"--n={N}", f"--chunk={problems // 2}"]
        return main(["run", "--task=task.jsonl", policy, *size, f"--out={out}", *more])

    return run


def rows_of(out: str, name: str = "samples.jsonl") -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(out, name).read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("problems", [40, 200])
def test_no_problem_is_lost_or_doubled_and_what_failed_is_mended(command, capsys, problems: int) -> None:
    key = "sk-secret-of-a-run"
    with serving(Served(reply, key=key)) as sound:
        assert command(sound, "whole", problems=problems) == 0
    with serving(Served(reply, key=key, fault=fault)) as broken:
        assert command(broken, "out", problems=problems) == 0
        rows = rows_of("out")
        assert Counter(row["problem"] for row in rows) == {f"q{i}": N for i in range(problems)}
        bad = [row for row in rows if row["stop"] == "failed"]
        assert problems / 40 <= len(bad) <= problems / 5
        reasons = Counter(str(row["reason"]).rpartition("/v1: ")[2] for row in bad)
        assert all(reason.startswith(("HTTP 503", "HTTP 400")) for reason in reasons), reasons
        assert f"{len(bad)} of {N * problems} samples could not be sampled" in Path("out/notes.txt").read_text()
        costs = [row["sampled_tokens"] for row in rows_of("out", "results.jsonl")]
        assert None in costs  # of replies without usage
        assert any(costs)
    with serving(Served(reply, key=key)) as sound:
        assert command(sound, "out", "--retry-failed", problems=problems) == 0  # at another address
        assert len(sound.bodies) == len(bad)
    assert Path("out/samples.jsonl").read_bytes() == Path("whole/samples.jsonl").read_bytes()
    whole, mended = (
        [(row["problem"], row["n"], row["correct"]) for row in rows_of(out, "results.jsonl")]
        for out in ("whole", "out")
    )
    assert mended == whole
    assert main(["report", "out", "--out=report.html"]) == 0
    written = [path.read_bytes() for path in Path().rglob("*") if path.is_file()]
    written += [text.encode() for text in capsys.readouterr()]
    assert not any(key.encode() in text for text in written)


def test_a_server_that_is_not_there_or_knows_no_such_model_is_one_line(command, capsys) -> None:
    with serving(Served(reply)) as gone:
        pass
    assert command(gone, "out") == 2
    assert f"{gone.url}: the connection failed" in capsys.readouterr().err
    with serving(Served(reply, fault=lambda body, time: "404")) as served:
        assert command(served, "out") == 2
    said = capsys.readouterr().err
    assert "HTTP 404 (so it is): name a model that the server has" in said
    assert said.strip().count("\n") == 0


def test_log_probabilities_that_nobody_told_are_missed_aloud(command) -> None:
    with serving(Served(reply, key="sk-secret-of-a-run")) as served:
        assert command(served, "asked", "--logprobs", problems=2) == 0
        assert command(served, "not-asked", problems=2) == 0
    told = "4 of 4 samples have no log-probabilities, which --logprobs asked for: servers tell them at temperature 0"
    assert told in Path("asked/notes.txt").read_text()
    assert "log-prob" not in Path("not-asked/notes.txt").read_text()


def test_a_cost_that_the_server_did_not_tell_is_noted(command, capsys) -> None:
    def untold(body: dict[str, object], time: int) -> str | None:
        return "usage" if "what is 1?" in str(body) else None

    with serving(Served(reply, fault=untold)) as served:
        assert command(served, "out", problems=4) == 0
    assert "sampled tok " not in capsys.readouterr().out
    told = "sampled tokens are not known of 1 of 4 problems, so there is no mean in the rows where they are missing: a"
    assert told in Path("out/notes.txt").read_text()
