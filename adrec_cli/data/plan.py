"""What one run of preprocessing will read: files, item file, settings and the counts to expect."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adrec_cli.artifacts.atomic import file_sha256
from adrec_cli.data.datasets import (
    DatasetSpec,
    Expected,
    Filters,
    ItemFile,
    SourceFiles,
    dataset_names,
    load_dataset_spec,
)
from adrec_cli.data.decoding import unreadable
from adrec_cli.data.demo import DEMO_SEED, DEMO_VERSION
from adrec_cli.data.options import PreprocessOptions, Settings, settle
from adrec_cli.data.raw_files import expand_path, find_item_file, find_source
from adrec_cli.errors import InputError, StorageError, UsageError

CACHE_FOLDER: Final = ".raw"
_PARTS: Final = {"train": 0, "valid": 1, "val": 1, "validation": 1, "dev": 1, "test": 2}
_ENDINGS: Final = re.compile(
    r"(\.(csv|tsv|txt|dat|data|json|jsonl|ndjson|inter|parquet|arrow|feather|ipc|gz|zst))+$", re.I
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be read.

    Attributes:
        dataset: name of the folder in the workspace.
        spec: the named data set, None for files of the user.
        form: which of its forms was found.
        paths: the files, none for a generated data set.
        parts: 0, 1 or 2 for each file that is train, valid or test; None otherwise.
        item_path, item_form: the item file and what is known about it.
        settings: resolved options.
        expected: published counts that must come out, if the cut is a published one.
    """

    dataset: str
    spec: DatasetSpec | None
    form: SourceFiles | None
    paths: tuple[Path, ...]
    parts: tuple[int, ...] | None
    item_path: Path | None
    item_form: ItemFile | None
    settings: Settings
    expected: Expected | None

    @property
    def generated(self) -> bool:
        """Whether adrec makes the data itself."""
        return self.spec is not None and self.spec.generated


def make_plan(
    source: str,
    *,
    workspace: Path,
    raw: Path | None,
    options: PreprocessOptions,
    on_event: Callable[[object], None],
) -> Plan:
    """Find the files of a source and settle the options for it.

    Args:
        source: a named data set, or the path of a file, a folder of parts, or a glob.
        workspace: where downloads are kept, in `.raw/NAME`.
        raw: folder with raw files.
        options: as the user gave them.
        on_event: gets the progress of downloads.

    Raises:
        InputError: files are missing. UsageError: options are wrong. StorageError: downloads cannot be kept.
    """
    if source in dataset_names():
        return _plan_named(load_dataset_spec(source), workspace, raw, options, on_event)
    if options.variant is not None:
        raise UsageError(f"{source} is no named data set, so it has no variants", hint="leave --variant out")
    paths = tuple(expand_path(source))
    by_part = {_PARTS[_stem(path)]: path for path in paths if _stem(path) in _PARTS}
    parts = None
    if len(by_part) == 3:
        # A folder of a published split may hold more than its three parts: item files, say.
        parts, paths = (0, 1, 2), tuple(by_part[part] for part in range(3))
    return Plan(
        dataset=check_name(options.name or _default_name(source)),
        spec=None,
        form=None,
        paths=paths,
        parts=parts,
        item_path=options.items,
        item_form=None,
        settings=settle(options, None, Filters()),
        expected=None,
    )


def describe_sources(plan: Plan) -> list[dict[str, Any]]:
    """Return name, sha256 and size of every file that is read, for the manifest.

    Raises:
        InputError: a file cannot be read.
    """
    if plan.generated:
        return [{"name": "generated", "seed": DEMO_SEED, "version": DEMO_VERSION}]
    described = []
    for path in (*plan.paths, *([plan.item_path] if plan.item_path else [])):
        try:
            described.append({"name": path.name, "sha256": file_sha256(path), "bytes": path.stat().st_size})
        except OSError as error:
            raise unreadable(path, error) from error
        except StorageError as error:
            raise InputError(error.message, hint="check the path and its permissions") from error
    return described


def check_name(name: str) -> str:
    """Return a data set's name if it can be a folder's.

    Raises:
        UsageError: it cannot.
    """
    if not re.fullmatch(r"[\w][\w .+-]{0,99}", name):
        raise UsageError(f"{name!r} cannot name a data set", hint="use letters, digits, '-', '_' and '.': --name shop")
    return name


def _plan_named(
    spec: DatasetSpec,
    workspace: Path,
    raw: Path | None,
    options: PreprocessOptions,
    on_event: Callable[[object], None],
) -> Plan:
    filters, expected, name = spec.filters, spec.expected, spec.name
    if options.variant is not None:
        if options.variant not in spec.variants:
            known = ", ".join(sorted(spec.variants)) or "none"
            raise UsageError(f"{spec.name} has no variant {options.variant!r}", hint=f"it has: {known}")
        variant = spec.variants[options.variant]
        filters, expected, name = variant.filters, variant.expected, f"{spec.name}-{options.variant}"
    form: SourceFiles | None = None
    paths: tuple[Path, ...] = ()
    parts: tuple[int, ...] | None = None
    item: tuple[ItemFile, Path] | None = None
    if not spec.generated:
        cache = workspace / CACHE_FOLDER / spec.name
        found = find_source(spec, raw=raw, cache=cache, on_event=on_event)
        form, paths = found.form, found.paths
        parts = tuple(_PARTS[part] for part in form.parts) or None
        item = find_item_file(spec, found, raw=raw, cache=cache)
    return Plan(
        dataset=check_name(options.name or name),
        spec=spec,
        form=form,
        paths=paths,
        parts=parts,
        item_path=options.items or (item[1] if item else None),
        item_form=None if options.items or item is None else item[0],
        settings=settle(options, form, filters),
        expected=None if options.changes_the_cut() else expected,
    )


def _stem(path: Path) -> str:
    return _ENDINGS.sub("", path.name).lower()


def _default_name(source: str) -> str:
    plain = source.rstrip("/")
    if any(sign in plain for sign in "*?["):
        plain = str(Path(plain).parent)
    name = re.sub(r"[^\w.+-]+", "-", _ENDINGS.sub("", Path(plain).resolve().name)).strip("-.")
    return name or "data"
