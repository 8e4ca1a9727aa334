"""What a data set is called that is made of a source."""

from __future__ import annotations

import os
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.manifest import DATASET_NAME
from adrec_cli.data.addresses import is_address, show_address
from adrec_cli.data.named_datasets import dataset_names, is_named, load_dataset_spec
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.reading.foreign_files import find_table_format
from adrec_cli.errors import UsageError
from adrec_cli.schema import MANIFEST_FILE
from adrec_cli.wording import command, option

FILE_ENDINGS: Final = re.compile(
    r"(\.(csv|tsv|txt|dat|data|json|jsonl|ndjson|inter|parquet|arrow|feather|ipc|pkl|gz|zst|zip|bz2|xz))+$", re.I
)


def choose_name(source: str, options: PreprocessOptions) -> str:
    """Return the name of the data set that a source is made into, before anything is looked for or downloaded.

    Raises:
        UsageError: it cannot be one.
    """
    if options.sql is not None:
        return _name_answer(source, options)
    if not is_named(source):
        return name_own_files(source, options.name)[0]
    variant = "" if options.variant is None else f"-{options.variant}"
    return check_name(options.name or f"{load_dataset_spec(source).name}{variant}")


def names_stored(source: str, options: PreprocessOptions, workspace: Path) -> bool:
    """Return whether a source is no file and no named data set, but the name of one that the workspace holds.

    Raises:
        UsageError: it is, and options say how to read a source.
    """
    if options.update is not None or options.sql is not None or is_named(source) or Path(source).exists():
        return False
    if not re.fullmatch(DATASET_NAME, source) or not (workspace / source / MANIFEST_FILE).is_file():
        return False
    for key in (given.name for given in fields(options) if getattr(options, given.name) != given.default):
        raise UsageError(
            f"{source} is taken as the workspace holds it, so {option(key)} has no meaning",
            hint=f"name the file it is made of, or leave {option(key)} out",
        )
    return True


def require_raw_searched(source: str, raw: Path | None) -> None:
    """Refuse a folder of raw files beside a source no file of which is looked for there.

    Args:
        source: as typed.
        raw: the folder that was asked for; None for none.

    Raises:
        UsageError: the source is no named data set, or one that is generated.
    """
    if raw is None or (is_named(source) and not load_dataset_spec(source).generated):
        return
    raise UsageError(
        f"files of named data sets are looked for in {option('raw', raw)}, and {show_address(source)} has none",
        hint=f"leave {option('raw')} out",
    )


def name_after_source(source: str, options: PreprocessOptions) -> PreprocessOptions:
    """Return options that name a new data set as what was typed does, whatever the copy that is read is called.

    Raises:
        UsageError: the name cannot be one, or another is named, too.
    """
    if options.update is not None:
        if options.sql is not None:
            _name_answer(source, options)
        return options
    brought = options.sql is not None or is_address(source) or find_table(source) is not None
    return replace(options, name=choose_name(source, options)) if brought else options


def find_table(source: str) -> Path | None:
    """Return the folder of a table of Delta, Iceberg or Hudi that a source is; None where it is something else."""
    folder = Path(source).expanduser()
    return None if is_named(source) or not find_table_format(folder) else folder


def check_name(name: str) -> str:
    """Return a data set's name if it can be a folder's.

    Raises:
        UsageError: it cannot.
    """
    if not re.fullmatch(DATASET_NAME, name):
        raise UsageError(
            f"{name!r} cannot name a data set", hint=f"use letters, digits, '-', '_' and '.': {option('name', 'shop')}"
        )
    return name


def name_own_files(source: str, asked: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the name for files of the user, which is never that of a named data set, and a note if it changed."""
    if asked is not None:
        if asked in dataset_names():
            raise UsageError(
                f"{asked!r} is a named data set already", hint=f"take another: {option('name', f'my-{asked}')}"
            )
        return check_name(asked), ()
    name = _default_name(source)
    if name in dataset_names():
        return f"my-{name}", (f"named my-{name}, because {name} is a named data set; choose with {option('name')}",)
    return check_name(name), ()


def _name_answer(source: str, options: PreprocessOptions) -> str:
    """Return the name of the data set that an answer becomes or is added to, which is said in place of a source.

    Raises:
        UsageError: an option names another.
    """
    for key, said in (("name", options.name), ("update", options.update and options.update.name)):
        if said not in (None, source):
            raise UsageError(
                f"with {option('sql')} the data set is named first: {source}, but {option(key, said)}",
                hint=f"for example: {command('preprocess', said, sql='SELECT ...')}",
            )
    if not re.fullmatch(DATASET_NAME, source) or os.path.isfile(source):
        raise UsageError(
            f"{option('sql')} needs the name of a data set, got {source}",
            hint=f"for example: {command('preprocess', 'shop', sql='SELECT ...')}",
        )
    if options.update is None and source in dataset_names():
        raise UsageError(
            f"{source!r} is a named data set already",
            hint=f"take another: {command('preprocess', f'my-{source}', sql='SELECT ...')}",
        )
    return source


def _default_name(source: str) -> str:
    plain = show_address(source).rstrip("/")
    if any(sign in plain for sign in "*?[") and not Path(plain).exists():
        plain = str(Path(plain).parent)
    name = re.sub(r"[^\w.+-]+", "-", FILE_ENDINGS.sub("", Path(plain).resolve().name)).strip("-.")
    return name or "data"
