"""`curve.png`: every curve can be told apart, and every name can be read."""

import pytest

import bench.runs.plot
from bench.runs.plot import plot
from bench.stats.contest import Contest
from bench.stats.curves import ANY_RIGHT, Point
from verifiers.interface.scoring import Spend


def points_of(contests, flops=0.0):
    return [
        Point(contest, n, 0.4 + 0.01 * i, 0.3, 0.6, Spend(policy_flops=flops * n), 20)
        for i, contest in enumerate([ANY_RIGHT, Contest("self_consistency", None), *contests])
        for n in (1, 2, 4)
    ]


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """The axes of a picture of these points, drawn and written."""
    figures = []
    write = bench.runs.plot.save_figure
    monkeypatch.setattr(
        bench.runs.plot, "save_figure", lambda figure, path: figures.append(figure) or write(figure, path)
    )

    def go(points, title="a run"):
        plot(points, tmp_path / "curve.png", title=title)
        assert (tmp_path / "curve.png").stat().st_size > 10_000
        return figures[-1].axes[0]

    return go


def looks_of(axes):
    return [(line.get_color(), line.get_linestyle(), line.get_marker()) for line in axes.get_lines()]


@pytest.mark.parametrize("count", [1, 6, 7, 29, 60])
def test_curves_of_any_number_are_told_apart(drawn, count):
    axes = drawn(points_of([Contest("best_of_n", f"scorer{i}") for i in range(count)]))
    looks = looks_of(axes)
    assert len(set(looks)) == len(looks) == count + 2
    assert len(axes.collections) == (count + 1 if count <= 9 else 0), "more bands than ten hide the curves"
    assert ("bands" in axes.get_ylabel()) == bool(axes.collections)


@pytest.mark.parametrize("name", ["s{}", "organisation/a-reward-model-of-72B-parameters/checkpoint-{:04}"])
@pytest.mark.parametrize("count", [1, 7, 29])
def test_the_legend_is_in_the_picture_and_leaves_the_curves_room(drawn, count, name):
    axes = drawn(points_of([Contest("weighted_majority", name.format(i)) for i in range(count)]))
    axes.figure.set_dpi(150)  # as it was written
    axes.figure.draw_without_rendering()
    whole, legend, plotted = axes.figure.bbox, axes.get_legend().get_window_extent(), axes.get_window_extent()
    assert 0 <= legend.x0 < legend.x1 <= whole.x1 + 1
    assert 0 <= legend.y0 < legend.y1 <= whole.y1
    assert plotted.x1 <= legend.x0
    assert plotted.width >= plotted.height
    assert len(axes.get_legend().get_texts()) == count + 2


def test_names_and_titles_are_plain_text(drawn):
    axes = drawn(points_of([Contest("best_of_n", "x$^$y")], flops=1e6), title="cost$^$x.jsonl")
    assert axes.get_title() == "cost$^$x.jsonl"
    assert [text.get_text() for text in axes.get_legend().get_texts()][-1] == "Best-of-N (x$^$y)"
    assert "FLOPs" in axes.get_xlabel()
