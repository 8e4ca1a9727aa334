"""Maps of item vectors: every item where its model puts it, marked as what it is."""

from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from adrec_cli.errors import UsageError
from adrec_cli.plots.embedding_map import EmbeddingMap, draw_by_category, draw_by_popularity, project
from adrec_cli.plots.style import CYCLE, MARKERS, PALE, Look

ABOUT = "demo, 30 items"

pytestmark = pytest.mark.usefixtures("without_layout")


def maps(number: int, items: int = 30) -> list[EmbeddingMap]:
    rng = np.random.default_rng(number)
    return [
        EmbeddingMap(name=f"model {each}", points_N2=rng.normal(size=(items, 2)).astype(np.float32))
        for each in range(number)
    ]


def colours(marks: PathCollection) -> np.ndarray:
    values = marks.get_array()
    return np.asarray(marks.get_facecolors() if values is None else marks.to_rgba(values))


def panels(figure: Figure, number: int) -> list[tuple[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]]]:
    """Return of each map its title, and of each of its kinds of marks the points, sizes and colours."""
    drawn = [axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"]
    assert len(drawn) == number
    assert all(axes.get_xticks().size == axes.get_yticks().size == 0 for axes in drawn)
    assert all(axes.get_aspect() == 1 for axes in drawn)
    return [
        (
            axes.get_title(loc="left"),
            [
                (np.asarray(one.get_offsets()), one.get_sizes(), colours(one))
                for one in axes.collections
                if len(one.get_offsets())
            ],
        )
        for axes in drawn
    ]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_every_model_has_its_map_and_popular_items_are_large_dark_and_on_top(number: int) -> None:
    shown, counts = maps(number), np.random.default_rng(7).permutation(30) * 10
    figure = draw_by_popularity(shown, counts, title="Items", about=ABOUT)
    order = np.argsort(counts)
    for one, (title, marks) in zip(shown, panels(figure, number), strict=True):
        assert title == one.name
        ((points, sizes, shades),) = marks
        assert np.array_equal(points, one.points_N2[order]), "the most popular item is drawn last"
        assert (np.diff(sizes) > 0).all()
        assert (sizes[0], sizes[-1]) == (pytest.approx(4), pytest.approx(30))
        light = shades[:, :3].sum(axis=1)
        assert (np.diff(light) <= 1e-6).all()
        assert light[0] > light[-1]
    bar = next(axes for axes in figure.axes if axes.get_label() == "<colorbar>")
    assert bar.get_ylabel() == "train events of the item"
    assert bar.get_ylim() == pytest.approx((1, 290))
    assert {text.get_text() for text in bar.get_yticklabels()} >= {"1", "10", "100"}
    assert figure.get_supxlabel() == ABOUT


def test_items_that_nobody_took_are_the_least() -> None:
    figure = draw_by_popularity(maps(1, 5), np.zeros(5, dtype=np.int64), title="Items", about=ABOUT)
    ((_, marks),) = panels(figure, 1)
    assert marks[0][1] == pytest.approx(np.full(5, 4.0))


@pytest.mark.parametrize(("number", "kinds"), [(1, 9), (2, 7), (5, 3)])
def test_every_item_has_the_colour_of_its_category(number: int, kinds: int) -> None:
    """The larger a category the earlier its colour; beyond the colours that there are, all are of the rest."""
    sizes = {f"kind {kind}": kinds - kind for kind in range(kinds)}
    categories: list[str | None] = [name for name, size in sizes.items() for _ in range(size)]
    categories += [None] * 2
    categories = [categories[place] for place in np.random.default_rng(1).permutation(len(categories))]
    shown = maps(number, len(categories))
    figure = draw_by_category(shown, categories, title="Items", about=ABOUT)
    named = list(sizes)[: len(CYCLE)]
    look = {name: (CYCLE[place], MARKERS[place]) for place, name in enumerate(named)}
    (legend,) = figure.subfigs[1].legends
    assert [text.get_text() for text in legend.get_texts()] == [*named, "other"]
    handles = [(handle.get_color(), handle.get_marker()) for handle in legend.legend_handles]
    assert handles == [*look.values(), (PALE, "o")]
    assert [text.get_text() for text in figure.subfigs[1].texts] == [ABOUT]
    for one, (title, marks) in zip(shown, panels(figure, number), strict=True):
        assert title == one.name
        found = {tuple(point): tuple(shades[0][:3]) for points, _, shades in marks for point in points}
        assert found == {
            tuple(point): to_rgba(look[str(kind)][0] if kind in look else PALE)[:3]
            for point, kind in zip(one.points_N2, categories, strict=True)
        }


def test_categories_of_one_size_are_in_the_order_of_their_names() -> None:
    figure = draw_by_category(maps(1, 6), ["b", "a", "c", "b", "a", "c"], title="Items", about=ABOUT)
    assert [text.get_text() for text in figure.subfigs[1].legends[0].get_texts()] == ["a", "b", "c"]


def test_what_is_long_is_cut_or_broken_into_lines() -> None:
    long = "a category whose name is long"
    about = "about the data " * 20
    for width in (5.0, 8.0):
        figure = draw_by_category(
            maps(1, 4), [long, long, "冒険", None], title="I", about=about, look=Look(width=width)
        )
        (legend,) = figure.subfigs[1].legends
        assert [text.get_text() for text in legend.get_texts()] == ["a category whose name…", "category 2", "other"]
        (caption,) = figure.subfigs[1].texts
        assert " ".join(caption.get_text().splitlines()) == about.strip()
        foot, height = caption.get_window_extent(), figure.bbox.height
        assert 0 <= foot.y0 < foot.y1 < legend.get_window_extent().y0 < 0.5 * height, "it is the last line of a picture"
        assert foot.x1 <= figure.bbox.width
        assert legend._ncols == width // 2


@pytest.mark.parametrize("items", [5, 200])
def test_every_item_is_projected_whatever_their_number(items: int) -> None:
    pytest.importorskip("sklearn")
    points = project(np.random.default_rng(0).normal(size=(items, 6)), seed=0)
    assert points.shape == (items, 2)
    assert np.isfinite(points).all()


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(UsageError, match="t-SNE needs scikit-learn") as found:
        project(np.zeros((5, 2)), seed=0)
    assert found.value.hint == "pip install 'adrec-cli[plots]'"
