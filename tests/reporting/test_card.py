"""A model card says of each figure, hash and count what the artifacts say, in the row and column it belongs to."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from adrec_cli import __version__
from adrec_cli.loading.opening import open_dataset
from adrec_cli.reporting.card import Described, write_card
from adrec_cli.reporting.data_section import describe_concentration
from adrec_cli.reporting.material import Material
from adrec_cli.reporting.page import page
from adrec_cli.reporting.pictures import Pictures
from adrec_cli.reporting.reproduction_section import reproduction_section
from adrec_cli.reporting.results_section import METRICS
from tests.pages.tables import read_words
from tests.reporting.made_up import a_stage, an_evaluation


@pytest.fixture(scope="module")
def material(tiny_source: Path) -> Material:
    stages = [
        a_stage("adrec", "pretrain", epochs=12, seconds=75.4),
        a_stage("adrec", "finetune", epochs=34, seconds=1234.5, epoch=21, seed=5, threads=3, item_count=1234),
    ]
    evaluations = [
        an_evaluation("adrec", 0.3, stage="finetune", checkpoint_sha256="adrec-finetune-sha"),
        an_evaluation("mostpop", 0.1, stage="", checkpoint="", checkpoint_sha256=""),
        an_evaluation("sasrec", 0.4),
        an_evaluation("adrec", 0.2, checkpoint_sha256="adrec-finetune-sha", protocol="loo/full/valid"),
    ]
    return Material(
        dataset=open_dataset(tiny_source / "tiny"), models={"adrec": stages}, evaluations=evaluations, sweeps=[],
        searches=[], left_out=[],
    )  # fmt: skip


def describe(material: Material, **changed: Any) -> str:
    return write_card(Described(material=material, stages=material.models["adrec"], **changed))


def tables(card: str) -> list[list[list[str]]]:
    """Return the rows of each table, the heading first."""
    found: list[list[list[str]]] = [[]]
    for line in card.splitlines():
        if line.startswith("| "):
            found[-1].append([cell.strip() for cell in line.strip("|").split(" | ")])
        elif found[-1]:
            found.append([])
    return [[rows[0], *rows[2:]] for rows in found if rows]


def figures(name: str, evaluation: Any) -> list[str]:
    return [name, *(f"{evaluation.metrics[m]:.4f} [{evaluation.intervals[m][0]:.4f}, {evaluation.intervals[m][1]:.4f}]"
                    for m in METRICS)]  # fmt: skip


def test_a_card_says_what_the_artifacts_say(material: Material) -> None:
    card = describe(material, licence="mit")
    full, validation, data, stages = tables(card)
    heading = ["model", *(name.upper() for name in METRICS)]
    ours, popular, _, second = material.evaluations
    assert full == [heading, figures("adrec", ours), figures("mostpop", popular)], "no other trained model"
    assert validation == [heading, figures("adrec", second)]
    assert card.index("Protocol `loo/full/test`, 1,200 users") < card.index("Protocol `loo/full/valid`, 1,200 users")
    assert "Not measured yet" not in card
    manifest = material.dataset.manifest
    counts = manifest.statistics
    told = {row[0]: row[1] for row in data[1:]}
    assert told["users, items, interactions"] == ", ".join(
        f"{counts[name]:,}" for name in ("users", "items", "interactions")
    )
    assert told["first and last event"] == f"{counts['first_time'][:10]}, {counts['last_time'][:10]}"
    assert (told["sequences sha256"], told["items sha256"]) == (manifest.sequences_sha256, manifest.items_sha256)
    assert stages == [
        ["stage", "best epoch", "epochs", "seconds", "sha256"],
        ["`pretrain`", "7", "12", "75", "`adrec-pretrain-sha`"],
        ["`finetune`", "21", "34", "1234", "`adrec-finetune-sha`"],
    ]
    assert "it ranks the 1,234 items of the data set tiny" in card
    assert "It is stage `finetune` of ADRec, trained with adrec 1.2." in card
    assert "Seed 5, CPU threads 3, PyTorch 2.3." in card
    assert describe_concentration(material.dataset.items["count"].to_numpy()) in card


def test_the_head_of_a_card_is_yaml_of_json(material: Material) -> None:
    head = describe(material, licence="mit").split("---\n")[1]
    told = {line.partition(": ")[0]: json.loads(line.partition(": ")[2]) for line in head.splitlines()}
    assert (told["license"], told["library_name"]) == ("mit", "adrec")
    assert told["metrics"] == ["ndcg", "hr"]
    (index,) = told["model-index"]
    assert [one["dataset"]["config"] for one in index["results"]] == ["loo/full/test", "loo/full/valid"]
    for result, evaluation in zip(index["results"], (material.evaluations[0], material.evaluations[3]), strict=True):
        assert [(one["type"], one["name"], one["value"]) for one in result["metrics"]] == [
            (name, name.upper(), round(evaluation.metrics[name], 6)) for name in METRICS
        ]
    assert "license" not in describe(material).split("---\n")[1]


@pytest.mark.parametrize("content", [{}, {"vectors_sha256": "v"}])
def test_later_items_need_content(material: Material, content: dict[str, str]) -> None:
    stage = a_stage("adrec", "finetune", content=content)
    card = write_card(Described(material=material, stages=[stage]))
    assert ("no later ones, unless they come with content." in card) == bool(content)
    assert ("no later ones.\n" in card) != bool(content)


def test_a_model_that_was_not_measured_says_with_what_it_is(material: Material) -> None:
    card = describe(dataclasses.replace(material, evaluations=[]))
    assert "Not measured yet: `adrec evaluate workspace/tiny/adrec/finetune.safetensors`" in card
    assert len(tables(card)) == 2


# The page


def test_the_commands_of_a_page_are_in_the_order_they_are_typed(material: Material) -> None:
    told = dataclasses.replace(material, left_out=["one is damaged", "two is of other data"])
    text = read_words(reproduction_section(told))
    names = [shlex.split(line)[0] for line in text.split("adrec ")[1:]]
    assert [name for name in names if name in ("preprocess", "train", "evaluate", "report")] == [
        "preprocess", "train", "evaluate", "evaluate", "evaluate", "evaluate", "report",
    ]  # fmt: skip
    assert f"This page: adrec {__version__}, code" in text
    assert "Checkpoints were written by adrec 1.2, torch 2.3" in text
    assert text.endswith("Left out one is damaged two is of other data")
    bare = read_words(reproduction_section(dataclasses.replace(material, models={}, evaluations=[])))
    assert "Checkpoints were written by nobody" in bare
    assert "Left out" not in bare


@pytest.mark.parametrize("masked", [False, True])
def test_a_page_begins_with_the_best_of_the_whole_catalogue(
    material: Material, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adrec_cli.reporting.page.results_section", lambda *given: None)
    best = an_evaluation("sasrec", 0.4, mask_seen=masked)
    sampled = an_evaluation("gru4rec", 0.9, protocol="loo/sampled-9/test")
    others = [one for one in material.evaluations if one.model != "sasrec"]
    made = dataclasses.replace(material, evaluations=[sampled, *others, best])
    written = page(made, Pictures(), None).decode()
    lead = written[written.index("<header>") : written.index("<nav")]
    counts = material.dataset.manifest.statistics
    for name in ("users", "items", "interactions"):
        assert f"{counts[name]:,} {name}" in lead
    assert "Trained: adrec." in lead
    first = others[0] if masked else best
    low, high = first.intervals["ndcg@10"]
    assert f"NDCG@10 {first.metrics['ndcg@10']:.4f} [{low:.4f}, {high:.4f}], HR@10 {first.metrics['hr@10']:.4f}" in lead
    assert ("adrec finetune" if masked else "sasrec train") in lead
    assert "Without pictures" not in written
    bare = page(dataclasses.replace(material, models={}, evaluations=[]), Pictures(missing="no matplotlib"), None)
    assert b"Trained: nothing yet." in bare
    assert b"Best against" not in bare
    assert b"Without pictures: no matplotlib." in bare


def test_seeds_are_trained_again_by_one_command_a_model(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a plugin that is not there has none: it could not be typed."""
    monkeypatch.setattr(
        "adrec_cli.reporting.reproduction_section.read_metadata",
        lambda path: a_stage("sasrec", "train", training={"training": {"seed": int(path.parent.name[5:])}}).metadata,
    )
    evaluations = [
        an_evaluation(model, 0.1, path=f"r/{model}-train-seed-{seed}-x.json", checkpoint="train.safetensors")
        for model in ("sasrec", "markov")
        for seed in (51, 50, 52)
    ]
    text = read_words(reproduction_section(dataclasses.replace(material, models={}, evaluations=evaluations)))
    (line,) = re.findall("adrec compare .*? --threads", text)
    assert line == "adrec compare tiny --models sasrec --seeds 3 --set training.seed=50 --threads"
    assert "workspace/tiny/markov/seed-52/train.safetensors" in text
