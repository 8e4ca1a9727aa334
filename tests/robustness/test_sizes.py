"""Small files that ask for anything: refused with a line before it is allocated, whatever their checksums say."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch

from adrec_cli.artifacts.checkpoint import load_checkpoint, load_state, save_checkpoint, save_state
from adrec_cli.artifacts.manifest import Manifest, read_manifest, write_manifest
from adrec_cli.config import MOST, option_names
from adrec_cli.experiments.memory import require_memory
from adrec_cli.models.registry import MODELS, find_stages, list_trainable
from adrec_cli.models.stages import Stage, TrainingConfig
from adrec_cli.runtime import StopRequest
from tests.robustness.processes import TINY, Running, save_state_every_step, typed, typed_here

GIGABYTE = 2**30


def within_a_gigabyte(check: Callable[[], None]) -> None:
    """Call something with at most 1 GB more memory than now, and end the process with its verdict."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + GIGABYTE, used + GIGABYTE))
    check()
    sys.exit(0)


def require_within_a_gigabyte(check: Callable[[], None], folder: Path) -> None:
    """Check something in a child that may take 1 GB."""
    ended = typed([], folder, functools.partial(within_a_gigabyte, check))
    assert ended.exit_code == 0, ended.stderr


CONFIGS = [
    {"hidden_size": 10**9},
    {"hidden_size": 16_384, "heads": 1, "cam_blocks": 256, "adm_blocks": 256},
    {"hidden_size": 10**400},
    {"cam_blocks": 10**6},
    {"adm_blocks": 200},
    {"diffusion_steps": 10**9},
    {"heads": 10**9},
    {"max_length": 10**12},
    {"max_length": -1},
    {"dropout": math.nan},
    {"lambda": math.inf},
    {"lambda": 10**400},
    {"initializer_range": math.nan},
    {"noise_schedule": "x" * 10_000},
]
CHANGES: list[dict[str, Any]] = [
    {"item_count": 10**12},
    {"item_count": 10**8},
    {"output": "nothing"},
    {"metrics": {}},
    {"metrics": {"protocol": 1, "monitor": "ndcg@10", "values": {}}},
    {"metrics": {"protocol": "loo/full/valid", "monitor": "ndcg@10", "values": {"ndcg@10": "much"}}},
]
TRAININGS = [
    {"training": {"batch_size": 10**12}},
    {"training": {"monitor_negatives": 10**12}},
    {"training": {"seed": 10**30}},
    {"training": {"weight_decay": math.inf}},
    {"training": []},
    {"stages": {"finetune": {"epochs": 10**12}}},
    {"stages": {"finetune": {"negatives": 10**15, "ranking_loss": "bce"}}},
    {"stages": {"finetune": {"learning_rate": math.nan}}},
    {"stages": {"finetune": 7}},
    {"nothing": {}},
]
TENSORS: list[Callable[[dict[str, torch.Tensor]], object]] = [
    lambda tensors: tensors.pop("input_norm.weight"),
    lambda tensors: tensors.update({"more": torch.ones(1)}),
    lambda tensors: tensors.update({"input_norm.weight": torch.ones(8, dtype=torch.float64)}),
    lambda tensors: tensors.update({"input_norm.weight": torch.ones(8, dtype=torch.int8)}),
    lambda tensors: tensors.update({"input_norm.weight": torch.ones(2, 4)}),
]
USES = (
    ["evaluate", "finetune"],
    ["recommend", "--user", "u1", "--model", "PATH"],
    ["recommend", "--all", "--model", "PATH", "--out", "OUT"],
    ["export", "OUT.onnx", "--model", "finetune"],
)


def require_refusal(commands: Sequence[list[str]], workspace: Path, path: Path, what: object) -> None:
    """Check that every command refuses a file by name, and that `verify` finds it."""
    places = {"PATH": str(path), "OUT": str(workspace / "recs.jsonl"), "OUT.onnx": str(workspace / "m.onnx")}
    for command in commands:
        done = typed_here([*(places.get(word, word) for word in command), "--workspace", workspace])
        message = done.require_one_error(4)
        assert str(path) in message, (what, command, message)
        assert len(message) < 1000, (what, command)
    if len(commands) == 1:
        return
    found = {one["path"]: one for one in json.loads(typed_here(["verify", workspace, "--json"]).stdout)["verdicts"]}
    assert found[str(path.relative_to(workspace))]["status"] == "damaged", what


