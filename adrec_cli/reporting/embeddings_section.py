"""Whether item vectors collapse: their figures beside those of noise, and pictures of how they lie."""

from __future__ import annotations

from collections.abc import Sequence

from adrec_cli.diagnostics.embedding import TERMS
from adrec_cli.inspecting.inspection import Inspection
from adrec_cli.pages.markup import Html, element, paragraph, section, table


def embeddings_section(inspection: Inspection, pictures: Sequence[Html]) -> Html:
    """Return the section about item vectors."""
    warnings = [
        paragraph(element("span", f"{model.name}: {model.warning}", class_="bad"))
        for model in inspection.models
        if model.warning
    ]
    names = [model.name for model in inspection.models]
    measured = [*(model.diagnostics for model in inspection.models), inspection.noise]
    rows = [
        [name.replace("_", " "), *(_figure(getattr(one, name)) for one in measured), meaning]
        for name, meaning in TERMS.items()
    ]
    columns = ["figure", *names, "noise", "meaning"]
    about = "Noise has as many vectors, as wide and as varied as those of the first model, and no structure at all."
    if inspection.about_sample:
        about += f" Here are {inspection.about_sample}."
    return section(
        "embeddings",
        "Item vectors",
        *warnings,
        paragraph(about),
        table(columns, rows, right=[*names, "noise"]),
        *pictures,
    )


def _figure(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:.1e}" if abs(value) >= 10_000 or 0 < abs(value) < 0.0005 else f"{value:.4g}"
