"""Vectors of a data set's items: made, and made again once they are out of date."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from adrec_cli.artifacts.dataset import verify_dataset
from adrec_cli.artifacts.fitted_on import FittedOn
from adrec_cli.artifacts.item_vectors import (
    ItemVectors,
    VectorsFile,
    ids_sha256,
    read_item_vectors,
    read_item_vectors_header,
    write_item_vectors,
)
from adrec_cli.artifacts.manifest import Manifest, read_manifest
from adrec_cli.content.choice import Choice, choose_encoders, content_columns, parse_choice
from adrec_cli.content.cooccurrence import list_neighbours
from adrec_cli.content.encoders import FittedEncoder, encode_items, fit_encoder, silent_items
from adrec_cli.content.options import EncodeOptions
from adrec_cli.content.other_cut import is_cut_otherwise
from adrec_cli.content.records import record_encoders, restore_encoders
from adrec_cli.data.addresses import find_address
from adrec_cli.data.given_vectors import find_changed_files, read_given_vectors, record_file
from adrec_cli.data.remote_vectors import bring_vectors
from adrec_cli.data.sequences import load_items, load_sequences
from adrec_cli.errors import ArtifactError, InputError, UsageError
from adrec_cli.schema import ITEM_ID, ITEM_VECTORS_FILE, TRAIN_EVENTS
from adrec_cli.wording import command, option


@dataclass(frozen=True, kw_only=True)
class EncodedColumns:
    """What one encoder made.

    Attributes:
        encoder: its name.
        columns: that it read.
        width: entries of its vectors.
        silent: items of which its columns say nothing.
    """

    encoder: str
    columns: tuple[str, ...]
    width: int
    silent: int


@dataclass(frozen=True, kw_only=True)
class EncodeResult:
    """What was written.

    Attributes:
        dataset: whose items.
        path: of the vectors.
        items: how many.
        width: entries of a vector.
        encoders: one beside the other.
        silent: items of which nothing is known at all.
        assumptions: what was chosen without being asked for.
        warnings: what deserves a look.
    """

    dataset: str
    path: Path
    items: int
    width: int
    encoders: tuple[EncodedColumns, ...]
    silent: int
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]

    @classmethod
    def of(
        cls,
        path: Path,
        vectors: ItemVectors,
        encoders: Sequence[FittedEncoder],
        assumptions: Sequence[str],
        warnings: Sequence[str],
    ) -> EncodeResult:
        """Return what came of vectors that were written, one part for each encoder."""
        silent = silent_items(encoders, vectors.vectors_VC)
        return cls(
            dataset=vectors.dataset,
            path=path,
            items=len(vectors.vectors_VC),
            width=vectors.vectors_VC.shape[1],
            encoders=tuple(
                EncodedColumns(encoder=one.name, columns=one.columns, width=one.width, silent=count)
                for one, count in zip(encoders, silent, strict=True)
            ),
            silent=int((~vectors.vectors_VC.any(axis=1)).sum()),
            assumptions=tuple(assumptions),
            warnings=tuple(warnings),
        )


_DEFAULT = EncodeOptions()


def encode_locked(folder: Path, options: EncodeOptions = _DEFAULT) -> EncodeResult:
    """Write vectors of the items of a data set's folder, whose lock the caller holds.

    Args:
        folder: of the data set.
        options: as of `encode`, and its errors.
    """
    done = _encode(folder, options)
    if options.like is None or not (warning := _warn_of_held_out(folder)):
        return done
    return dataclasses.replace(done, warnings=(*done.warnings, warning))


def _warn_of_held_out(folder: Path) -> str:
    """Return a warning if encoders that were taken as they are may have read what is held out now; else ""."""
    header, manifest = read_item_vectors_header(folder), read_manifest(folder)
    if not header.sequences_sha256:
        return ""
    fitted = header.fitted_on
    if fitted is not None and fitted.dataset != manifest.dataset:
        return f"encoders have read train events of {fitted.dataset!r}: some are held out here if both are of one log"
    if is_cut_otherwise(fitted, manifest, folder):
        return f"encoders have read train events of another cut, some perhaps held out now; fit them: {header.again}"
    return ""


def _encode(folder: Path, options: EncodeOptions, *, refit_events: bool = False) -> EncodeResult:
    """Do what `encode_locked` does; if wanted, fit those of encoders as they were again that read train events."""
    manifest = read_manifest(folder)
    before = None if options.like is None else read_item_vectors(folder.parent / options.like)
    reads_events = _reads_train_events(options, before)
    described = _describe_items(
        folder, manifest, options, before if options.like == folder.name else None, reads_events
    )
    items, warnings = described.items, described.warnings
    assumptions: list[str] = []
    if before is None:
        fitted = _fit(items, described.given, options, assumptions)
    else:
        fitted = restore_encoders(before.encoders)
        if refit_events:
            width = before.asked_width
            fitted = [_refit(one, items, width) if TRAIN_EVENTS in one.columns else one for one in fitted]
        _require_read(described.given, fitted)
        warnings += _missing_columns(fitted, items)
    vectors = ItemVectors(
        dataset=manifest.dataset,
        ids_sha256=ids_sha256(items[ITEM_ID]),
        items_sha256=manifest.items_sha256,
        files=described.files,
        sequences_sha256=manifest.sequences_sha256 if reads_events else "",
        fitted_on=_find_fitted_on(manifest, None if refit_events else before) if reads_events else None,
        asked_width=options.width if before is None else before.asked_width,
        encoders=record_encoders(fitted),
        vectors_VC=encode_items(fitted, items),
    )
    return EncodeResult.of(write_item_vectors(folder, vectors), vectors, fitted, assumptions, warnings)


@dataclass(frozen=True, kw_only=True)
class _Described:
    """Items with a column for everything that encoders may read.

    Attributes:
        items: one row per item.
        given: names of the files of vectors that were asked for.
        files: all files of vectors that were read, as they were then.
        warnings: what was found in them.
    """

    items: pl.DataFrame
    given: list[str]
    files: dict[str, VectorsFile]
    warnings: list[str]


def _describe_items(
    folder: Path, manifest: Manifest, options: EncodeOptions, own: ItemVectors | None, reads_events: bool
) -> _Described:
    """Read a data set's items with their neighbours, if they are wanted, and with vectors from elsewhere.

    Args:
        folder, manifest: of the data set.
        options: with the files that are asked for.
        own: vectors of these items, whose files are read again; None leaves it to the options.
        reads_events: whether neighbours are wanted.
    """
    dataset_files = verify_dataset(folder, manifest)
    items = load_items(dataset_files.items)
    if reads_events:
        items = _add_train_events(items, dataset_files.sequences)
    with bring_vectors(options.vectors) as given, contextlib.ExitStack() as brought:
        files = dict(given)
        if own is not None:
            known = {path.name for path in given.values()}
            remembered = [path for name, path in _find_remembered_files(own).items() if name not in known]
            files |= brought.enter_context(bring_vectors(remembered))
        # Before they are read: what is written meanwhile is then encoded the next time.
        recorded = {path.name: record_file(path, place) for place, path in files.items() if path.is_file()}
        items, warnings = _add_given_vectors(items, list(files.values()))
    return _Described(items=items, given=[path.name for path in given.values()], files=recorded, warnings=warnings)


def encode_if_stale(folder: Path) -> EncodeResult | None:
    """Encode items that were not, or that have changed since, the latter as before; None where nothing is to be done.

    Events are a change where an encoder reads them, and a file of vectors that was written again is one; a file that is
    gone is not. Where what encoders of train events have read may be held out now, they are fitted again, and a warning
    says so. The caller holds the folder's lock; errors as `encode`.
    """
    if not (folder / ITEM_VECTORS_FILE).is_file():
        return encode_locked(folder)
    header, manifest = read_item_vectors_header(folder), read_manifest(folder)
    same_events = header.sequences_sha256 in ("", manifest.sequences_sha256)
    if same_events and header.items_sha256 == manifest.items_sha256 and not find_changed_files(header.files):
        return None
    refit = not same_events and is_cut_otherwise(header.fitted_on, manifest, folder)
    done = _encode(folder, EncodeOptions(like=folder.name), refit_events=refit)
    if not refit:
        return done
    warning = "encoders of train events are fitted again: some of what they were fitted to may be held out now"
    return dataclasses.replace(done, warnings=(*done.warnings, warning))


def refit_train_events(folder: Path) -> None:
    """Encode again with encoders of train events fitted to those that are there now; the caller holds the lock.

    What an encoder has learned of users who left would otherwise stay. Nothing is done where none reads train events.
    Errors as `encode`.
    """
    if (folder / ITEM_VECTORS_FILE).is_file() and read_item_vectors_header(folder).sequences_sha256:
        _encode(folder, EncodeOptions(like=folder.name), refit_events=True)


def _refit(encoder: FittedEncoder, items: pl.DataFrame, width: int | None) -> FittedEncoder:
    return fit_encoder(encoder.name, encoder.columns, items, width=width or encoder.width)


def _find_fitted_on(manifest: Manifest, before: ItemVectors | None) -> FittedOn | None:
    """Return what encoders of train events were fitted on: this data set, or what is recorded with those taken over."""
    return FittedOn.of(manifest) if before is None else before.fitted_on


def _reads_train_events(options: EncodeOptions, before: ItemVectors | None) -> bool:
    """Return whether an encoder that is asked for, or that is taken as it was, reads train events."""
    if before is not None:
        return any(TRAIN_EVENTS in encoder.columns for encoder in before.encoders)
    return "cooccurrence" in options.encoders


def _add_train_events(items: pl.DataFrame, sequences: Path) -> pl.DataFrame:
    """Return the items with the column that stands for their neighbours in train.

    Raises:
        UsageError: they have a column of that name already, or SciPy is not installed.
    """
    if TRAIN_EVENTS in items.columns:
        raise UsageError(f"the items have a column {TRAIN_EVENTS!r}, as neighbours are called", hint="rename it")
    return items.with_columns(list_neighbours(load_sequences(sequences, items.height), items[ITEM_ID]))


def _find_remembered_files(vectors: ItemVectors) -> dict[str, Path]:
    """Return where the files of vectors were that items were encoded with.

    Raises:
        InputError: one is no longer there.
    """
    files = {name: Path(file.path) for name, file in vectors.files.items()}
    for name, path in files.items():
        if not path.is_file() and not find_address(path):
            raise InputError(
                f"{path}, with vectors of the items of {vectors.dataset!r}, is no longer there",
                hint=command("encode", vectors.dataset, like=vectors.dataset, vectors=name),
            )
    return files


def _add_given_vectors(items: pl.DataFrame, files: Sequence[Path]) -> tuple[pl.DataFrame, list[str]]:
    """Return the items with a column for each file of vectors, called as the file, and what was found."""
    warnings = []
    for path in files:
        given = read_given_vectors(path, items[ITEM_ID])
        if given.name in items.columns:
            raise UsageError(f"two sources of content are called {given.name!r}", hint="rename the file")
        items = items.with_columns(given.column)
        if given.unmatched:
            warnings.append(f"{given.name}: {given.unmatched:,} of its ids are not items here")
    return items, warnings


def _fit(items: pl.DataFrame, given: list[str], options: EncodeOptions, assumptions: list[str]) -> list[FittedEncoder]:
    known = items.drop(given).drop(TRAIN_EVENTS, strict=False)
    choices = [parse_choice(text, known) for text in options.encoders]
    if not choices and not given:
        choices = choose_encoders(known)
        assumptions += [f"encoder {choice}" for choice in choices]
        left = set(content_columns(known)).difference(*(choice.columns for choice in choices))
        if left and choices:
            assumptions.append(f"left out: {', '.join(sorted(left))}")
    choices += [Choice(name="vectors", columns=(name,)) for name in given]
    if not choices:
        raise InputError(
            f"the items have no column that says something of them: {', '.join(content_columns(known)) or 'none'}",
            hint=f"preprocess with {option('items', 'FILE')}, give vectors: {option('vectors', 'FILE')}, "
            f"or read events: {option('encoder', 'cooccurrence')}",
        )
    return [fit_encoder(choice.name, choice.columns, items, width=options.width) for choice in choices]


def _require_read(names: Iterable[str], encoders: Sequence[FittedEncoder]) -> None:
    """Refuse files of vectors that encoders made elsewhere do not read."""
    known = {column for encoder in encoders for column in encoder.columns}
    for name in names:
        if name not in known:
            raise UsageError(
                f"the encoders that are taken as they are read no file of vectors called {name!r}",
                hint=f"leave it out, or leave out {option('like')} to make encoders that do",
            )


def _missing_columns(encoders: Sequence[FittedEncoder], items: pl.DataFrame) -> list[str]:
    """Return a warning for each column that encoders of another data set read and these items lack.

    Raises:
        ArtifactError: they lack all of them.
    """
    wanted = list(dict.fromkeys(column for encoder in encoders for column in encoder.columns))
    absent = [column for column in wanted if column not in items.columns]
    if absent == wanted:
        raise ArtifactError(
            f"the encoders read {', '.join(wanted)}, of which these items have nothing",
            hint=f"give them the same columns, or {option('vectors', 'FILE')} of the same name",
        )
    return [f"these items have no column {column!r}, which the encoders read" for column in absent]
