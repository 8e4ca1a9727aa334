"""What one run of preprocessing will read: files, item file, settings and the counts to expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from adrec_cli.artifacts.sources import FOLDERS
from adrec_cli.data.datasets import DEMO_SEED, DEMO_VERSION, DatasetSpec, Expected, Filters, ItemFile, SourceFiles
from adrec_cli.data.fetching import Fetching
from adrec_cli.data.named_datasets import is_named, load_dataset_spec
from adrec_cli.data.options import PreprocessOptions, spell_command
from adrec_cli.data.own_folders import download_folder, former_folder
from adrec_cli.data.raw_files import FoundFiles, Places, expand_path, find_item_file, find_source
from adrec_cli.data.reading.column_names import Column
from adrec_cli.data.reading.folder_names import show_folders
from adrec_cli.data.reading.join_source import JoinSource
from adrec_cli.data.reading.metadata_columns import MetadataColumns
from adrec_cli.data.reading.read_limits import UNLIMITED_BY_HAND, ReadLimits
from adrec_cli.data.reading.remembered import Remembered
from adrec_cli.data.reading.steady_files import SteadyFile, look_at
from adrec_cli.data.settings import Settings, settle
from adrec_cli.data.source_names import FILE_ENDINGS, check_name, name_own_files
from adrec_cli.errors import InputError, UsageError
from adrec_cli.events import OnEvent
from adrec_cli.wording import option

_PARTS: Final = {"train": 0, "valid": 1, "val": 1, "validation": 1, "dev": 1, "test": 2}


@dataclass(frozen=True, kw_only=True)
class ItemSource:
    """The file that says something about the items.

    Attributes:
        path: where it is.
        form: how a named data set's TOML says it is written; None finds out.
        columns: what its columns mean.
    """

    path: Path
    form: ItemFile | None = None
    columns: MetadataColumns = field(default_factory=MetadataColumns)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be read.

    Attributes:
        dataset: name of the folder in the workspace.
        spec: the named data set, None for files of the user.
        form: which of its forms was found.
        paths: the files, none for a generated data set.
        parts: 0, 1 or 2 for each file that is train, valid or test; None otherwise.
        item: the item file, None if there is none.
        join: the file that is joined to the events, None if none is.
        settings: resolved options.
        remembered: how the data set that is added to was read, less what the options say; None for a new one.
        command: what was typed, without the columns, for hints.
        limits: of what is read.
        origin: what the manifest says of the events' files beside their names: where they were brought from.
        notes: what the user should know about these choices.
        expected: published counts that must come out, if the cut is a published one.
    """

    dataset: str
    spec: DatasetSpec | None
    form: SourceFiles | None
    paths: tuple[Path, ...]
    parts: tuple[int, ...] | None
    item: ItemSource | None
    settings: Settings
    expected: Expected | None
    join: JoinSource | None = None
    remembered: Remembered | None = None
    command: str = ""
    limits: ReadLimits = UNLIMITED_BY_HAND
    origin: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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
    on_event: OnEvent,
    inherited: Mapping[str, Any] | None = None,
    remembered: Remembered | None = None,
    origin: Mapping[str, Any] = MappingProxyType({}),
    fetch: bool = True,
) -> Plan:
    """Find the files of a source and settle the options for it.

    Args:
        source: a named data set, or the path of a file, a folder of parts, or a glob.
        workspace: in whose `.raw/NAME` downloads lay before there was a cache.
        raw: folder with raw files.
        options: as the user gave them.
        on_event: gets the progress of downloads.
        inherited: parameters of the data set that is added to.
        remembered: how it was read.
        origin: where the files were brought from, for the manifest.
        fetch: whether missing files may be downloaded.

    Raises:
        InputError: files are missing. UsageError: options are wrong. StorageError: downloads cannot be kept.
    """
    typed = spell_command(source, options)
    remembered = None if remembered is None else remembered.drop(vars(options))
    if is_named(source):
        spec = load_dataset_spec(source)
        found, item = _find_named(spec, places_of(spec, raw, workspace), options, fetch, on_event)
        plan = _plan_named(spec, found, item, options, inherited)
        join, notes = find_join(options.join, plan.settings, remembered, plan.paths)
        return replace(plan, remembered=remembered, command=typed, join=join, notes=(*plan.notes, *notes))
    return replace(_plan_files(source, options, inherited, remembered, typed), origin=origin)


