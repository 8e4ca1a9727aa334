"""What every command shares: groups of options, signals, and errors that become exit codes."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import itertools
import os
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeGuard, cast

import typer
from typer.core import TyperCommand, TyperGroup

from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.cli.bounds import require_bounded
from adrec_cli.cli.failures import report_failures
from adrec_cli.cli.launching import launch, share_out
from adrec_cli.cli.options.common import Common, LogFormat, NamesDataset, Sharing
from adrec_cli.cli.options.declared import declare_parameters, find_asked
from adrec_cli.cli.show.help_page import render_page
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.events import OnEvent
from adrec_cli.runtime import StopRequest, find_launched
from adrec_cli.training.processes import ALONE, Processes
from adrec_cli.wording import speak_shell

if TYPE_CHECKING:
    from adrec_cli.experiments.work import ComputeOptions, Work

_TYPED: Final[ContextVar[Sequence[str]]] = ContextVar("typed", default=())
"""The arguments of the command that is run, for the processes that are to run it too."""
BARE_VALUES: Final = {"--wait": "inf"}
"""What an option whose value may be left out means without it."""
_MANY: Final = 24
"""Options of a command above which its help shows the usual ones."""
_RARE: Final = frozenset({"log_format", "plugin", "debug", "devices", "cold"})
"""Options of commands and groups that the short help leaves out; those of dataclasses say it themselves."""


@dataclasses.dataclass(frozen=True)
class Session:
    """What a command is handed besides its options.

    Attributes:
        terminal: to show results on.
        stop: signals that have arrived.
        processes: that share the work, of which this is the first.
    """

    terminal: Terminal
    stop: StopRequest
    processes: Processes = ALONE

    def work(self, options: ComputeOptions, on_event: OnEvent) -> Work:
        """Return how a command works at something."""
        from adrec_cli.experiments.work import Work

        return Work(options=options, stop=self.stop, on_event=on_event, processes=self.processes)


def make_command(function: Callable[..., None], *, panel: str, examples: Sequence[str]) -> TyperCommand:
    """Return a function as a command.

    Args:
        function: takes options, groups of options (dataclasses, `Declared` ones), `common: Common` and
            `session: Session`.
        panel: of the help that lists it.
        examples: command lines shown below its help.
    """
    alone = typer.Typer(add_completion=False)
    add_command(alone, function, panel=panel, examples=examples)
    return cast(TyperCommand, typer.main.get_command(alone))


def add_command(
    app: typer.Typer, function: Callable[..., None], *, panel: str, examples: Sequence[str], name: str | None = None
) -> None:
    """Add a function to a group of commands: arguments as `make_command`, and the name if it is not the function's."""
    epilog = "\n".join(["Examples:", *(f"  $ {example}" for example in examples)])
    usual = find_usual(function)
    kind = type("_Command", (_Command,), {"usual": usual})
    command = app.command(name or function.__name__, cls=kind, epilog=epilog, rich_help_panel=panel)
    command(typeable(function, has_more=usual is not None))


class CommandGroup(TyperGroup):
    """A group whose help is a page of ours."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(render_page(ctx))


class _Command(TyperCommand):
    """A command some of whose options may stand without their value, and whose help is a page of ours.

    Attributes:
        usual: names of the options that the help shows first; None for all.
    """

    usual: frozenset[str] | None = None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(render_page(ctx, usual=self.usual))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments after giving such options the value they stand for."""
        _TYPED.set([*ctx.command_path.split()[1:], *args])
        return super().parse_args(ctx, fill_bare_values(args))


def fill_bare_values(arguments: Sequence[str]) -> list[str]:
    """Return arguments in which an option of `BARE_VALUES` has the value it means where no number follows it."""
    given = []
    for argument, following in itertools.zip_longest(arguments, arguments[1:], fillvalue=""):
        bare = argument in BARE_VALUES and not _is_number(following)
        given.append(f"{argument}={BARE_VALUES[argument]}" if bare else argument)
    return given


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def find_usual(function: Callable[..., None]) -> frozenset[str] | None:
    """Return the names of the options that the short help of a command shows; None where it shows all."""
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = spell_out_parameters(function)
    if len(parameters) <= _MANY:
        return None
    described = {key: one for kind in hints.values() if (asked := find_asked(kind)) for key, _, one in asked.choices()}
    names = {parameter.name for parameter in parameters}
    usual = {name for name in names - _RARE if name not in described or described[name].usual}
    return frozenset(usual | {"help", "help_all"})


