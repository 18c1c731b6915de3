"""Names of other people's columns, and lists that stand beside the solutions."""

import json
from pathlib import Path

import datasets
import numpy as np
import pytest

from bench.pools.saved_pool import read_pools
from verifiers.interface.errors import BadInput


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(*rows: object, columns: dict[str, str] | None = None):
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_pools(["p.jsonl"], columns=columns)


def values(pool, name: str) -> list[float]:
    return pool.recorded[name].values().tolist()


def test_all_names_are_mapped_at_once() -> None:
    """The old name of one column may be our name of another, in any order of the pairs."""
    row = {"question": "1+1?", "gt": "2", "answer": "It is 3"}
    pairs = [("prompt", "question"), ("answer", "gt"), ("text", "answer")]
    for columns in (dict(pairs), dict(pairs[::-1])):
        [pool] = read(row, columns=columns)
        assert (pool.problem.prompt, pool.problem.answer) == ("1+1?", "2")
        assert [s.text for s in pool.solutions] == ["It is 3"]
    swapped = {"prompt": "2", "answer": "1+1?", "text": "It is 3"}
    [pool] = read(swapped, columns={"prompt": "answer", "answer": "prompt"})
    assert (pool.problem.prompt, pool.problem.answer) == ("1+1?", "2")
    in_objects = {"question": "1+1?", "gt": "2", "solutions": [{"answer": "It is 3"}]}
    assert [s.text for s in read(in_objects, columns=dict(pairs))[0].solutions] == ["It is 3"]


def test_a_mapped_name_wins_over_an_own_field_of_a_solution() -> None:
    solution = {"text": "1+1?", "completion": "It is 2", "correct": False, "is_right": True}
    [pool] = read({"prompt": "?", "solutions": [solution]}, columns={"text": "completion", "correct": "is_right"})
    assert [s.text for s in pool.solutions] == ["It is 2"]
    assert pool.correct == (True,)


def test_a_mapped_name_may_be_missing_in_some_rows_but_not_in_all() -> None:
    rows = [{"prompt": "a", "text": "1", "right": True}, {"prompt": "b", "text": "2"}]
    assert [pool.correct for pool in read(*rows, columns={"correct": "right"})] == [(True,), (None,)]
    message = (
        r"columns correct=rght: no solution in p.jsonl has 'rght', and no row a list of it, one for each solution; "
        r"the names there are 'prompt', 'solutions', 'text', 'right'$"
    )
    with pytest.raises(BadInput, match=message):
        read({"prompt": "a", "solutions": [{"text": "1", "right": True}]}, columns={"correct": "rght"})
    with pytest.raises(BadInput, match="columns correct=right: no solution"):
        read({"prompt": "a", "solutions": ["1"], "right": True}, columns={"correct": "right"})  # of which one?


def test_a_mapping_is_not_said_to_be_of_no_use_because_of_the_limit() -> None:
    Path("p.jsonl").write_text('{"prompt": "a", "text": "1"}\n{"prompt": "b", "text": "2", "right": true}\n')
    assert len(read_pools(["p.jsonl"], columns={"correct": "right"}, limit=1)) == 1


def test_lists_beside_objects_count_as_beside_texts() -> None:
    row = {"prompt": "?", "rewards": [0.1, 0.5], "correct": [True, False], "stop": ["length", None]}
    for solutions in (["1", "2"], [{"text": "1"}, {"text": "2"}]):
        [pool] = read({**row, "solutions": solutions})
        assert values(pool, "rewards") == pytest.approx([0.1, 0.5])
        assert pool.correct == (True, False)
        assert [s.stop for s in pool.solutions] == ["length", "eos"]
        [pool] = read({**row, "solutions": solutions}, columns={"scores": "rewards"})
        assert values(pool, "rewards") == pytest.approx([0.1, 0.5])
    [pool] = read({**row, "solutions": [{"text": "1", "correct": False, "rewards": 0.9}, {"text": "2"}]})
    assert pool.correct == (False, False)
    assert values(pool, "rewards") == pytest.approx([0.9, 0.5])
    with pytest.raises(BadInput, match=r"p.jsonl:1: 2 of 'correct' for 1 solutions: give one each"):
        read({**row, "solutions": [{"text": "1"}]})


def test_mapped_scores_have_the_name_of_their_column() -> None:
    columns = {"scores": "reward"}
    [pool] = read({"prompt": "?", "solutions": [{"text": "1", "reward": 0.5}]}, columns=columns)
    assert values(pool, "reward") == [0.5]
    [pool] = read({"prompt": "?", "text": "a\nb", "reward": [0.5, 0.25], "n": 7}, columns=columns)
    assert [row.tolist() for row in pool.recorded["reward"].steps] == [[0.5, 0.25]]
    assert set(pool.recorded) == {"reward"}
    [pool] = read({"prompt": "?", "text": "1", "reward": "0.5"}, columns=columns)  # as all numbers of CSV are
    assert values(pool, "reward") == [0.5]
    with pytest.raises(BadInput, match=r"p.jsonl:1: solution 0: scores\['reward'\] is 'high'; use a number"):
        read({"prompt": "?", "text": "1", "reward": "high"}, columns=columns)


def test_an_object_of_lists_is_a_list_of_objects() -> None:
    lists = {"text": ["1", "2"], "score": [0.1, 0.5]}
    [pool] = read({"prompt": "?", "solutions": lists})
    assert [s.text for s in pool.solutions] == ["1", "2"]
    assert values(pool, "score") == pytest.approx([0.1, 0.5])
    [pool] = read({"prompt": "?", "solutions": {"text": "1", "score": 0.5}})  # one object
    assert values(pool, "score") == [0.5]
    for bad in ({"text": ["1"], "score": []}, {}):
        with pytest.raises(BadInput, match=r"p.jsonl:1: 'solutions' is an object, but not of lists of the same length"):
            read({"prompt": "?", "solutions": bad})


def test_a_data_set_saved_with_a_format() -> None:
    rows = [{"prompt": "?", "answer": 4, "texts": ["1", "2"], "scores": [[0.1, 0.2], [0.3, 0.4]], "right": [1, 0]}]
    for kind in ("numpy", "torch"):
        datasets.Dataset.from_list(rows).with_format(kind).save_to_disk(kind)
        [pool] = read_pools([kind], columns={"solutions": "texts", "correct": "right"})
        assert pool.problem.answer == "4"
        assert pool.correct == (True, False)
        np.testing.assert_array_equal(pool.recorded["score"].steps[1], np.array([0.3, 0.4], dtype=np.float32))