def require_hostile_checkpoints_refused(workspace: Path, every_command: bool) -> None:
    """Let every command, or one after the other, meet a checkpoint that is whole by its checksum and cannot be."""
    path = workspace / "shop/adrec/finetune.safetensors"
    tensors, metadata = load_checkpoint(path)
    hostile: list[tuple[dict[str, torch.Tensor], dict[str, Any]]] = [(tensors, change) for change in CHANGES]
    hostile += [(tensors, {"config": {**metadata.config, **one}}) for one in CONFIGS]
    for spoil in TENSORS:
        spoiled = dict(tensors)
        spoil(spoiled)
        hostile.append((spoiled, {}))
    for number, (spoiled, change) in enumerate(hostile):
        save_checkpoint(path, spoiled, dataclasses.replace(metadata, **change))
        require_refusal(USES if every_command else [USES[number % len(USES)]], workspace, path, (number, change))


EXTENT = pytest.mark.parametrize(
    "all_of_it", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["some", "all"]
)  # fmt: skip


@pytest.mark.thorough
@EXTENT
def test_checkpoints_that_ask_for_anything(workspace, tmp_path, all_of_it):
    require_within_a_gigabyte(functools.partial(require_hostile_checkpoints_refused, workspace, all_of_it), tmp_path)


def require_hostile_parents_refused(workspace: Path) -> None:
    """Let a stage start from a checkpoint that tells impossible options."""
    path = workspace / "shop/adrec/align.safetensors"
    tensors, metadata = load_checkpoint(path)
    changes: list[dict[str, Any]] = [{"training": {**metadata.training, **one}} for one in TRAININGS]
    changes += [{"config": {**metadata.config, **one}} for one in CONFIGS]
    for change in changes:
        save_checkpoint(path, tensors, dataclasses.replace(metadata, **change))
        done = typed_here(["finetune", "--from", "align", "--workspace", workspace])
        assert str(path) in done.require_one_error(4), change


@pytest.mark.thorough
def test_parents_that_ask_for_anything(workspace, tmp_path):
    require_within_a_gigabyte(functools.partial(require_hostile_parents_refused, workspace), tmp_path)


@pytest.mark.parametrize("change", [*CHANGES[:3], {"config": CONFIGS[1]}], ids=str)
def test_a_promoted_model_that_asks_for_anything(workspace, csv, change):
    """With its own items beside it, it is checked against them; `run` starts again rather than from it."""
    folder = workspace / "shop/adrec"
    current = json.loads((folder / "current.json").read_text())
    path = folder / current["checkpoint"]
    tensors, metadata = load_checkpoint(path)
    config = {**metadata.config, **change.get("config", {})}
    save_checkpoint(path, tensors, dataclasses.replace(metadata, **{**change, "config": config}))
    done = typed_here(["recommend", "--user", "u1", "--model", path, "--workspace", workspace])
    assert str(path) in done.require_one_error(4)


def test_weights_of_the_promoted_model_that_do_not_fit_are_no_start(workspace, csv, tmp_path):
    from adrec_cli.artifacts import promotion
    from adrec_cli.artifacts.atomic import file_sha256

    folder = workspace / "shop/adrec"
    current = promotion.read_current(folder)
    path = folder / current.checkpoint
    tensors, metadata = load_checkpoint(path)
    save_checkpoint(path, {**tensors, "more": torch.ones(1)}, metadata)
    promotion._write(folder, dataclasses.replace(current, sha256=file_sha256(path)))
    done = typed_here(["run", csv, *TINY, "--seed", 5, "--tolerance", 1, "--workspace", workspace])
    assert "starts from" not in done.stderr
    assert str(path) in done.require_one_error(4)


POSITIONS: list[dict[str, Any]] = [
    {"epoch": "one"},
    {"epoch": -1},
    {"epoch": 10**400},
    {"step": 0.5},
    {"sums": []},
    {"sums": {"ce": "low"}},
    {"best_value": None},
    {"nothing": 1},
]


