"""`adrec export --vectors`: vectors of items or users, with their ids, for other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from adrec_cli.artifacts.item_vectors import read_item_vectors_header
from adrec_cli.artifacts.outputs import require_free_output, require_no_source
from adrec_cli.artifacts.vectors_file import Chunk, VectorTable, find_vector_files, ids_file, write_vectors
from adrec_cli.errors import UsageError
from adrec_cli.loading.making_ready import Opening
from adrec_cli.loading.recommender import Recommender
from adrec_cli.models.sampling import FAST_SAMPLING
from adrec_cli.recommending.audience import require_nobody_left
from adrec_cli.recommending.vectors import (
    find_users_with_history,
    list_item_vectors,
    list_user_vectors,
    measure_width,
)
from adrec_cli.schema import ITEM_ID, ITEM_VECTORS_FILE, USER_ID
from adrec_cli.wording import option


@dataclass(frozen=True, kw_only=True)
class ExportedVectors:
    """What was written.

    Attributes:
        vectors: "items" or "users".
        path: of the vectors; ids_path: of the ids, where they do not lie with them.
        rows, width: of the vectors.
        without_history: users without an item that the model knows, who have no vector.
        assumptions: what was chosen without being asked for.
        warnings: where inner products are not all of the model's scores.
    """

    dataset: str
    model: str
    checkpoint_sha256: str
    vectors: str
    path: Path
    ids_path: Path | None
    rows: int
    width: int
    without_history: int
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]


def export_vectors(
    out: Path, *, vectors: str, workspace: Path, dataset_name: str | None = None, model: str | None = None
) -> ExportedVectors:
    """Write a vector for each item or user; the inner product of a user's and an item's is the model's score.

    Args:
        out: `.parquet`, with columns item_id or user_id and vector; or `.npy`, with ids in `NAME.ids.txt` beside it.
        vectors: "items" or "users"; users with their whole histories, after one reverse step of zero noise.
        workspace, dataset_name, model: as `recommend`.

    Raises:
        UsageError: neither items nor users, another suffix, or the file is an artifact or an input.
        InputError: no user has a history, or an id cannot be written.
        ArtifactError: no model, or a damaged one.
        LockedError: somebody was forgotten meanwhile.
    """
    if vectors not in _TABLES:
        raise UsageError(
            f"{option('vectors')} must be {' or '.join(_TABLES)}, got {vectors!r}", hint=option("vectors", "items")
        )
    paths = find_vector_files(out)
    recommender = Opening(
        workspace=workspace, dataset_name=dataset_name, model=model, device="cpu", threads=None, exact=True
    ).open()
    for path in paths:
        require_free_output(path, inputs=_find_given_vectors(recommender))
        require_no_source(path, recommender.manifest.sources)
    if not paths[0].exists() and paths[-1].exists():
        raise UsageError(f"{paths[-1]} is there already, without {out.name}", hint="give the name of another file")
    table = _TABLES[vectors](recommender)
    write_vectors(out, table)
    sequences = recommender.sequences
    return ExportedVectors(
        dataset=recommender.dataset,
        model=recommender.model.name,
        checkpoint_sha256=recommender.checkpoint.sha256,
        vectors=vectors,
        path=out,
        ids_path=paths[1] if len(paths) > 1 else None,
        rows=table.rows,
        width=table.width,
        without_history=sequences.users - table.rows if vectors == "users" else 0,
        assumptions=_assume(recommender) if vectors == "users" else (),
        warnings=_find_differences(recommender),
    )


def _tabulate_items(recommender: Recommender) -> VectorTable:
    ids = recommender.items[ITEM_ID]
    return VectorTable(
        id_name=ITEM_ID,
        rows=len(ids),
        width=measure_width(recommender),
        chunks=list_item_vectors(recommender, ids),
        made_of=_describe(recommender),
    )


def _tabulate_users(recommender: Recommender) -> VectorTable:
    rows = find_users_with_history(recommender)

    def list_chunks() -> Iterator[Chunk]:
        yield from list_user_vectors(recommender, rows)
        # Before the file takes its place.
        require_nobody_left(recommender)

    sampling = {"sampling": asdict(FAST_SAMPLING)} if _draws(recommender) else {}
    return VectorTable(
        id_name=USER_ID,
        rows=len(rows),
        width=measure_width(recommender),
        chunks=list_chunks(),
        made_of={**_describe(recommender), "sequences_sha256": recommender.sequences_sha256, **sampling},
    )


_TABLES: Final[Mapping[str, Callable[[Recommender], VectorTable]]] = {
    "items": _tabulate_items,
    "users": _tabulate_users,
}


def _describe(recommender: Recommender) -> dict[str, object]:
    """Return what the vectors were made of."""
    metadata = recommender.checkpoint.metadata
    return {
        "dataset": recommender.dataset,
        "model": metadata.model,
        "output": metadata.output,
        "checkpoint_sha256": recommender.checkpoint.sha256,
        "items_sha256": metadata.items_sha256,
        "score": "inner product",
        "repeats": _name_repeats(recommender),
    }


def _find_given_vectors(recommender: Recommender) -> list[Path]:
    """Return the files of vectors that the data set is encoded with, which the next night reads again."""
    if not (recommender.dataset_folder / ITEM_VECTORS_FILE).is_file():
        return []
    files = [Path(file.path) for file in read_item_vectors_header(recommender.dataset_folder).files.values()]
    return [*files, *map(ids_file, files)]


def _draws(recommender: Recommender) -> bool:
    return recommender.checkpoint.metadata.output in recommender.model.sampled_outputs


def _name_repeats(recommender: Recommender) -> str:
    return str(getattr(recommender.model.config, "repeats", "none"))


def _assume(recommender: Recommender) -> tuple[str, ...]:
    if not _draws(recommender):
        return ()
    return (
        f"one reverse step of zero noise: the scores of {option('steps', 1)} {option('noise', 'zero')}, "
        "which are not those of more steps",
    )


def _find_differences(recommender: Recommender) -> tuple[str, ...]:
    """Say what is added to the scores of items beside the inner product."""
    if recommender.model.repeats is None:
        return ()
    return (
        f"scores of items that stand in the history have a bias (model.repeats is {_name_repeats(recommender)!r}), "
        "which no vector holds",
    )
