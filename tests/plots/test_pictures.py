"""Pictures: the same bytes every time, all text inside the picture, names instead of colours alone."""

from __future__ import annotations

import itertools
import re
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure
from matplotlib.text import Text

from adrec_cli.errors import UsageError
from adrec_cli.plots.embedding_map import EmbeddingMap, draw_by_category, draw_by_popularity, name_categories, project
from adrec_cli.plots.line_labels import spread
from adrec_cli.plots.metric_interval import MetricInterval
from adrec_cli.plots.slices import SliceRow, draw_slices
from adrec_cli.plots.spectrum import Spectrum, draw_spectrum
from adrec_cli.plots.style import CYCLE, FORMATS, MARKERS, USUAL, Look, can_draw, render, require_font, shorten
from adrec_cli.plots.sweep import SweepPoint, draw_sweep
from adrec_cli.plots.training_curves import StageCurve, draw_training_curves

ABOUT = "demo, loo/full/test"
LONG_ABOUT = f"{ABOUT}; t-SNE of the item vectors, started from their principal components, seed 0; " + "more " * 9


def interval(value: float) -> MetricInterval:
    return MetricInterval(value=value, lower=value - 0.01, upper=value + 0.02)


def a_curve(stage: str, epochs: int, **losses: float) -> StageCurve:
    return StageCurve(
        stage=stage,
        seconds=[2.0] * epochs,
        losses={name: [value / (1 + epoch) for epoch in range(epochs)] for name, value in losses.items()},
        metric=[None if epoch % 2 else 0.1 + epoch / 100 for epoch in range(epochs)],
        effective_rank=[60.0 - epoch for epoch in range(epochs)],
        kept_epoch=1,
    )


def curves(look: Look = USUAL) -> Figure:
    stages = [a_curve("pretrain", 9, ce=6), a_curve("align", 2, ce=5, mse=1), a_curve("finetune", 20, ce=5, mse=0.9)]
    return draw_training_curves(stages, title="Training", about=ABOUT, monitor="ndcg@10", look=look)


def spectra(look: Look = USUAL) -> Figure:
    names = ["ADRec", "SASRec", "DreamRec", "noise"]
    found = [
        Spectrum(name=name, singular_values=[8 / (1 + n * slope) for n in range(16)], items=50, effective_rank=9)
        for slope, name in enumerate(names)
    ]
    return draw_spectrum(found, title="Directions", about=ABOUT, look=look)


def a_map(name: str) -> EmbeddingMap:
    return EmbeddingMap(name=name, points_N2=np.random.default_rng(len(name)).normal(size=(60, 2)).astype(np.float32))


def categories(look: Look = USUAL) -> Figure:
    maps = [a_map("ADRec"), a_map("DreamRec"), a_map("DiffuRec")]
    kinds = [f"a category with a very long name {number % 11}" for number in range(58)] + [None, "冒険"]
    return draw_by_category(maps, kinds, title="Items by category", about=LONG_ABOUT, look=look)


def popularity(look: Look = USUAL) -> Figure:
    maps = [a_map(name) for name in ("ADRec", "DreamRec", "DiffuRec", "SASRec")]
    return draw_by_popularity(maps, np.arange(60) ** 2, title="Items by popularity", about=ABOUT, look=look)


def slices(look: Look = USUAL) -> Figure:
    models = {name: interval(0.1 * number) for number, name in enumerate(("ADRec", "SASRec", "MostPopular"))}
    rows = [SliceRow(name=name, about="1,234 targets", models=models) for name in ("all", "head", "tail")]
    return draw_slices(
        rows, metric="ndcg@10", title="Slices", about=ABOUT + "; head: " + "popular items " * 12, look=look
    )


def a_sweep(look: Look = USUAL) -> Figure:
    points = [
        SweepPoint(
            name=f"lambda={value}", key="lambda", value=value, part=part, metric=interval(0.3), seeds=[0.3, 0.31]
        )
        for part in ("valid", "test")
        for value in ("0.001", "0.01", "1")
    ]
    points += [
        SweepPoint(
            name=name, key="ablation" * (name != "base"), value=name, part="valid", metric=interval(0.2), seeds=[1]
        )
        for name in ("base", "three-stage", "pretrain")
    ]
    return draw_sweep(points, metric="ndcg@10", title="Sweep", about=ABOUT, look=look)


PICTURES = [curves, spectra, categories, popularity, slices, a_sweep]


PAPER = Look(width=5, font="DejaVu Serif", titled=False)