def _plan_files(
    source: str,
    options: PreprocessOptions,
    inherited: Mapping[str, Any] | None,
    remembered: Remembered | None,
    typed: str,
) -> Plan:
    """Plan files of the user's own, as `make_plan`; `typed` is the command that reads them."""
    if options.items_column is not None and options.items is None:
        raise UsageError(
            f"{option('items_column')} names a column of the item file",
            hint=f"give that too: {option('items', 'FILE')}",
        )
    if options.variant is not None:
        raise UsageError(
            f"{source} is not a named data set, so it has no variants", hint=f"leave {option('variant')} out"
        )
    paths = tuple(expand_path(source))
    # What is added to has its name, whatever the files of a night are called.
    update = options.update
    name, notes = name_own_files(source, options.name) if update is None else (update.resolve().name, ())
    item, item_notes = _own_item_file(options, remembered, paths)
    parts, paths = _find_parts(paths)
    settings = settle(options, None, Filters(), inherited)
    join, join_notes = find_join(options.join, settings, remembered, paths)
    return Plan(
        dataset=name,
        notes=(*notes, *item_notes, *join_notes),
        spec=None,
        form=None,
        paths=paths,
        parts=parts,
        item=item,
        settings=settings,
        expected=None,
        join=join,
        remembered=remembered,
        command=typed,
        limits=options.limits,
    )


def places_of(spec: DatasetSpec, raw: Path | None, workspace: Path) -> Places:
    """Return where the files of a named data set are looked for."""
    return Places(raw=raw, cache=download_folder(spec.name, workspace), former=former_folder(spec.name, workspace))


def _find_parts(paths: tuple[Path, ...]) -> tuple[tuple[int, ...] | None, tuple[Path, ...]]:
    """Return 0, 1, 2 and the files of a split that is published as train, valid and test; else None and all files.

    A folder of such a split may hold more than its three parts: item files, say.
    """
    by_part: dict[int, Path] = {}
    twice: list[tuple[Path, Path]] = []
    for path in paths:
        if (part := _PARTS.get(_stem(path))) is not None:
            if part in by_part:
                twice.append((by_part[part], path))
            by_part[part] = path
    if len(by_part) != 3:
        return None, paths
    if twice:
        first, second = twice[0]
        raise InputError(
            f"{first} and {second.name} are both of the same part of a split", hint="leave one file per part there"
        )
    return (0, 1, 2), tuple(by_part[part] for part in range(3))


def find_join(
    given: Path | None, settings: Settings, remembered: Remembered | None, paths: Sequence[Path]
) -> tuple[JoinSource | None, tuple[str, ...]]:
    """Return the file that is joined to the events, as given, else the remembered one beside them; and what to say.

    Args:
        given: the file that was asked for.
        settings: name the file and the key.
        remembered: how the data set that is added to was read.
        paths: of the events.

    Raises:
        UsageError: nothing says what it is joined on.
        InputError: the data set was read with one, and it is neither given nor here.
    """
    if settings.join is None:
        return None, ()
    if settings.on is None:
        raise UsageError(
            f"{option('join', settings.join)} needs the column both files have",
            hint=f"for example: {option('on', 'order_id')}",
        )
    if given is not None:
        return JoinSource(path=given, on=settings.on), ()
    beside = paths[0].parent / settings.join
    name = "the data set" if remembered is None else remembered.dataset
    if not beside.is_file():
        raise InputError(
            f"{name} was read with {settings.join} joined to its events, which is not beside {paths[0]}",
            hint=f"give the file with the new rows: {option('join', 'FILE')}",
        )
    note = f"{beside} is joined to the events, as {settings.join} was before"
    return JoinSource(path=beside, on=settings.on), (note,)


def look_at_sources(plan: Plan) -> list[SteadyFile]:
    """Hash every file that is to be read.

    Raises:
        InputError: a file cannot be read.
    """
    beside = [source.path for source in (plan.item, plan.join) if source is not None]
    return [look_at(path) for path in (*plan.paths, *beside)]


