"""Vectors of items that another program made: Parquet, NPY or safetensors, with the id of each row."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
from safetensors import SafetensorError, safe_open

from adrec_cli.artifacts.atomic import file_sha256, storage_error
from adrec_cli.artifacts.item_vectors import VectorsFile
from adrec_cli.artifacts.literal_paths import literal
from adrec_cli.artifacts.regular_files import require_regular_file
from adrec_cli.artifacts.vectors_file import ids_file
from adrec_cli.data.addresses import show_path
from adrec_cli.data.ids import spell_as_known
from adrec_cli.errors import InputError, StorageError
from adrec_cli.schema import ITEM_ID
from adrec_cli.wording import inflect, option, say_count

MOST_WIDTH: Final = 4_096
_ID_NAMES: Final = (ITEM_ID, "id", "ids", "item", "asin", "sku", "product_id")
_MOST_IDS_BYTES: Final = 2**31


@dataclass(frozen=True, kw_only=True)
class GivenVectors:
    """Vectors from a file, matched to the items of a data set.

    Attributes:
        name: of the file.
        column: one vector per item, null where the file has none.
        matched: items that have one.
        unmatched: rows of the file whose ids the data set does not know.
    """

    name: str
    column: pl.Series
    matched: int
    unmatched: int


def read_given_vectors(path: Path, item_ids: pl.Series) -> GivenVectors:
    """Read vectors and match them to items by id, never by order.

    Args:
        path: .parquet with a column of ids and one of lists, or columns of numbers; .npy with ids in `NAME.ids.txt`
            beside it, one per line; .safetensors with one matrix, and ids there too or as JSON list under "ids" in its
            metadata.
        item_ids: raw ids of the data set, in its order.

    Raises:
        InputError: missing, of another form, not finite, an id that appears twice, or no id that is known.
        StorageError: unreadable.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist", hint=f"check {option('vectors')}")
    require_regular_file(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: {path.suffix or 'no suffix'} is not a form of vectors", hint=_FORMS)
    try:
        ids, vectors = reader(path)
    except OSError as error:
        raise storage_error("read", path, error) from error
    except (pl.exceptions.PolarsError, SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        reason = (str(error).strip().splitlines() or ["not of its form"])[0]
        raise InputError(f"{path} cannot be read: {reason}", hint=_FORMS) from error
    _check(path, ids, vectors)
    rows = pl.DataFrame({ITEM_ID: spell_as_known(ids.cast(pl.String), item_ids), "row": np.arange(len(ids))})
    if twice := rows.height - rows[ITEM_ID].n_unique():
        repeated = rows.filter(pl.col(ITEM_ID).is_duplicated())[ITEM_ID][0]
        raise InputError(
            f"{path}: {say_count(twice, 'id')} {inflect(twice, 'is', 'are')} repeated, such as {repeated!r}",
            hint="one vector per item; fix the file",
        )
    places = item_ids.rename(ITEM_ID).to_frame().join(rows, on=ITEM_ID, how="left", maintain_order="left")["row"]
    matched = len(places) - places.null_count()
    if not matched:
        raise InputError(
            f"{path}: none of its ids, such as {ids[0]!r}, is an item, such as {item_ids[0]!r}",
            hint="write the ids as the data set has them",
        )
    column = pl.Series(path.name, [None if row is None else vectors[row] for row in places.to_list()], dtype=pl.Object)
    return GivenVectors(name=path.name, column=column, matched=matched, unmatched=len(ids) - matched)


def record_file(path: Path, place: Path | None = None) -> VectorsFile:
    """Return where a file of vectors is, and the hashes of it and of the ids beside it.

    Args:
        path: where it can be read.
        place: where it is found the next time, perhaps an address, of which nothing secret is recorded; None is there.

    Raises:
        StorageError: unreadable.
    """
    ids = ids_file(path)
    recorded = path if place is None else place
    return VectorsFile(
        path=show_path(recorded), sha256=file_sha256(path), ids_sha256=file_sha256(ids) if ids.is_file() else ""
    )


def find_changed_files(files: Mapping[str, VectorsFile]) -> list[str]:
    """Return the names of files that are no longer as they were; those that are gone are not among them.

    One whose hash was not written down counts as changed, unless another is gone: it cannot be known.

    Raises:
        StorageError: unreadable.
    """
    here = {name: file for name, file in files.items() if Path(file.path).is_file()}
    known = {name: file for name, file in here.items() if file.sha256}
    changed = [name for name, file in known.items() if _has_changed(file, record_file(Path(file.path)))]
    return changed + [name for name in here if name not in known and len(here) == len(files)]


def _has_changed(before: VectorsFile, now: VectorsFile) -> bool:
    return before.sha256 != now.sha256 or (now.ids_sha256 not in ("", before.ids_sha256))


def _check(path: Path, ids: pl.Series, vectors: npt.NDArray[Any]) -> None:
    """Raise unless there is one vector of finite numbers for each id.

    Raises:
        InputError: saying what is wrong.
    """
    if vectors.ndim != 2 or not 0 < vectors.shape[1] <= MOST_WIDTH or vectors.dtype.kind not in "fiu":
        raise InputError(
            f"{path} holds {vectors.dtype} of shape {vectors.shape}, expected rows of 1 to {MOST_WIDTH:,} numbers",
            hint=_FORMS,
        )
    if not len(ids) == len(vectors):
        raise InputError(
            f"{path}: {say_count(len(ids), 'id')} for {say_count(len(vectors), 'vector')}",
            hint="give one id per row, in order",
        )
    if not len(ids) or ids.null_count():
        raise InputError(f"{path}: {'an id is missing' if len(ids) else 'it is empty'}", hint="give an id for each row")
    for start in range(0, len(vectors), 65_536):
        odd = ~np.isfinite(vectors[start : start + 65_536]).all(axis=1)
        if odd.any():
            row = start + int(np.argmax(odd))
            raise InputError(
                f"{path}: the vector of {ids[row]!r} has values that are no finite numbers",
                hint="leave out what has no vector; such items count as missing",
            )


def _read_parquet(path: Path) -> tuple[pl.Series, npt.NDArray[Any]]:
    table = pl.read_parquet(literal(path))
    name = next((known for known in _ID_NAMES if known in table.columns), None)
    if name is None:
        raise ValueError(f"no column {ITEM_ID!r} among {', '.join(table.columns[:10])}")
    rest = table.drop(name)
    listed = [column for column in rest.columns if isinstance(rest.schema[column], (pl.List, pl.Array))]
    if len(listed) == 1:
        column = rest[listed[0]].cast(pl.List(pl.Float32))
        widths = column.list.len()
        if column.null_count() or widths.n_unique() != 1:
            raise ValueError(f"vectors of {listed[0]!r} have different widths, or some are missing")
        flat = column.explode()
        if flat.null_count():
            raise ValueError(f"vectors of {listed[0]!r} have gaps")
        return table[name], flat.to_numpy().reshape(table.height, -1)
    if listed or not rest.columns or not all(kind.is_numeric() for kind in rest.dtypes):
        raise ValueError(f"expected one column of lists, or columns of numbers, beside {name!r}")
    if sum(rest.null_count().row(0)):
        raise ValueError("numbers are missing")
    return table[name], rest.cast(pl.Float32).to_numpy()


def _read_npy(path: Path) -> tuple[pl.Series, npt.NDArray[Any]]:
    # Mapped rather than read: a header may claim any shape, and the file's own size then refuses it.
    return _ids_beside(path), np.load(path, mmap_mode="r", allow_pickle=False)


def _read_safetensors(path: Path) -> tuple[pl.Series, npt.NDArray[Any]]:
    with safe_open(path, framework="np") as file:
        matrices = [name for name in file.keys() if len(file.get_slice(name).get_shape()) == 2]  # noqa: SIM118
        if len(matrices) != 1:
            raise ValueError(f"it has {say_count(len(matrices), 'matrix', 'matrices')}, expected one")
        vectors = file.get_tensor(matrices[0])
        told = (file.metadata() or {}).get("ids")
    if told is None:
        return _ids_beside(path), vectors
    ids = json.loads(told)
    if not isinstance(ids, list) or not all(isinstance(one, (str, int)) for one in ids):
        raise ValueError('"ids" in its metadata is not a JSON list of ids')
    return pl.Series([str(one) for one in ids], dtype=pl.String), vectors


def _ids_beside(path: Path) -> pl.Series:
    beside = ids_file(path)
    if not beside.is_file():
        raise InputError(
            f"{path} does not say whose its rows are", hint=f"write the id of each row into {beside}, one per line"
        )
    if beside.stat().st_size > _MOST_IDS_BYTES:
        raise StorageError(f"{beside} is larger than 2 GB", hint="one id per line")
    return pl.Series(beside.read_bytes().decode().removesuffix("\n").split("\n"), dtype=pl.String)


_FORMS: Final = "give .parquet (item_id and a list), .npy with NAME.ids.txt beside it, or .safetensors"
_READERS: Final[Mapping[str, Callable[[Path], tuple[pl.Series, npt.NDArray[Any]]]]] = {
    ".parquet": _read_parquet,
    ".npy": _read_npy,
    ".safetensors": _read_safetensors,
}
