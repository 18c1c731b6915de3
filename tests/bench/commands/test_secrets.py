"""A command that refuses a spec says so without what may be a secret."""

import pytest

from bench.commands.cli import main


@pytest.mark.parametrize("spec", ["openai:m,key=sk-word", "openai:m,base_url=http://me:word@h/v1"])
def test_a_refused_spec_shows_none(spec, capsys):
    assert main(["run", "--task", "chain", "--limit", "1", "--n", "2", "--out", "out", "--policy", spec]) == 2
    said = "".join(capsys.readouterr())
    assert "word" not in said
    assert said.count("\n") == 1