@pytest.mark.parametrize("draw", PICTURES, ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("look", [USUAL, PAPER], ids=["usual", "paper"])
def test_pictures_are_the_same_every_time_and_nothing_is_cut_off(draw, look: Look) -> None:
    figure = draw(look)
    if look is USUAL:
        assert render(figure, "svg") == render(draw(), "svg")
    assert figure.get_size_inches()[0] == look.width
    assert any(ABOUT in text.get_text() for text in figure.findobj(Text))
    assert bool(figure.get_suptitle()) == look.titled
    boxes = {str(part): part.get_tightbbox(figure.canvas.get_renderer()) for part in figure.get_children()}
    within = figure.bbox.padded(2)
    for part, box in boxes.items():
        if box is not None and part != str(figure.patch):
            assert within.x0 <= box.x0 < box.x1 <= within.x1, part
            assert within.y0 <= box.y0 < box.y1 <= within.y1, part


@pytest.mark.parametrize("kind", FORMATS)
def test_no_file_says_when_or_by_what_it_was_made(kind: str) -> None:
    first, second = render(spectra(PAPER), kind, look=PAPER), render(spectra(PAPER), kind, look=PAPER)
    assert first == second
    for word in (b"CreationDate", b"ModDate", b"<dc:date>", b"tEXt", b"Matplotlib v", b"/Creator", b"/Producer"):
        assert word not in first


def test_a_paper_s_picture_holds_its_font_as_outlines_that_journals_take() -> None:
    written = render(curves(PAPER), "pdf", look=PAPER)
    fonts = {name.split(b"+")[-1] for name in re.findall(rb"/BaseFont /(\S+)", written)}
    assert b"DejaVuSerif" in fonts
    assert all(name.startswith(b"DejaVuSerif") for name in fonts)
    assert b"/Type3" not in written


def test_a_font_there_is_not_is_named() -> None:
    require_font("DejaVu Serif")
    with pytest.raises(UsageError, match="there is no font 'DejaVu Seriff'") as found:
        require_font("DejaVu Seriff")
    assert "DejaVu Serif" in str(found.value.hint)


def test_what_is_left_out_and_where_an_axis_begins_is_said() -> None:
    texts = {text.get_text() for text in a_sweep().findobj(Text)}
    assert {"base", "without pretrain", "without three-stage"} <= texts
    assert {"ndcg@10, not from 0", "ndcg@10 (valid), not from 0"} <= texts


@pytest.mark.parametrize("kinds", [["a", "b"], ["a", None], [f"{number:02}" for number in range(30)]], ids=len)
def test_a_legend_names_every_mark_there_is_and_no_other(kinds) -> None:
    each = [kinds[number % len(kinds)] for number in range(60)]
    figure = draw_by_category([a_map("ADRec")], each, title="Items", about=ABOUT)
    (legend,) = figure.subfigs[1].legends
    named = [text.get_text() for text in legend.get_texts()]
    drawn = [points for points in figure.axes[0].collections if len(points.get_offsets())]
    assert len(named) == len(drawn) == len(set(named))
    assert ("other" in named) == (None in kinds or len(kinds) > len(CYCLE))


def test_users_settings_do_not_matter() -> None:
    import matplotlib

    before = render(spectra(), "png")
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "savefig.dpi": 33}):
        assert render(spectra(), "png") == before


def test_names_of_lines_keep_apart_and_in_order() -> None:
    assert spread([0.5, 0.1], 0.1) == [0.5, 0.1]
    placed = spread([0.5, 0.5, 0.52], 0.1)
    assert placed == pytest.approx([0.40666, 0.50666, 0.60666], abs=1e-4)
    crowded = sorted(spread([1.0] * 6 + [0.0], 0.1))
    assert all(second - first >= 0.1 - 1e-9 for first, second in itertools.pairwise(crowded))
    assert crowded[0] >= 0
    assert crowded[-1] <= 1 + 1e-9
    assert spread([], 0.1) == []


def test_every_category_has_a_shape_of_its_own() -> None:
    assert len(set(MARKERS)) == len(set(CYCLE)) == len(MARKERS)
    legend = categories().subfigs[1].legends[0]
    assert [text.get_text() for text in legend.get_texts()][-1] == "other"


def test_letters_the_font_lacks_are_replaced() -> None:
    assert name_categories(["Café", "冒険", "a" * 30], USUAL) == ["Café", "category 2", "a" * 21 + "…"]
    assert not can_draw("")
    assert shorten("abcdef", 4) == "abc…"


def test_tsne_repeats_and_keeps_neighbours() -> None:
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(size=(20, 8)), rng.normal(size=(20, 8)) + 30])
    points = project(vectors, seed=0)
    assert (points == project(vectors, seed=0)).all()
    apart = np.linalg.norm(points[:20].mean(axis=0) - points[20:].mean(axis=0))
    assert apart > 2 * points[:20].std(axis=0).max()


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="need matplotlib"):
        spectra()
