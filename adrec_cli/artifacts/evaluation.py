"""Evaluations, each with the ranks of all targets beside it: the two change at once and are checked."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from adrec_cli.artifacts.atomic import file_identity, file_sha256, replacing, storage_error, sync_folder, write_bytes
from adrec_cli.artifacts.format_version import refuse_newer
from adrec_cli.artifacts.json_files import content_sha256
from adrec_cli.artifacts.lock import one_at_a_time
from adrec_cli.artifacts.matching_paths import matching_paths
from adrec_cli.errors import ArtifactError, StorageError
from adrec_cli.schema import FORMAT_VERSION, PROMOTION_REPORT_SUFFIX, RANKS_SUFFIX, REPORTS_FOLDER
from adrec_cli.wording import say_count

if TYPE_CHECKING:
    import polars as pl

    from adrec_cli.artifacts.ranks import TargetRanks

REPORT_SUFFIX = ".json"
RANKS_NEXT_SUFFIX = ".ranks-next"
FEW_USERS = 100
"""Fewer than this are cautioned about."""
FEW_ITEMS = 10
"""A cut-off is cautioned about where the catalogue has fewer than this many times as many items."""

Opened = TypeVar("Opened")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What an evaluation found, and all that the figures depend on.

    Attributes:
        dataset, model, stage, checkpoint: names; stage and checkpoint are empty for MostPopular.
        checkpoint_sha256, items_sha256, sequences_sha256: which ones exactly.
        protocol: its short code, such as loo/full/test.
        negatives_source: where sampled items come from, "" without.
        negatives_sha256: of the file they come from; "" where they are drawn, or without.
        mask_seen, seed: as in the options.
        sampling: how a diffusion model sampled; empty for what draws nothing.
        metrics: fractions by name, averaged over users; with @5, @10, @20 and @50.
        intervals: [lower, upper] bound of each metric at 95%, a bootstrap over users.
        slices: by name (head, tail, long, short, warm, cold): definition, users, cases, metrics, intervals.
        beyond_accuracy: what the lists of recommendations are like, by name; empty unless asked for.
        users, cases: ranked.
        cold_targets: cases whose target never occurs in train; they count as any other.
        parameters: numbers in the model.
        seconds: wall time of ranking, on `threads` CPU threads of `device`; where several processes shared it, of all
            of them added up.
        items: in the catalogue; 0 in reports of before it was noted.
        ranks_sha256: of the file with the rank of every target, `ranks_path(path)`.
        path: of its file, where it was read.
    """

    dataset: str
    model: str
    stage: str
    checkpoint: str
    checkpoint_sha256: str
    items_sha256: str
    sequences_sha256: str
    protocol: str
    negatives_source: str
    negatives_sha256: str
    mask_seen: bool
    sampling: dict[str, Any]
    seed: int
    metrics: dict[str, float]
    intervals: dict[str, list[float]]
    slices: dict[str, dict[str, Any]]
    beyond_accuracy: dict[str, float]
    users: int
    cases: int
    cold_targets: int
    parameters: int
    seconds: float
    device: str
    threads: int
    adrec_version: str
    torch_version: str
    code_sha256: str
    path: str
    ranks_sha256: str = ""
    items: int = 0
    format_version: int = FORMAT_VERSION

    def cautions(self) -> list[str]:
        """Return what the figures cannot say, as one line each: of few users, or of long lists from few items."""
        found = []
        if self.users < FEW_USERS:
            found.append(
                f"only {say_count(self.users, 'user')}: each of them "
                f"moves a figure by up to {1 / max(1, self.users):.3f}, "
                "and the intervals are rough"
            )
        cutoffs = sorted({int(name.partition("@")[2]) for name in self.metrics})
        long = [k for k in cutoffs if self.items and k * FEW_ITEMS > self.items]
        if long and self._ranks_everything:
            found.append(
                f"a catalogue of only {say_count(self.items, 'item')}: any order of them has about HR@{long[0]} "
                f"{min(1.0, long[0] / self.items):.2f}, so @{', @'.join(map(str, long))} say little"
            )
        return found

    @property
    def _ranks_everything(self) -> bool:
        return "/full/" in self.protocol

    def provenance(self) -> dict[str, Any]:
        """Return what the ranks depend on, as recorded in their file; equal work gives equal values."""
        found = asdict(self)
        names = ["format_version", "dataset", "model", "stage", "checkpoint_sha256", "items_sha256", "sequences_sha256"]
        names += ["protocol", "negatives_source", "negatives_sha256", "mask_seen", "sampling", "seed"]
        names += ["adrec_version", "torch_version", "code_sha256"]
        return {name: found[name] for name in names}


