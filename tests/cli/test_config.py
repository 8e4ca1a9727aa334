"""`adrec config`: every option is there with what it means, and its range is the one that is enforced."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from adrec_cli.cli.config import _spell_default
from adrec_cli.config import parse_settings
from adrec_cli.errors import UsageError
from adrec_cli.experiments.described_options import _read_meanings, choose_options, describe_options
from adrec_cli.experiments.experiment import compose
from adrec_cli.models.registry import list_trainable
from adrec_cli.sweeping.option_keys import option_paths
from tests.cli.conftest import Adrec


def shown(adrec: Adrec, *arguments: str) -> dict[str, dict[str, Any]]:
    done = adrec("config", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return {one["key"]: one for one in json.loads(done.stdout)["options"]}


@pytest.mark.parametrize("model", list_trainable())
def test_every_option_has_a_meaning_and_a_range(model: str) -> None:
    experiment = compose(model)
    options = describe_options(experiment)
    keys = {one.key for one in options}
    general = {re.sub(r"^stages\.\w+\.", "stages.*.", path) for path in option_paths(experiment)}
    assert {re.sub(r"^stages\.\w+\.", "stages.*.", key) for key in keys} == general
    assert len(options) == len(keys)
    for one in options:
        assert one.meaning, one.key
        assert one.range, one.key


@pytest.mark.parametrize("model", list_trainable())
def test_what_is_listed_for_it_is_taken_by_set_with_the_default_as_it_is_shown(model: str) -> None:
    experiment = compose(model)
    options = describe_options(experiment)
    taken = [one for one in options if one.trained_with]
    for one in taken:
        assert one.default is not None, one.key
        assert compose(model, overrides=parse_settings([f"{one.key}={_spell_default(one.default)}"])) == experiment
    assert {one.key for one in options if one not in taken} == {
        path for path in option_paths(experiment) if path.startswith("sampling.")
    }


def test_options_of_sampling_are_apart_and_set_says_where_they_are_given(adrec: Adrec) -> None:
    trained, ranked = adrec("config").stdout.split("\n\n")
    assert "sampling." not in trained
    assert all(line.startswith(("option\t", "sampling.")) for line in ranked.splitlines())
    assert [one["set"] for one in shown(adrec, "seed").values()] == [True, False]
    with pytest.raises(UsageError, match="sampling is chosen where a model ranks, not where it is trained"):
        compose("adrec", overrides=parse_settings(["sampling.steps=3"]))


def test_every_stage_is_set_at_once_and_one_of_them_otherwise(tmp_path: Path) -> None:
    asked = parse_settings(["stages.align.epochs=7", "stages.*.epochs=3", "stages.*.negatives=8"])
    stages = compose("adrec", overrides=asked).stages
    assert [(one.epochs, one.negatives) for one in stages.values()] == [(3, 8), (7, 8), (3, 8)]
    (tmp_path / "own.toml").write_text('[stages."*"]\nepochs = 2\n[stages.align]\nepochs = 1\n')
    stages = compose("adrec", config=tmp_path / "own.toml", overrides={"stages": {"pretrain": {"epochs": 5}}}).stages
    assert [one.epochs for one in stages.values()] == [5, 1, 2]
    for wrong in ("stages.*.epoch=3", "stages.*=3"):
        with pytest.raises(UsageError, match="unknown configuration key"):
            compose("adrec", overrides=parse_settings([wrong]))


def test_a_meaning_is_what_the_docstring_says_of_the_option() -> None:
    """Attributes that are described together have it in common, and lines that go on are joined."""

    class Described:
        """Options.

        Attributes:
            width, depth: of a network,
                in entries.
            share: of something.

        Source: nobody.
        """

    class More(Described):
        """More options.

        Attributes:
            share: of something else.
        """

    told = {"width": "of a network, in entries.", "depth": "of a network, in entries.", "share": "of something."}
    assert _read_meanings(Described) == told
    assert _read_meanings(More) == {**told, "share": "of something else."}


@pytest.mark.parametrize("model", list_trainable())
def test_bounds_that_are_told_are_those_that_hold(model: str) -> None:
    """What lies below a bound is refused; a value that an option of names lists is never an unknown one."""
    checked = 0
    for one in describe_options(compose(model)):
        if not one.trained_with:
            continue
        if least := re.search(r"at least (\d+)", one.range):
            with pytest.raises(UsageError):
                compose(model, overrides=parse_settings([f"{one.key}={int(least[1]) - 1}"]))
            checked += 1
        if most := re.search(r"at most ([\d,]+)", one.range):
            with pytest.raises(UsageError, match="at most"):
                compose(model, overrides=parse_settings([f"{one.key}={int(most[1].replace(',', '')) + 1}"]))
            checked += 1
    assert checked > 10


def test_defaults_are_those_of_the_model(adrec: Adrec) -> None:
    assert shown(adrec, "model.diffusion_steps")["model.diffusion_steps"]["default"] == 32
    assert shown(adrec, "lambda")["model.lambda"]["default"] == 0.001
    assert shown(adrec, "blocks", "--model", "sasrec")["model.blocks"]["default"] == compose("sasrec").model.blocks
    found = shown(adrec, "epochs")
    assert {key: one["default"] for key, one in found.items()} == {
        "stages.pretrain.epochs": 100, "stages.align.epochs": 5, "stages.finetune.epochs": 100,
    }  # fmt: skip
    schedule = shown(adrec, "model.noise_schedule")["model.noise_schedule"]
    assert "trunc_lin" in schedule["range"].split(", ")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("stages.align.patience", ["stages.align.patience"]),
        ("stages.align.learning_rate", ["stages.*.learning_rate"]),
        ("stages.*.learning-rate", ["stages.*.learning_rate"]),
        ("seed", ["training.seed", "sampling.seed"]),
    ],
)
def test_a_key_is_found_by_its_names(adrec: Adrec, key: str, expected: list[str]) -> None:
    assert list(shown(adrec, key)) == expected


def test_a_table_shows_what_is_in_it(adrec: Adrec) -> None:
    assert {key.partition(".")[0] for key in shown(adrec, "training")} == {"training"}
    of_stage = shown(adrec, "stages.align")
    assert {"stages.align.epochs", "stages.*.negatives"} <= set(of_stage)
    assert not any(key.startswith("stages.pretrain") for key in of_stage)


@pytest.mark.parametrize(
    ("key", "near"),
    [("dropuot", "model.dropout"), ("stages.alien.epochs", "stages.align.epochs"), ("qqq", "tables")],
)
def test_an_unknown_key_suggests_near_ones(adrec: Adrec, key: str, near: str) -> None:
    done = adrec("config", key)
    assert (done.exit_code, done.stdout) == (2, "")
    assert near in done.stderr
    with pytest.raises(UsageError):
        choose_options(describe_options(compose("adrec")), key, "adrec")


def test_lines_through_a_pipe(adrec: Adrec) -> None:
    lines = adrec("config", "model.dropout").stdout.splitlines()
    assert lines[0].split("\t") == ["option", "default", "range", "meaning"]
    assert lines[1].split("\t")[:3] == ["model.dropout", "0.1", "number, in [0, 1)"]


def test_a_model_that_is_not_trained_has_no_options(adrec: Adrec) -> None:
    assert adrec("config", "--model", "mostpop").exit_code == 2