def spell_out_parameters(function: Callable[..., None]) -> list[inspect.Parameter]:
    """Return the parameters of a command, with each option of its groups and dataclasses as one of its own."""
    hints = typing.get_type_hints(function, include_extras=True)
    asked = {name: found for name, kind in hints.items() if (found := find_asked(kind)) is not None}
    offered = {parameter.name: parameter for parameter in declare_parameters(asked.values())}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        kind = hints[parameter.name]
        if parameter.name in asked:
            # What two declare alike stands where the first of them does.
            parameters += [offered.pop(key) for key, *_ in asked[parameter.name].choices() if key in offered]
        elif _is_group(kind):
            parameters += _spell_out(kind)
        elif kind is not Session:
            parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
    return parameters


def _show_all(context: typer.Context, wanted: bool) -> None:
    if wanted:
        typer.echo(render_page(context), nl=False)
        raise typer.Exit


def _make_help_all(*, hidden: bool) -> inspect.Parameter:
    """Return the option that shows a whole help; hidden where `--help` does, so that it works wherever it is typed."""
    shown = typer.Option(
        "--help-all", is_eager=True, callback=_show_all, hidden=hidden, help="Show all options and exit."
    )
    return inspect.Parameter(
        "help_all", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, shown]
    )


def typeable(function: Callable[..., None], *, has_more: bool = False) -> Callable[..., None]:
    """Return the function as Typer can take it: groups spelled out, signals handled, errors reported.

    Args:
        function: as `make_command` takes it.
        has_more: there are options that only `--help-all` shows.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    asked = {name: found for name, kind in hints.items() if (found := find_asked(kind)) is not None}
    groups = {name: kind for name, kind in hints.items() if name not in asked and _is_group(kind)}
    naming = {name for name, kind in hints.items() if NamesDataset() in getattr(kind, "__metadata__", ())}
    parameters = [*spell_out_parameters(function), _make_help_all(hidden=not has_more)]

    @functools.wraps(function)
    def command(**values: Any) -> None:
        grouped = {name: _build_group(kind, values) for name, kind in groups.items()}
        own = {name: value for name, value in values.items() if name in hints.keys() - asked.keys() - groups.keys()}
        common: Common = grouped["common"]
        terminal = Terminal(as_json=common.json, quiet=common.quiet, log_json=common.log_format is LogFormat.JSON)
        stop, named = StopRequest(), common.name_workspace()
        with speak_shell(workspace=named), report_failures(terminal, debug=common.debug), stop.install():
            require_bounded(values)
            devices = values.get("devices")
            if devices is not None and devices > 1 and find_launched() is None:
                raise typer.Exit(launch(_TYPED.get(), devices))
            sharing = next((kind for kind in groups.values() if issubclass(kind, Sharing)), None)
            with _plugins_in_use(common.plugin or []), share_out(stop, devices, sharing=sharing) as processes:
                built = {name: one.take(values) for name, one in asked.items()}
                _require_named_datasets((own[name] for name in own.keys() & naming), common.workspace)
                function(**own, **grouped, **built, session=Session(terminal, stop, processes))

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _require_named_datasets(named: Iterable[str | list[str] | None], workspace: Path) -> None:
    """Refuse names of nothing before a command loads what it computes with, which takes longer than to look.

    Raises:
        ArtifactError: the workspace has no such data set.
    """
    for one in named:
        for name in [one] if isinstance(one, str) else one or []:
            # What is there and damaged is for the command, which may be what repairs it.
            if not os.path.isdir(workspace / name):
                Workspace(workspace).dataset_folder(name)


def _plugins_in_use(paths: list[Path]) -> contextlib.AbstractContextManager[object]:
    if not paths:
        return contextlib.nullcontext()
    # Only here: it loads all that can be added to.
    from adrec_cli.loading.plugins import plugins

    return plugins(paths)


def _is_group(kind: Any) -> TypeGuard[type[Any]]:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind is not Session


def _build_group(group: type[Any], values: Mapping[str, Any]) -> Any:
    """Return a group with its fields of what was typed."""
    return group(**{field.name: values[field.name] for field in dataclasses.fields(group)})


def _spell_out(group: type[Any]) -> list[inspect.Parameter]:
    """Return one parameter for each field of a group of options."""
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[field.name],
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
        )
        for field in dataclasses.fields(group)
    ]