def ranks_path(evaluation: Path) -> Path:
    """Return where the ranks of an evaluation lie."""
    return evaluation.with_name(evaluation.name.removesuffix(REPORT_SUFFIX) + RANKS_SUFFIX)


def evaluation_of(ranks: Path) -> Path:
    """Return where the evaluation of a file of ranks lies."""
    return ranks.with_name(ranks.name.removesuffix(RANKS_SUFFIX) + REPORT_SUFFIX)


def list_evaluations(dataset_folder: Path) -> list[Path]:
    """Return the reports of evaluations in a dataset's folder, sorted; other reports are left out."""
    found = matching_paths(dataset_folder / REPORTS_FOLDER, f"*{REPORT_SUFFIX}")
    return sorted(path for path in found if not path.name.endswith(PROMOTION_REPORT_SUFFIX) and path.name[0] != ".")


def write_evaluation(evaluation: Evaluation, ranks: pl.DataFrame) -> Evaluation:
    """Write an evaluation and its ranks; whoever reads finds the old two or the new two.

    Arguments, what is returned and errors as `put_evaluation`.
    """
    with one_at_a_time(Path(evaluation.path).parent):
        return put_evaluation(evaluation, ranks)


def put_evaluation(evaluation: Evaluation, ranks: pl.DataFrame) -> Evaluation:
    """Do what `write_evaluation` does where the caller is in `one_at_a_time` of the folder already.

    The ranks are written under a name of their own content first; the new evaluation is the moment of change; then they
    take their place.

    Args:
        evaluation: says where it goes.
        ranks: one row per case, in the columns of `TargetRanks`.

    Returns:
        the evaluation with the hash of its ranks.

    Raises:
        StorageError: the file system refused.
    """
    from adrec_cli.artifacts.ranks import rank_file

    path = Path(evaluation.path)
    content, sha256 = rank_file(ranks, evaluation.provenance())
    evaluation = dataclasses.replace(evaluation, ranks_sha256=sha256)
    with replacing(first_ranks_path(path, sha256)) as temporary:
        temporary.write_bytes(content)
    told = asdict(evaluation)
    told["report_sha256"] = content_sha256(told)
    write_bytes(path, (json.dumps(told, indent=2, allow_nan=False) + "\n").encode())
    settle_evaluation(path, evaluation)
    return evaluation


def settle_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Move the ranks of an evaluation to their place, and remove those of writers that were killed.

    The caller is in `one_at_a_time` of the folder.

    Raises:
        StorageError: the file system refused.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            os.replace(first_ranks_path(path, evaluation.ranks_sha256), ranks_path(path))
            sync_folder(path.parent)
        stem = path.name.removesuffix(REPORT_SUFFIX)
        for leftover in matching_paths(path.parent, f".{stem}.*{RANKS_NEXT_SUFFIX}"):
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error("write", path, error) from error


def settle_left(path: Path) -> None:
    """Move the ranks of an evaluation to their place where a writer was killed before it did.

    Raises:
        ArtifactError: the evaluation is damaged.
        StorageError: the file system refused.
    """
    if find_unsettled_ranks(path) is None:
        return
    # Another writer may have begun: its ranks lie under their first name too, and are not left over.
    with one_at_a_time(path.parent):
        settle_evaluation(path, read_evaluation(path))


def find_unsettled_ranks(path: Path) -> Path | None:
    """Return the file in which the ranks of an evaluation still lie under their first name; None where they do not.

    Raises:
        ArtifactError: the evaluation is damaged.
    """
    first = first_ranks_path(path, read_evaluation(path).ranks_sha256)
    return first if first.is_file() else None