def describe_sources(plan: Plan, files: Sequence[SteadyFile]) -> list[dict[str, Any]]:
    """Return name, sha256 and size of every file that is read, and where events came from, for the manifest."""
    if plan.generated:
        return [{"name": "generated", "seed": DEMO_SEED, "version": DEMO_VERSION}]
    return [
        {"name": file.path.name, "sha256": file.sha256, "bytes": file.size,
         **(_describe_place(plan, file.path) if file.path in plan.paths else {})}
        for file in files
    ]  # fmt: skip


def _describe_place(plan: Plan, path: Path) -> dict[str, Any]:
    """Return where a file of events was brought from, and what the names of its folders say."""
    folders = show_folders(path)
    return {**plan.origin, **({FOLDERS: folders} if folders else {})}


def _find_named(
    spec: DatasetSpec,
    places: Places,
    options: PreprocessOptions,
    fetch: bool,
    on_event: OnEvent,
) -> tuple[FoundFiles | None, ItemSource | None]:
    """Find, or download, the interactions of a named data set and its item file."""
    item = _own_items(options)
    if spec.generated:
        return None, item
    fetching = Fetching(
        allowed=fetch, offline=options.offline, large=options.yes, sha256=options.download_sha256
    )  # fmt: skip
    found = find_source(spec, places=places, fetching=fetching, on_event=on_event)
    if item is None:
        beside = find_item_file(spec, found, places=places, fetching=fetching, on_event=on_event)
        item = None if beside is None else _item_source(*beside, options.items_column)
    return found, item


def _plan_named(
    spec: DatasetSpec,
    found: FoundFiles | None,
    item: ItemSource | None,
    options: PreprocessOptions,
    inherited: Mapping[str, Any] | None,
) -> Plan:
    filters, expected, name = spec.filters, spec.expected, spec.name
    if options.variant is not None:
        if options.variant not in spec.variants:
            known = ", ".join(sorted(spec.variants)) or "none"
            raise UsageError(f"{spec.name} has no variant {options.variant!r}", hint=f"it has: {known}")
        variant = spec.variants[options.variant]
        filters, expected, name = variant.filters, variant.expected, f"{spec.name}-{options.variant}"
    form = None if found is None else found.form
    return Plan(
        dataset=check_name(options.name or name),
        spec=spec,
        form=form,
        paths=() if found is None else found.paths,
        notes=() if found is None else found.notes,
        parts=None if form is None else tuple(_PARTS[part] for part in form.parts) or None,
        item=item,
        settings=settle(options, form, filters, inherited),
        limits=options.limits,
        expected=None if options.changes_the_cut() else expected,
    )


def _own_items(options: PreprocessOptions) -> ItemSource | None:
    if options.items is None:
        return None
    return ItemSource(path=options.items, columns=MetadataColumns(item=options.items_column))


def _item_source(form: ItemFile, path: Path, column: Column | None) -> ItemSource:
    columns = MetadataColumns(
        item=column or form.item or None,
        title=form.title or None,
        category=form.category or None,
        category_flags=form.category_flags,
        keep=form.keep,
    )
    return ItemSource(path=path, form=form, columns=columns)


def _own_item_file(
    options: PreprocessOptions, remembered: Remembered | None, paths: tuple[Path, ...]
) -> tuple[ItemSource | None, tuple[str, ...]]:
    """Return the item file for files of the user: as given, else the remembered one if it lies beside them."""
    if options.items is not None:
        return _own_items(options), ()
    before = None if remembered is None else remembered.get("items")
    name = None if before is None else before["name"]
    beside = paths[0].parent / str(name)
    if name is None or not beside.is_file() or beside in paths:
        return None, ()
    return ItemSource(path=beside), (f"{beside}, beside the new file, is read for the items, as {name} was before",)


def _stem(path: Path) -> str:
    """Return what says which part a file is: "train" of train.csv and of RecBole's shop.train.inter."""
    return FILE_ENDINGS.sub("", path.name).lower().rpartition(".")[2]
