"""The page as a whole: one file that needs nothing else and runs nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from adrec_cli.inspecting.inspection import Inspection
from adrec_cli.pages.markup import Html, element, join, paragraph, read_style
from adrec_cli.reporting.data_section import data_section
from adrec_cli.reporting.embeddings_section import embeddings_section
from adrec_cli.reporting.examples import Examples
from adrec_cli.reporting.examples_section import examples_section
from adrec_cli.reporting.material import Material
from adrec_cli.reporting.pictures import Pictures
from adrec_cli.reporting.pipeline_section import pipeline_section
from adrec_cli.reporting.reproduction_section import reproduction_section
from adrec_cli.reporting.results_section import results_section, tell_seed
from adrec_cli.reporting.sweeps_section import sweeps_section
from adrec_cli.wording import command_anywhere, say_statistics


def page(
    material: Material, pictures: Pictures, inspection: Inspection | None, examples: Examples | None = None
) -> bytes:
    """Return the page as UTF-8; the same material gives the same bytes.

    Args:
        material: what was read.
        pictures: of it.
        inspection: of the item vectors; None where nothing is trained.
        examples: of what is recommended; None where nothing is trained.
    """
    sweeps = {name.removeprefix("sweep-"): one for name, one in pictures.by_kind.get("sweeps", {}).items()}
    sections = [
        ("data", "Data", data_section(material.dataset)),
        ("pipeline", "Pipeline", pipeline_section(material, pictures.of("curves"))),
        ("results", "Results", results_section(material, pictures.of("slices"))),
        ("examples", "Examples", examples_section(examples) if examples else None),
        ("sweeps", "Sweeps", sweeps_section(material, sweeps)),
        (
            "embeddings",
            "Item vectors",
            embeddings_section(inspection, [*pictures.of("spectrum"), *pictures.of("embeddings")])
            if inspection
            else None,
        ),
        # Last, as it lists what the others could not read.
        ("reproduction", "Reproduction", reproduction_section(material)),
    ]
    there = [(anchor, title, content) for anchor, title, content in sections if content is not None]
    links = element("ul", *(element("li", element("a", title, href=f"#{anchor}")) for anchor, title, _ in there))
    note = element("p", f"Without pictures: {pictures.missing}.", class_="note") if pictures.missing else None
    name = material.dataset.manifest.dataset
    again = command_anywhere("report", name)
    body = element(
        "body",
        element("header", element("h1", f"{name}: recommenders and how good they are"), *_lead(material), note,
                element("nav", links, aria_label="Sections")),
        element("main", *(content for _, _, content in there)),
        element("footer", "Written by ", element("code", again), ". It loads and runs nothing."),
    )  # fmt: skip
    return f"<!doctype html>\n{element('html', _head(name), body, lang='en').text}\n".encode()


def _head(name: str) -> Html:
    style = read_style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{name}, a report by adrec"),
        Html(f"<style>{style}</style>"),
    )


def _lead(material: Material) -> Sequence[Html]:
    """Return what is to be known first: what was trained, and what is best."""
    found = material.dataset.manifest.statistics
    counts = f"{say_statistics(found)}."
    trained = ", ".join(material.models) or "nothing yet"
    lines = [element("p", f"{counts} Trained: {trained}.", class_="lead")]
    full = [one for one in material.evaluations if one.protocol.endswith("/full/test") and not one.mask_seen]
    if full:
        best = max(full, key=lambda one: one.metrics["ndcg@10"])
        low, high = best.intervals["ndcg@10"]
        name = f"{best.model} {best.stage}".strip() + tell_seed(best)
        lines.append(
            paragraph(
                "Best against the whole catalogue: ", element("strong", name),
                f", NDCG@10 {best.metrics['ndcg@10']:.4f} [{low:.4f}, {high:.4f}], HR@10 {best.metrics['hr@10']:.4f} (",
                element("code", best.protocol), ").",
            )
        )  # fmt: skip
    return [join(lines)]