def state_of_a_stopped_stage(workspace: Path, folder: Path) -> Path:
    """Stop a training after some epochs and return its state."""
    line = ["pretrain", "shop", *TINY, "--epochs", 4000, "--patience", 0, "--workspace", workspace]
    running = Running(line, folder, save_state_every_step)
    running.until("pretrain    2/4000")
    running.send(15)
    assert running.ended().exit_code == 143
    return workspace / "shop/adrec/pretrain.state.safetensors"


def test_states_that_cannot_be(workspace, tmp_path):
    path = state_of_a_stopped_stage(workspace, tmp_path)
    tensors, text = load_state(path)
    text.pop("format_version")
    position = json.loads(text["position"])
    texts: list[str] = [json.dumps({**position, **change}) for change in POSITIONS]
    texts += ["[]", "7", "{", '{"epoch":' * 50_000]
    hostile = [(tensors, {**text, "position": one}) for one in texts]
    for kind in ("weight/", "best/", "adam/exp_avg/", "adam/step/"):
        name = next(name for name in tensors if name.startswith(kind))
        hostile.append(({**tensors, name: torch.ones(3, 3, 3)}, text))
        hostile.append(({other: tensor for other, tensor in tensors.items() if other != name}, text))
    line = ["pretrain", "shop", *TINY, "--epochs", 4000, "--patience", 0, "--workspace", workspace, "--resume"]
    for spoiled, told in hostile:
        save_state(path, spoiled, told)
        assert str(path) in typed_here(line).require_one_error(4)


def test_a_stage_that_is_stopped_before_its_first_step_goes_on(workspace, tmp_path, monkeypatch):
    line = ["pretrain", "shop", *TINY, "--seed", 3, "--workspace", workspace]
    with monkeypatch.context() as stopped:
        installed = StopRequest.install

        def install_stopped(stop: StopRequest) -> AbstractContextManager[StopRequest]:
            stop.signal_number = signal.SIGTERM
            return installed(stop)

        stopped.setattr(StopRequest, "install", install_stopped)
        assert typed_here(line).exit_code == 143
    assert load_state(workspace / "shop/adrec/pretrain.state.safetensors")[1]["position"]
    done = typed_here([*line, "--resume"])
    assert done.exit_code == 0, done.stderr


def nested(depth: int) -> object:
    content: object = 0
    for _ in range(depth):
        content = [content]
    return content


def require_hostile_manifests_refused(workspace: Path, depths: Sequence[int]) -> None:
    """Manifests with right checksums, as deep as can be read and more, and with numbers of any size."""
    folder = workspace / "shop"
    manifest = read_manifest(folder)
    line = ["recommend", "--user", "u1", "--workspace", workspace]
    numbers = ("users", "items", "interactions")
    for value in (10**18, 2**63, 10**400, 1e300, -1, 0):
        spoiled = {**manifest.statistics, **dict.fromkeys(numbers, value)}
        write_manifest(folder, Manifest(**{**vars(manifest), "statistics": spoiled}))
        done = typed_here(line)
        # Counts are reported, not relied on: a number that could be one changes nothing.
        assert done.exit_code == 0 or "manifest.json" in done.require_one_error(4)
    for field in ("sources", "parameters"):
        many: object = [{}] * 200_000 if field == "sources" else {str(number): [] for number in range(100_000)}
        write_manifest(folder, Manifest(**{**vars(manifest), field: many}))
        done = typed_here(line)
        assert done.exit_code == 0 or "manifest.json" in done.require_one_error(4)
    path = folder / "manifest.json"
    for depth in [*depths, 2000, 5_000_000]:
        path.write_text('{"format_version": 1, "manifest_sha256": "", "x": ' + "[" * depth + "]" * depth + "}")
        assert "manifest.json" in typed_here(line).require_one_error(4)
    with open(path, "wb") as file:
        file.truncate(20 * GIGABYTE)
    assert "manifest.json" in typed_here(line).require_one_error(4)


