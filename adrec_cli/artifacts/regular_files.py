"""Files that can be read more than once: a pipe cannot, and whoever hashes it first has nothing left to read."""

from __future__ import annotations

from pathlib import Path

from adrec_cli.errors import InputError


def require_regular_file(path: Path) -> None:
    """Refuse a named pipe, a `<(...)`, a socket or a device, before anything waits for it; and a name nobody can write.

    Raises:
        InputError: it is one; what does not exist, and folders, are somebody else's to refuse.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        # No reader of tables takes it, and no manifest can hold it.
        raise InputError(f"the name of {path} is not UTF-8", hint="rename it") from error
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(
            f"{path} is a pipe or a device, which can be read only once",
            hint="write it to a file first, such as: cat PIPE >events.csv",
        )
