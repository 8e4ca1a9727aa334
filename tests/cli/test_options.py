"""Flags become the options of the pipeline."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import pytest
import typer.main

from adrec_cli.choices import Choice, More, build_options, choice, choices_of, embed, require_allowed
from adrec_cli.cli.app import app
from adrec_cli.cli.commands import COMMANDS
from adrec_cli.cli.options.declared import Asked, Declared, Offer, declare_parameters
from adrec_cli.cli.options.evaluation import build_evaluation
from adrec_cli.cli.options.preprocess import preprocess_options
from adrec_cli.comparing.options import CompareOptions
from adrec_cli.config import parse_settings
from adrec_cli.content.encoders import ENCODERS
from adrec_cli.content.options import EncodeOptions
from adrec_cli.diffusion.samplers import NOISES, SAMPLERS
from adrec_cli.errors import UsageError
from adrec_cli.evaluating.given_negatives import Looking
from adrec_cli.evaluating.options import EvaluationOptions
from adrec_cli.experiments.bench_options import BenchOptions
from adrec_cli.experiments.options import ExperimentOptions, TrainingOptions
from adrec_cli.experiments.work import ComputeOptions
from adrec_cli.inspecting.options import InspectOptions
from adrec_cli.models.sampling import FAST_SAMPLING, Sampling
from adrec_cli.moving.options import PruneOptions
from adrec_cli.pictures.options import PictureOptions
from adrec_cli.pipeline.preprocess import PreprocessOptions
from adrec_cli.promotion.options import PromotionOptions
from adrec_cli.ranking.samples import Merging
from adrec_cli.recommending.batch_options import AudienceOptions, BatchEngine, BatchOutput
from adrec_cli.recommending.item_choice import ItemChoice
from adrec_cli.recommending.options import Diversity, RecommendOptions
from adrec_cli.serving.options import Limits, ServeOptions
from adrec_cli.sweeping.optuna_study import PRUNERS
from adrec_cli.sweeping.sweep_options import Design, SweepOptions
from adrec_cli.sweeping.tune_options import TuneOptions
from adrec_cli.wording import flag


def parameters_of(command: str) -> dict[str, Any]:
    return {parameter.name: parameter for parameter in typer.main.get_command(app).commands[command].params}  # type: ignore[attr-defined]


def test_every_option_of_preprocessing_can_be_typed_and_has_its_default() -> None:
    declared = {name: default for name, default, _ in choices_of(PreprocessOptions)}
    assert declared == {field.name: field.default for field in fields(PreprocessOptions)}
    for command in ("preprocess", "run"):
        typed = parameters_of(command)
        assert declared.items() <= {name: parameter.default for name, parameter in typed.items()}.items()
    # The length of histories that a model sees has this name where there is a model.
    assert parameters_of("preprocess")["max_length"].help != parameters_of("run")["max_length"].help


def test_what_is_declared_becomes_a_flag_with_all_that_is_said_of_it() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Kind:
        on: bool = choice(False, bool, "Turn it on.", panel="Panel", can_be_off=True)
        size: int | None = choice(None, int, f"Size of {flag('join')}.", metavar="N", environment="SIZE")
        taken: str = choice("x", str, "Left to the command.")
        file: Path | None = choice(None, Path, "A file.")
        folder: Path | None = choice(None, Path, "A folder.", place="folder")

    on, size, file, folder = declare_parameters([Asked(Kind, Offer(without=("taken",)), built=True)])
    (on_type, on_flag), (size_type, size_flag) = get_args(on.annotation), get_args(size.annotation)
    assert (on.name, on.default, on_type, on_flag.default) == ("on", False, bool, "--on/--no-on")
    assert (on_flag.help, on_flag.rich_help_panel) == ("Turn it on.", "Panel")
    assert (size.name, size.default, size_type, size_flag.default) == ("size", None, int | None, "--size")
    assert (size_flag.help, size_flag.metavar, size_flag.envvar) == ("Size of --join.", "N", "SIZE")
    (_, file_flag), (_, folder_flag) = get_args(file.annotation), get_args(folder.annotation)
    assert (size_flag.file_okay, size_flag.dir_okay) == (True, True)
    assert (file_flag.file_okay, file_flag.dir_okay) == (True, False)
    assert (folder_flag.file_okay, folder_flag.dir_okay) == (False, True)
    assert Declared(Kind, {"on": True, "size": 3}).options(size=4) == Kind(on=True, size=4)


def test_what_can_only_be_turned_on_is_off() -> None:
    switches = {
        (command, parameter.name): parameter.default
        for command in typer.main.get_command(app).commands  # type: ignore[attr-defined]
        for parameter in parameters_of(command).values()
        if getattr(parameter, "is_flag", False) and not parameter.secondary_opts
    }
    assert len(switches) > 20
    assert {switch: default for switch, default in switches.items() if default} == {}


def test_the_dataset_to_update_is_looked_for_in_the_workspace() -> None:
    def update(name: str) -> Path | None:
        return preprocess_options(Declared(PreprocessOptions, {"update": name}), Path("ws")).update

    assert update("shop") == Path("ws/shop")
    assert update("./elsewhere/shop") == Path("elsewhere/shop")


def test_flags_of_one_stage_are_for_that_stage() -> None:
    sources = ExperimentOptions(overrides=parse_settings(["model.lambda=0.1"]))
    training = TrainingOptions(epochs=3, mse_weight=0.5, batch_size=8, max_length=9, sources=sources)
    assert training.experiment("adrec", ["align"]).overrides == {
        "model": {"lambda": 0.1, "max_length": 9},
        "training": {"batch_size": 8},
        "stages": {"align": {"epochs": 3, "mse_weight": 0.5}},
    }


def test_flags_of_a_whole_training_are_for_all_stages_and_the_weight_for_those_with_that_loss() -> None:
    stages = TrainingOptions(epochs=3, mse_weight=0.5).experiment("adrec").overrides["stages"]
    assert stages == {
        "pretrain": {"epochs": 3},
        "align": {"epochs": 3, "mse_weight": 0.5},
        "finetune": {"epochs": 3, "mse_weight": 0.5},
    }


def test_a_flag_lies_over_set() -> None:
    settings = ["stages.pretrain.epochs=9", "stages.pretrain.patience=2"]
    training = build_options(TrainingOptions, {"epochs": 3, "set": settings})
    overrides = training.experiment("adrec", ["pretrain"]).overrides
    assert overrides == {"stages": {"pretrain": {"epochs": 3, "patience": 2}}}


@pytest.mark.parametrize(("flag", "resume"), [(None, "auto"), (True, "require"), (False, "never")])
def test_resuming(flag: bool | None, resume: str) -> None:
    assert build_options(ComputeOptions, {"resume": flag}).resume == resume
    assert build_options(TuneOptions, {"resume": flag}).fresh is (flag is False)


@pytest.mark.parametrize(
    ("text", "count", "file"),
    [(None, 0, None), ("99", 99, None), ("dev/test.csv", 0, Path("dev/test.csv")), ("0", 0, None)],
)
def test_negatives_are_a_number_or_a_file(text: str | None, count: int, file: Path | None) -> None:
    typed = Declared(EvaluationOptions, {"negatives": text, "steps": "1", "seed": 4, "part": "test"})
    options = build_evaluation(typed, Looking())
    assert (options.negatives, options.negatives_file) == (count, file)
    assert (options.sampling.steps, options.sampling.seed, options.seed) == (1, 4, 4)


DECLARED = [
    AudienceOptions, BatchEngine, BatchOutput, BenchOptions, CompareOptions, ComputeOptions, Design, Diversity,
    EncodeOptions, EvaluationOptions, ExperimentOptions, InspectOptions, ItemChoice, Limits, Merging, PictureOptions,
    PromotionOptions, PruneOptions, RecommendOptions, Sampling, ServeOptions, SweepOptions, TrainingOptions,
    TuneOptions,
]  # fmt: skip


def own_choices(kind: type[Any]) -> Iterator[tuple[Any, Choice]]:
    for entry in fields(kind):
        if (described := entry.metadata.get("choice")) is not None:
            yield entry, described


@pytest.mark.parametrize("kind", DECLARED, ids=lambda kind: kind.__name__)
def test_what_is_typed_is_what_the_field_holds_or_is_read_into_it(kind: type[Any]) -> None:
    """The annotation of a field and the type of its flag are two; that they agree is said here alone."""
    checked = 0
    for entry, described in own_choices(kind):
        checked += 1
        if described.read is not None:
            if described.shown is not None:
                assert described.read(described.shown) == entry.default, entry.name
            continue
        held = get_type_hints(
            SimpleNamespace(__annotations__={entry.name: entry.type}), vars(sys.modules[kind.__module__])
        )
        plain = {one for one in (get_args(held[entry.name]) or (held[entry.name],)) if one is not type(None)}
        if described.repeats:
            assert held[entry.name] == tuple[get_args(described.typed)[0], ...], entry.name
        else:
            assert plain == {described.typed}, entry.name
            assert entry.default in (None, MISSING) or isinstance(entry.default, described.typed), entry.name
    assert checked


@pytest.mark.parametrize(
    ("kind", "key", "names"),
    [
        (Sampling, "noise", NOISES), (Sampling, "sampler", SAMPLERS), (TuneOptions, "pruner", PRUNERS),
        # Vectors have an option of their own.
        (EncodeOptions, "encoder", ENCODERS.keys() - {"vectors"}),
    ],
)  # fmt: skip
def test_closed_sets_are_those_of_the_tables(kind: type[Any], key: str, names: Iterable[str]) -> None:
    """Their names are written twice, as the help must not load what the tables hold."""
    (known,) = [described.known for name, _, described in choices_of(kind) if name == key]
    assert sorted(known) == sorted(names)


def test_nothing_typed_gives_the_defaults() -> None:
    for kind in DECLARED:
        if kind not in (AudienceOptions, BatchOutput, Design, SweepOptions):
            assert build_options(kind, {key: default for key, default, _ in choices_of(kind)}) == kind()


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int = choice(1, int, "Size.", least=0, most=9)
    name: str = choice("a", str, "Name.", known=("a", "b"), closed=True)
    seed: int = choice(0, int, "Seed of the inner one.")

    def __post_init__(self) -> None:
        require_allowed(self)


@dataclass(frozen=True, kw_only=True)
class Outer:
    seed: int = choice(0, int, "Seed of both.")
    pairs: tuple[int, ...] = choice(
        (), str, "Numbers.", key="numbers", read=lambda text: tuple(map(int, text.split(",")))
    )
    inner: Inner = embed(Inner(size=4), without=("name",))


def test_options_that_are_embedded_are_offered_with_their_defaults_and_built() -> None:
    offered = {key: (default, described.help) for key, default, described in choices_of(Outer)}
    assert offered == {"seed": (0, "Seed of both."), "numbers": (None, "Numbers."), "size": (4, "Size.")}
    built = build_options(Outer, {"seed": 3, "numbers": "1,2", "size": 5, "name": "b"})
    assert built == Outer(seed=3, pairs=(1, 2), inner=Inner(size=5, seed=3))
    assert build_options(Outer, {}) == build_options(Outer, {"size": 4, "seed": 0, "numbers": None}) == Outer()
    # What is given instead is not read.
    assert build_options(Outer, {"numbers": "x"}, pairs=(7,)).pairs == (7,)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": -1}, "size= must be between 0 and 9, got -1"),
        ({"size": 10}, "size= must be between 0 and 9, got 10"),
        ({"size": float("nan")}, "size= must be between 0 and 9, got nan"),
        ({"name": "c"}, "unknown name 'c'"),
    ],
)
def test_what_a_field_does_not_allow_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        Inner(**values)
    assert str(refused.value) == said


def test_bounds_belong_to_what_is_allowed() -> None:
    assert [Inner(size=size).size for size in (0, 9)] == [0, 9]


def test_two_that_declare_a_key_differently_cannot_be_offered_together() -> None:
    alike = [Asked(Inner, Offer(without=("size", "name")), built=True)]
    assert [one.name for one in declare_parameters([*alike, *alike])] == ["seed"]
    with pytest.raises(TypeError, match="declare seed differently"):
        list(declare_parameters([*alike, Asked(Outer, Offer(), built=True)]))


@pytest.mark.parametrize(
    ("typed", "drawn"),
    [
        ({}, FAST_SAMPLING),
        (
            {"steps": "4", "sampler": "ddim", "eta": 0.5, "guidance": 2.0},
            Sampling(steps=4, noise="zero", sampler="ddim", eta=0.5, guidance=2.0),
        ),
        ({"steps": "4", "samples": 2, "seed": 3}, Sampling(steps=4, noise="common", seed=3, temperature=1.0)),
        ({"temperature": 0.5, "seed": 3}, Sampling(steps=1, noise="common", seed=3, temperature=0.5)),
    ],
)
def test_flags_say_how_a_server_samples(typed: dict[str, Any], drawn: Sampling) -> None:
    assert build_options(ServeOptions, typed).drawn == drawn
    with pytest.raises(UsageError, match="unknown sampler"):
        build_options(ServeOptions, {**typed, "sampler": "euler"})


OWN = {
    "dataset", "model", "source", "name", "names", "key", "path", "place", "out", "parent",
    "raw", "wait", "force", "dry_run", "yes", "to", "data", "inbox", "archive", "cold", "retrain",
    "user", "users", "history", "times", "only", "pictures", "threads", "explain", "slices", "markdown",
    "latex", "licence", "shops",
    "workspace", "json", "quiet", "log_format", "plugin", "debug", "devices",
}  # fmt: skip
"""What the command line declares itself: names, files and users to work on, and how results are shown."""


def test_a_server_that_draws_otherwise_keeps_its_noise() -> None:
    seeded = Sampling(noise="seeded", seed=3)
    assert ServeOptions(sampling=seeded).drawn == seeded
    assert ServeOptions(sampling=seeded, temperature=0.5).drawn == Sampling(noise="seeded", seed=3, temperature=0.5)


def test_what_is_computed_with_is_declared_by_what_computes() -> None:
    """Nothing is declared a second time in `cli/`: an option goes into the dataclass that Python takes, or here."""
    declared = [declare_parameters([Asked(kind, Offer(), built=True)]) for kind in (*DECLARED, PreprocessOptions)]
    of_dataclasses = {parameter.name for parameters in declared for parameter in parameters}
    found = {parameter.name for name in COMMANDS for parameter in typer.main.get_command(app).commands[name].params}  # type: ignore[attr-defined]
    assert found - of_dataclasses - {"help_all"} <= OWN
    assert found >= OWN - {"path"}, "what is no longer there is taken out of the list"


def test_what_a_field_can_be_declared_with_is_what_a_choice_holds() -> None:
    assert set(More.__annotations__) == {entry.name for entry in fields(Choice)} - {"typed", "help"}
