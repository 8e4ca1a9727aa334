"""The rank of every target of an evaluation, as a Parquet file that says what it is."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq

from adrec_cli.artifacts.atomic import storage_error
from adrec_cli.artifacts.format_version import refuse_newer
from adrec_cli.errors import ArtifactError
from adrec_cli.schema import FORMAT_VERSION, ITEM_ID, ITEM_INDEX, MAX_ROW_GROUP_USERS, USER_ID

_METADATA_KEY = b"adrec"
USER_ROW, RANK, CANDIDATES = "user_row", "rank", "candidates"
HISTORY_LENGTH, TARGET_COUNT, COLD = "history_length", "target_count", "cold"
COLUMNS = {
    USER_ID: pl.String,
    USER_ROW: pl.Int64,
    ITEM_ID: pl.String,
    ITEM_INDEX: pl.Int32,
    RANK: pl.Int64,
    CANDIDATES: pl.Int64,
    HISTORY_LENGTH: pl.Int64,
    TARGET_COUNT: pl.Int64,
    COLD: pl.Boolean,
}

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TargetRanks:
    """The rank of every target, one entry per case; a user has several in a global-time split.

    Attributes:
        user_ids, item_ids: raw ids of the user and of the target.
        users: row of the user in `sequences.parquet`, ascending.
        targets: item index.
        ranks: from 1, the best.
        candidates: items the target was ranked among, itself included.
        history_lengths: events before the target.
        target_counts: train events of the target.
        provenance: protocol, hashes of checkpoint and data, sampling, seed, versions, as `Evaluation.provenance`.
    """

    user_ids: pl.Series
    item_ids: pl.Series
    users: Integers
    targets: Integers
    ranks: Integers
    candidates: Integers
    history_lengths: Integers
    target_counts: Integers
    provenance: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.ranks)

    @property
    def cold(self) -> npt.NDArray[np.bool_]:
        """Which targets never occur in train."""
        cold: npt.NDArray[np.bool_] = self.target_counts == 0
        return cold


def rank_file(ranks: pl.DataFrame, provenance: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return the content of a file of ranks and its SHA-256; the same ranks and provenance give the same bytes.

    Args:
        ranks: one row per case, with `COLUMNS`.
        provenance: what they depend on.
    """
    table = ranks.select(pl.col(name).cast(kind) for name, kind in COLUMNS.items())
    arrow = table.to_arrow(compat_level=pl.CompatLevel.oldest())
    told = json.dumps(provenance, sort_keys=True, allow_nan=False).encode()
    content = io.BytesIO()
    pq.write_table(
        arrow.replace_schema_metadata({_METADATA_KEY: told}), content, compression="zstd",
        row_group_size=MAX_ROW_GROUP_USERS,
    )  # fmt: skip
    return content.getvalue(), hashlib.sha256(content.getbuffer()).hexdigest()


def parse_ranks(path: Path, sha256: str) -> TargetRanks:
    """Read a file of ranks whose SHA-256 is known; nothing in it is parsed before that is right.

    Raises:
        ArtifactError: damaged, not of this format, or of another evaluation.
        StorageError: unreadable.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise storage_error("read", path, error) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise _damage_error(path, f"sha256 {found[:12]}, its evaluation says {sha256[:12]}")
    try:
        provenance = json.loads((pq.read_schema(io.BytesIO(content)).metadata or {})[_METADATA_KEY])
        table = pl.read_parquet(content)
        refuse_newer(path, provenance["format_version"])
        if provenance["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format version {provenance['format_version']}, this adrec reads {FORMAT_VERSION}")
        if dict(table.schema) != COLUMNS:
            raise ValueError(f"its columns are {', '.join(table.columns)}")
        if sum(table.null_count().row(0)):
            raise ValueError("it has missing values")
    except (pl.exceptions.PolarsError, OSError, KeyError, TypeError, ValueError) as error:
        raise _damage_error(path, str(error).split("\n")[0]) from error
    integers = {name: table[name].to_numpy().astype(np.int64) for name, kind in COLUMNS.items() if kind.is_integer()}
    if (integers[RANK] < 1).any() or (integers[RANK] > integers[CANDIDATES]).any():
        raise _damage_error(path, "a rank lies outside its candidates")
    return TargetRanks(
        user_ids=table[USER_ID],
        item_ids=table[ITEM_ID],
        users=integers[USER_ROW],
        targets=integers[ITEM_INDEX],
        ranks=integers[RANK],
        candidates=integers[CANDIDATES],
        history_lengths=integers[HISTORY_LENGTH],
        target_counts=integers[TARGET_COUNT],
        provenance=provenance,
    )


def _damage_error(path: Path, reason: str) -> ArtifactError:
    return ArtifactError(f"{path} is damaged or of another evaluation: {reason}", hint="evaluate again")
