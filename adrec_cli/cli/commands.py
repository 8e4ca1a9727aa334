"""Every command and the panel of the help that lists it; its module is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, cast

import typer
from typer.core import TyperGroup

from adrec_cli.cli.command import CommandGroup, make_command

ALL, DATA, TRAINING, USING = "Everything at once", "Data", "Training", "Using a model"
SEEING, KEEPING = "Seeing what a model does", "Keeping the workspace"

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "run": ALL,
        "status": ALL,
        "preprocess": DATA,
        "convert": DATA,
        "encode": DATA,
        "datasets": DATA,
        "pretrain": TRAINING,
        "align": TRAINING,
        "finetune": TRAINING,
        "train": TRAINING,
        "config": TRAINING,
        "sweep": TRAINING,
        "tune": TRAINING,
        "evaluate": USING,
        "compare": USING,
        "recommend": USING,
        "export": USING,
        "serve": USING,
        "report": USING,
        "card": USING,
        "bench": USING,
        "rollback": USING,
        "inspect": SEEING,
        "plot": SEEING,
        "push": KEEPING,
        "pull": KEEPING,
        "verify": KEEPING,
        "forget": KEEPING,
        "clean": KEEPING,
    }
)
"""A command's name is that of its module here, and of the function or the `typer.Typer` in it."""


class _Table(Mapping[str, Any]):
    """Commands by name, made when they are looked up: one that is typed does not wait for all others."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _load(name, COMMANDS[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Commands(CommandGroup):
    """The group of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast(Any, _Table())


def _load(name: str, panel: str) -> Any:
    module = import_module(f"adrec_cli.cli.{name}")
    found = getattr(module, name)
    if not isinstance(found, typer.Typer):
        return make_command(found, panel=panel, examples=module.EXAMPLES)
    group = typer.main.get_command(found)
    assert isinstance(group, TyperGroup)
    group.rich_help_panel = panel
    return group
