"""How to get the same figures again: the commands, and what they depend on."""

from __future__ import annotations

from adrec_cli import __version__
from adrec_cli.artifacts.checkpoint_metadata import read_metadata
from adrec_cli.artifacts.evaluation_sets import find_checkpoint_place, find_training_seed
from adrec_cli.artifacts.provenance import code_sha256
from adrec_cli.models.registry import MODELS, find_stages
from adrec_cli.pages.markup import Html, commands, element, paragraph, section, sha
from adrec_cli.reporting.material import Material
from adrec_cli.reporting.reproduction import (
    evaluate_command,
    preprocess_command,
    seeds_command,
    train_command,
    versions,
)
from adrec_cli.schema import CATEGORY, TITLE
from adrec_cli.wording import command_anywhere


def reproduction_section(material: Material) -> Html:
    """Return the section with the exact commands."""
    dataset = material.dataset
    has_item_file = any(name in dataset.items.columns for name in (TITLE, CATEGORY))
    lines = [preprocess_command(dataset.manifest, has_item_file=has_item_file)]
    last = [stages[-1].metadata for stages in material.models.values()]
    lines += [train_command(metadata) for metadata in last]
    lines += _seeds_commands(material)
    lines += list(dict.fromkeys(map(evaluate_command, material.evaluations)))
    lines += [sweep.record.command for sweep in material.sweeps]
    lines += [str(search.about.get("command")) for search in material.searches]
    lines.append(command_anywhere("report", dataset.manifest.dataset))
    warm = [metadata.model for metadata, stages in zip(last, material.models.values(), strict=True)
            if stages[0].metadata.parent_sha256]  # fmt: skip
    every = [stage.metadata for stages in material.models.values() for stage in stages]
    told = [
        paragraph(
            "With the same source files, these commands give the same checkpoints to the byte on a CPU of the same "
            "kind with the same versions; another number of threads or a GPU rounds differently in the last digits."
        ),
        commands(lines),
        paragraph(
            f"This page: adrec {__version__}, code ", sha(code_sha256()), ". Checkpoints were written by ",
            "; ".join(versions(every)) or "nobody", ".",
        ),
    ]  # fmt: skip
    if warm:
        told.append(
            paragraph(
                element("span", f"{', '.join(warm)} began with the weights of an earlier model", class_="bad"),
                ": the commands train from fresh weights, and so give another model.",
            )
        )
    if material.left_out:
        told.append(element("h3", "Left out"))
        told.append(element("ul", *(element("li", line) for line in material.left_out)))
    return section("reproduction", "Reproduction", *told)


def _seeds_commands(material: Material) -> list[str]:
    """Return the commands that train with several seeds what was evaluated so."""
    places: dict[str, dict[int, str]] = {}
    # The command of a plugin's model that is not registered now could not be typed.
    for one in (one for one in material.evaluations if one.model in MODELS):
        if (seed := find_training_seed(one)) is not None and one.stage == [*find_stages(one.model)][-1]:
            places.setdefault(one.model, {})[seed] = find_checkpoint_place(one)
    lowest = {model: min(by_seed) for model, by_seed in places.items()}
    return [
        seeds_command(read_metadata(material.dataset.folder / by_seed[lowest[model]]), 1 + max(by_seed) - lowest[model])
        for model, by_seed in places.items()
    ]
