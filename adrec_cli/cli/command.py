"""What every command shares: groups of options, signals, and errors that become exit codes."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import itertools
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import typer
from typer.core import TyperArgument, TyperCommand, TyperOption

from adrec_cli.cli.bounds import require_bounded
from adrec_cli.cli.failures import report_failures
from adrec_cli.cli.launching import launch, share_out
from adrec_cli.cli.options.common import Common, LogFormat, Sharing
from adrec_cli.cli.options.declared import declare_parameters, find_asked
from adrec_cli.cli.show.terminal import Terminal
from adrec_cli.runtime import StopRequest, find_launched
from adrec_cli.training.processes import ALONE, Processes
from adrec_cli.wording import speak_shell

if TYPE_CHECKING:
    from adrec_cli.experiments.work import ComputeOptions, Work

_TYPED: Final[ContextVar[Sequence[str]]] = ContextVar("typed", default=())
"""The arguments of the command that is run, for the processes that are to run it too."""
BARE_VALUES: Final = {"--wait": "inf"}
"""What an option whose value may be left out means without it."""


_STYLE: Final = re.compile(r"(\[[a-z#/@][^\[]*?\])")
"""What Rich takes for a style, as its own `escape` has it; importing that would load Rich for output that is plain."""


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

    def work(self, options: ComputeOptions, on_event: Callable[[object], None]) -> Work:
        """Return how a command works at something."""
        from adrec_cli.experiments.work import Work

        return Work(options=options, stop=self.stop, on_event=on_event, processes=self.processes)


def add_command(
    app: typer.Typer, function: Callable[..., None], *, panel: str, examples: Sequence[str], name: str | None = None
) -> None:
    """Add a function to the command line.

    Args:
        app: to add it to.
        function: takes options, groups of options (dataclasses, `Declared` ones), `common: Common` and
            `session: Session`.
        panel: of the help that lists it.
        examples: command lines shown below its help.
        name: of the command; the function's by default.
    """
    epilog = "\n\n".join(["[bold]Examples[/bold]", *(f"  $ {example}" for example in examples)])
    command = app.command(name or function.__name__, cls=_Command, epilog=epilog, rich_help_panel=panel)
    command(typeable(function))


class _Command(TyperCommand):
    """A command some of whose options may stand without their value."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for param in self.params:
            if isinstance(param, (TyperOption, TyperArgument)) and param.help:
                # Rich would take "[default: all]" for a style, and leave it out.
                param.help = _STYLE.sub(r"\\\1", param.help)

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


def typeable(function: Callable[..., None]) -> Callable[..., None]:
    """Return the function as Typer can take it: groups spelled out, signals handled, errors report_failures."""
    hints = typing.get_type_hints(function, include_extras=True)
    asked = {name: found for name, kind in hints.items() if (found := find_asked(kind)) is not None}
    groups = {name: kind for name, kind in hints.items() if name not in asked and _is_group(kind)}
    offered = {parameter.name: parameter for parameter in declare_parameters(asked.values())}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        kind = hints[parameter.name]
        if parameter.name in groups:
            parameters += _spell_out(kind)
        elif parameter.name in asked:
            # What two declare alike stands where the first of them does.
            parameters += [offered.pop(key) for key, *_ in asked[parameter.name].choices() if key in offered]
        elif kind is not Session:
            parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(function)
    def command(**values: Any) -> None:
        grouped = {name: _build_group(kind, values) for name, kind in groups.items()}
        own = {name: value for name, value in values.items() if name in hints.keys() - asked.keys() - groups.keys()}
        common: Common = grouped["common"]
        terminal = Terminal(as_json=common.json, quiet=common.quiet, log_json=common.log_format is LogFormat.JSON)
        stop = StopRequest()
        with speak_shell(), report_failures(terminal, debug=common.debug), stop.install():
            require_bounded(values)
            devices = values.get("devices")
            if devices is not None and devices > 1 and find_launched() is None:
                raise typer.Exit(launch(_TYPED.get(), devices))
            sharing = any(kind is Sharing for kind in groups.values())
            with _plugins_in_use(common.plugin or []), share_out(stop, devices, sharing=sharing) as processes:
                built = {name: one.take(values) for name, one in asked.items()}
                function(**own, **grouped, **built, session=Session(terminal, stop, processes))

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


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
