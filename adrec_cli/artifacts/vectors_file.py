"""Vectors with their ids, for other programs: Parquet, or NPY with the ids in `NAME.ids.txt` beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from adrec_cli.artifacts.atomic import replacing, storage_error
from adrec_cli.errors import InputError, UsageError

VECTOR: Final = "vector"
IDS_SUFFIX: Final = ".ids.txt"
METADATA_KEY: Final = "adrec"
"""The key of the Parquet file's metadata under which stands, as JSON, what the vectors were made of."""

Chunk = tuple[pl.Series, npt.NDArray[np.float32]]
"""Ids, and a row (width,) for each of them."""


@dataclass(frozen=True, kw_only=True)
class VectorTable:
    """Vectors to write, a stretch at a time, so that a large catalogue is never copied whole.

    Attributes:
        id_name: of the column of ids.
        rows, width: of all chunks together.
        chunks: of the rows, in order; read once.
        made_of: what the vectors were made of, for whoever finds the file.
    """

    id_name: str
    rows: int
    width: int
    chunks: Iterable[Chunk]
    made_of: Mapping[str, object]


def find_vector_files(path: Path) -> list[Path]:
    """Return the files that vectors are written to, the one with the ids last.

    Raises:
        UsageError: the name ends in no form of vectors.
    """
    if path.suffix not in _WRITERS:
        raise UsageError(
            f"{path}: its name does not say how to write vectors", hint=f"end it in {' or '.join(_WRITERS)}"
        )
    return [path] if path.suffix == ".parquet" else [path, ids_file(path)]


def ids_file(path: Path) -> Path:
    """Return where the ids of vectors lie that are in a file without ids."""
    return path.with_name(path.stem + IDS_SUFFIX)


def write_vectors(path: Path, table: VectorTable) -> None:
    """Write vectors and their ids, whole or not at all.

    Args:
        path: .parquet or .npy, as `find_vector_files` has checked.
        table: what to write; an error of its chunks leaves what was there before.

    Raises:
        InputError: an id cannot stand in a list of ids.
        StorageError: the file system refused.
    """
    _WRITERS[path.suffix](path, table)


def _write_parquet(path: Path, table: VectorTable) -> None:
    schema = pa.schema(
        [(table.id_name, pa.string()), (VECTOR, pa.list_(pa.float32(), table.width))],
        metadata={METADATA_KEY: json.dumps(table.made_of)},
    )
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for ids, vectors in table.chunks:
            column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), table.width)
            writer.write_table(pa.table([ids.to_arrow().cast(pa.string()), column], schema=schema))


def _write_npy(path: Path, table: VectorTable) -> None:
    beside = ids_file(path)
    with replacing(beside) as ids_temporary, replacing(path) as temporary:
        with open(temporary, "wb") as file, open(ids_temporary, "wb") as ids_list:
            header = {"descr": "<f4", "fortran_order": False, "shape": (table.rows, table.width)}
            np.lib.format.write_array_header_1_0(file, header)
            for ids, vectors in table.chunks:
                _require_lines(path, ids)
                file.write(vectors.astype("<f4").tobytes())
                ids_list.write("".join(f"{one}\n" for one in ids).encode())
        # Ids of former vectors never lie beside new ones, wherever this is cut off.
        try:
            beside.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error("remove", beside, error) from error


def _require_lines(path: Path, ids: pl.Series) -> None:
    """Refuse ids that would be two lines of a list.

    Raises:
        InputError: naming one.
    """
    broken = ids.filter(ids.str.contains("\n", literal=True))
    if len(broken):
        raise InputError(
            f"id {broken[0]!r} has a line break, which {ids_file(path).name} cannot hold",
            hint="end the name of the file in .parquet",
        )


_WRITERS: Final[Mapping[str, Callable[[Path, VectorTable], None]]] = {".parquet": _write_parquet, ".npy": _write_npy}
