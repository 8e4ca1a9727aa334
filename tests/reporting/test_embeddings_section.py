"""Every figure of item vectors stands with its model and its noise."""

from __future__ import annotations

import dataclasses

from adrec_cli.diagnostics.embedding import TERMS, EmbeddingDiagnostics
from adrec_cli.inspecting.inspection import InspectedModel, Inspection
from adrec_cli.reporting.embeddings_section import embeddings_section
from tests.pages.tables import read_tables, read_words
from tests.reporting.test_sections import PICTURE


def diagnostics(level: float, *, items: int) -> EmbeddingDiagnostics:
    """Return figures that differ from each other, from a level on."""
    told = {name: level + number / 100 for number, name in enumerate(TERMS)}
    return EmbeddingDiagnostics(items=items, width=8, singular_values=(1.0,), **told)


def test_every_figure_of_item_vectors_stands_with_its_model_and_noise() -> None:
    models = [
        InspectedModel(
            name=name, model=name, stage="train", epoch=1, dataset="tiny", checkpoint="c", checkpoint_sha256="s",
            items=items, diagnostics=diagnostics(level, items=50), warning=warning, neighbourhoods=[],
        )
        for name, level, items, warning in (("adrec", 1.0, 50, ""), ("sasrec", 2.0, 50, "collapsed"))
    ]  # fmt: skip
    noise = dataclasses.replace(diagnostics(3.0, items=50), silhouette=None, isotropy=12_345.6, mean_cosine=-0.0001)
    inspection = Inspection(models=models, noise=noise, without_silhouette=False)
    section = embeddings_section(inspection, [PICTURE])
    (table,) = read_tables(section)
    assert table.columns == ["figure", "adrec", "sasrec", "noise", "meaning"]
    assert table.right == ["adrec", "sasrec", "noise"]
    assert table.texts("figure") == [name.replace("_", " ") for name in TERMS]
    assert table.texts("meaning") == list(TERMS.values())
    for name, level in (("adrec", 1.0), ("sasrec", 2.0)):
        assert table.texts(name) == [f"{level + number / 100:.4g}" for number in range(len(TERMS))]
    of_noise = dict(zip(TERMS, table.texts("noise"), strict=True))
    assert (of_noise["isotropy"], of_noise["mean_cosine"], of_noise["silhouette"]) == ("1.2e+04", "-1.0e-04", "none")
    words = read_words(section)
    assert "sasrec: collapsed" in words
    assert "adrec: " not in words
    assert words.endswith("the picture")