@pytest.mark.thorough
@EXTENT
def test_manifests_that_ask_for_anything(workspace, tmp_path, all_of_it):
    depths = range(850, 1010) if all_of_it else range(900, 1000, 20)
    require_within_a_gigabyte(functools.partial(require_hostile_manifests_refused, workspace, depths), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [{"checkpoint": 7}, {"checkpoint": "a\0.safetensors"}, {"sha256": None}, {"value": "high"}, {"metric": []},
     {"earlier": [1]}, {"earlier": {}}, {"withdrawn": 3}, {"promoted_at": 10**400}],
    ids=str,
)  # fmt: skip
def test_a_hostile_current_json_with_a_right_checksum(workspace, changes):
    from adrec_cli.artifacts.json_files import content_sha256

    path = workspace / "shop/adrec/current.json"
    content = {**json.loads(path.read_text()), **changes}
    content.pop("current_sha256")
    path.write_text(json.dumps({**content, "current_sha256": content_sha256(content)}))
    for line in (["recommend", "--user", "u1"], ["rollback", "shop"]):
        assert str(path) in typed_here([*line, "--workspace", workspace]).require_one_error(4)


def numeric_options(model_name: str) -> Iterator[str]:
    """Every option of a model and its stages that is a number, as --set names it."""
    stage = next(iter(find_stages(model_name)))
    for table, kind in (
        ("model", MODELS[model_name].config_type),
        ("training", TrainingConfig),
        (f"stages.{stage}", Stage),
    ):
        for field, name in zip(dataclasses.fields(kind), option_names(kind), strict=True):
            if field.type in ("int", "float"):
                yield f"{table}.{name}"


def require_hostile_options_refused(model_name: str, workspace: Path) -> None:
    """Give every option huge values; what passes must end well, or as a divergence."""
    stage = next(iter(find_stages(model_name)))
    tiny = {"model.hidden_size": 8, "model.heads": 2, f"stages.{stage}.epochs": 1, "model.max_length": 4}
    known = set(numeric_options(model_name))
    base = {name: value for name, value in tiny.items() if name in known}
    for name in known:
        for value in ("1000000000000", "1" + "0" * 30, "1" + "0" * 5000, "-1", "inf", "nan", "1e308"):
            settings = [word for key, one in {**base, name: value}.items() for word in ("--set", f"{key}={one}")]
            line = ["train", "shop", "--model", model_name, *settings, "--workspace", workspace, "--threads", 1]
            line = line if model_name != "adrec" else ["pretrain", "shop", *line[4:]]
            done = typed_here([*line, "--fresh"])
            assert done.exit_code in (0, 2, 6), (name, value, done.exit_code, done.stderr[-500:])
            assert "Traceback" not in done.stderr
            if value in ("inf", "nan", "1" + "0" * 5000) or (name.rpartition(".")[2] in MOST and value[0] == "1"):
                assert done.exit_code == 2, (name, value, done.exit_code, done.stderr[-500:])


@pytest.mark.slow
@pytest.mark.parametrize("model_name", list_trainable())
def test_options_that_ask_for_anything(workspace, tmp_path, model_name):
    require_within_a_gigabyte(functools.partial(require_hostile_options_refused, model_name, workspace), tmp_path)


def test_a_toml_file_that_asks_for_anything(workspace, tmp_path):
    path = tmp_path / "my.toml"
    for text in (
        "[model]\nhidden_size = 1000000000000",
        "[model]\nhidden_size = 16384\nheads = 1\ncam_blocks = 256\nadm_blocks = 256",
        "[model]\nhidden_size = " + "9" * 5000,
        "[training]\nbatch_size = 9223372036854775807",
        "[model]\nlambda = nan",
        "a = " + "[" * 100_000,
        "[" + ".".join("a" * 3000) + "]",
        "preset = 7",
        "preset = []",
        "model = 1979-05-27",
    ):
        path.write_text(text)
        done = typed_here(["pretrain", "shop", "--config", path, "--workspace", workspace])
        done.require_one_error(2)


def test_a_network_that_does_not_fit_is_told_by_its_size(monkeypatch):
    from adrec_cli.errors import UsageError
    from adrec_cli.experiments.experiment import compose

    experiment = compose("adrec", overrides={"model": {"hidden_size": 128}})
    monkeypatch.setattr("os.sysconf", lambda name: 1024 if name == "SC_PAGE_SIZE" else 1000)
    with pytest.raises(UsageError, match=r"a network of 1,\d{3},\d{3} parameters takes 0 GiB at least"):
        require_memory(experiment, 1000, torch.device("cpu"))
    monkeypatch.undo()
    require_memory(experiment, 1000, torch.device("cpu"))