def read_evaluation(path: Path) -> Evaluation:
    """Read and check an evaluation, not its ranks.

    Raises:
        ArtifactError: missing, damaged, or of another format version.
        StorageError: unreadable.
    """
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
        refuse_newer(path, content.get("format_version"))
        if content.pop("report_sha256", None) != content_sha256(content):
            raise ValueError("its content does not match its own checksum")
        content.setdefault("items", 0)
        _require_types(content)
        evaluation = Evaluation(**content)
        if evaluation.format_version != FORMAT_VERSION:
            raise ValueError(f"format version {evaluation.format_version}, this adrec reads {FORMAT_VERSION}")
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist", hint="evaluate first") from error
    except OSError as error:
        raise storage_error("read", path, error) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged: {error}", hint="evaluate again") from error
    return dataclasses.replace(evaluation, path=str(path))


def read_ranks(path: Path) -> TargetRanks:
    """Read the rank of every target, and the evaluation they belong to.

    Args:
        path: of an evaluation, or of the ranks beside one.

    Raises:
        ArtifactError: either is missing, damaged, of another format version, or they do not belong together.
        StorageError: unreadable.
    """
    from adrec_cli.artifacts.ranks import parse_ranks

    return _open_ranks(evaluation_of(path) if path.name.endswith(RANKS_SUFFIX) else path, parse_ranks)


def read_ranks_of(evaluation: Evaluation) -> TargetRanks | None:
    """Read the ranks of an evaluation that was read, or made, before; None where another has taken its place since.

    Raises:
        ArtifactError, StorageError: as `read_ranks`.
    """
    from adrec_cli.artifacts.ranks import parse_ranks

    def parse_own(place: Path, sha256: str) -> TargetRanks | None:
        return parse_ranks(place, sha256) if sha256 == evaluation.ranks_sha256 else None

    return _open_ranks(Path(evaluation.path), parse_own)


def verify_ranks(path: Path) -> None:
    """Check that the ranks beside an evaluation are those it was written with; they are not read.

    Raises:
        ArtifactError: either is missing, damaged or of another format version.
        StorageError: unreadable.
    """
    _open_ranks(path, _require_sha256)


def _require_sha256(place: Path, sha256: str) -> None:
    if file_sha256(place) != sha256:
        raise ArtifactError(f"{place} is damaged or of another evaluation", hint="evaluate again")


def _open_ranks(path: Path, open_them: Callable[[Path, str], Opened]) -> Opened:
    """Return what comes of opening the ranks of an evaluation, given where they lie and the SHA-256 they must have."""
    while True:
        # By the file rather than its content, which may have changed twice and be what it was.
        identity, place = file_identity(path), None
        sha256 = read_evaluation(path).ranks_sha256
        try:
            # A writer that was killed after the evaluation has left them under their first name.
            place = next(filter(Path.is_file, (first_ranks_path(path, sha256), ranks_path(path))), None)
            if place is None:
                raise ArtifactError(f"{ranks_path(path)} does not exist", hint="evaluate again")
            return open_them(place, sha256)
        except (ArtifactError, StorageError):
            moved = place is not None and not place.is_file()
            if not moved and file_identity(path) == identity:
                raise


def first_ranks_path(evaluation: Path, ranks_sha256: str) -> Path:
    """Return where the ranks of an evaluation lie before they take their place."""
    stem = evaluation.name.removesuffix(REPORT_SUFFIX)
    return evaluation.with_name(f".{stem}.{ranks_sha256[:16]}{RANKS_NEXT_SUFFIX}")


_KINDS: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float), "bool": bool}


def _require_types(content: dict[str, Any]) -> None:
    """Refuse an evaluation whose checksum is right but whose content nobody could have written.

    Raises:
        ValueError: naming the field.
    """
    for field in fields(Evaluation):
        expected = dict if str(field.type).startswith("dict") else _KINDS[str(field.type)]
        if not isinstance(content.get(field.name), expected):
            raise ValueError(f"{field.name} is missing or not of its type")
    if any(not isinstance(value, float | int) for value in content["metrics"].values()):
        raise ValueError("metrics are not numbers")
