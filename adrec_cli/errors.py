"""Every error adrec raises on purpose, each with its exit code and a hint what to type next."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TypeVar

T = TypeVar("T")


class ExitCode(IntEnum):
    """Exit codes of the `adrec` command; the README documents them for cron."""

    OK = 0
    USAGE = 2
    INPUT = 3
    ARTIFACT = 4
    LOCKED = 5
    DIVERGED = 6
    STORAGE = 7
    NOT_PROMOTED = 8
    SIGHUP = 129
    SIGINT = 130
    SIGTERM = 143


class AdrecError(Exception):
    """An error a user can act on: one line that says what is wrong, and a hint.

    Attributes:
        message, hint: what is wrong, and what to type; options in them are named by `adrec_cli.wording.option`.
    """

    exit_code: ExitCode = ExitCode.USAGE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def rename(self, name: str, *, in_message: str, in_hint: str) -> None:
        """Call something by another name, where whoever reads the error does not know the one that stands there.

        Args:
            name: as it stands in message and hint.
            in_message, in_hint: what takes its place.
        """
        self.message = self.message.replace(name, in_message)
        self.hint = self.hint.replace(name, in_hint)
        self.args = (self.message,)


class UsageError(AdrecError):
    """An option, a configuration key or a combination of them is wrong."""

    exit_code = ExitCode.USAGE


class InputError(AdrecError):
    """Source data are missing or bad, or a user or an item is unknown."""

    exit_code = ExitCode.INPUT


class GrowingFileError(InputError):
    """A source is still being written."""


class NoRowsError(InputError):
    """A source holds no row, as that of a day without events, or one whose rows are still to come."""


class DamagedInventoryError(InputError):
    """What lists a data set's files at a place elsewhere is damaged, or was not written by adrec."""


class ArtifactError(AdrecError):
    """An artifact is missing, damaged, or belongs to something else."""

    exit_code = ExitCode.ARTIFACT


class LockedError(AdrecError):
    """Another run holds the lock of this dataset and model."""

    exit_code = ExitCode.LOCKED


class DivergedError(AdrecError):
    """A loss or a gradient is not finite; nothing was stepped."""

    exit_code = ExitCode.DIVERGED


class StorageError(AdrecError):
    """Reading or writing failed: no space, no permission, an I/O error."""

    exit_code = ExitCode.STORAGE


class NotPromotedError(AdrecError):
    """A new model is worse than the current one, which stays."""

    exit_code = ExitCode.NOT_PROMOTED


class InterruptedRun(AdrecError):
    """SIGINT, SIGTERM or SIGHUP arrived; what could be saved was saved."""

    def __init__(self, message: str, *, signal_number: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = ExitCode(128 + signal_number)


class Stopped(InterruptedRun):
    """A computation ended between two steps, as it was asked to; whoever can save does, and says how to go on."""


def look_up(table: Mapping[str, T], name: str, what: str) -> T:
    """Return what a closed set has under a name.

    Args:
        table: the set.
        name: as a user wrote it.
        what: the set holds, in the singular, for the message.

    Raises:
        UsageError: it has no entry of that name.
    """
    if name not in table:
        raise UsageError(f"unknown {what} {name!r}", hint=f"one of: {', '.join(table)}")
    return table[name]
