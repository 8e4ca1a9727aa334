"""`adrec recommend`: the best items for known users or given histories, with raw ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from adrec_cli.artifacts.promotion import read_current
from adrec_cli.artifacts.workspace import Workspace
from adrec_cli.data.sequences import item_indices
from adrec_cli.errors import ArtifactError, InputError, UsageError
from adrec_cli.models.base import Sampling, SequentialRecommender
from adrec_cli.pipeline.opening import Checkpoint, Dataset, open_checkpoint, open_dataset, restore_model
from adrec_cli.pipeline.train import dataset_folder_of
from adrec_cli.ranking.scores import represented, top_k
from adrec_cli.runtime import resolve_device, set_threads
from adrec_cli.schema import CHECKPOINT_SUFFIX, CURRENT_FILE, ITEM_ID, TITLE
from adrec_cli.training.stages import STAGES

MAX_K = 10_000


@dataclass(frozen=True, kw_only=True)
class RecommendOptions:
    """What to recommend.

    Attributes:
        k: items a user; fewer come back where fewer are left.
        include_seen: items of the history may come back.
        sampling: of a diffusion model.
        device, threads: to compute on.
    """

    k: int = 10
    include_seen: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MAX_K:
            raise UsageError(f"-k must be between 1 and {MAX_K:,}, got {self.k}")


@dataclass(frozen=True, kw_only=True)
class RecommendedItem:
    """One recommended item: rank from 1, raw id, title where known, inner product as score."""

    rank: int
    item_id: str
    title: str | None
    score: float


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What one user or history gets.

    Attributes:
        user_id: raw id; None for a given history.
        history: raw ids, oldest first, as used.
        unknown_items: given items that the dataset does not have; they were left out.
        items: best first.
    """

    user_id: str | None
    history: list[str]
    unknown_items: list[str]
    items: list[RecommendedItem]


@dataclass(frozen=True, kw_only=True)
class Recommendations:
    """All results, and the model they come from.

    Attributes:
        promoted: whether the model is the promoted one; otherwise it is the newest finished one.
    """

    dataset: str
    model: str
    checkpoint: str
    checkpoint_sha256: str
    promoted: bool
    results: list[Recommendation]


@dataclass(frozen=True)
class _Request:
    user_id: str | None
    known: npt.NDArray[np.int32]
    unknown: list[str]


def recommend(
    *,
    users: Sequence[str] = (),
    histories: Sequence[Sequence[str]] = (),
    workspace: Path,
    dataset_name: str | None = None,
    model: str | None = None,
    options: RecommendOptions = RecommendOptions(),
) -> Recommendations:
    """Recommend items to users of the dataset, and to unknown people by their histories.

    Args:
        users: raw user ids.
        histories: raw item ids, oldest first.
        workspace: where datasets are.
        dataset_name: None takes the only one.
        model: a model's name, or path or bare name of a checkpoint; None takes what is current.
        options: how many, and how.

    Raises:
        UsageError: neither users nor histories.
        InputError: an unknown user, or a history without any known item.
        ArtifactError: no model, or one that does not belong to the dataset.
    """
    if not users and not histories:
        raise UsageError("nobody to recommend to", hint='give --user ID or --history "id,id,..."')
    space = Workspace(workspace)
    path, dataset = _locate(space, dataset_name, model)
    requests = [_known_user(dataset, user) for user in users]
    requests += [_given_history(dataset, list(history)) for history in histories]
    checkpoint = open_checkpoint(path, dataset)
    set_threads(options.threads)
    device = resolve_device(options.device)
    restored = restore_model(checkpoint, device)
    return Recommendations(
        dataset=dataset.manifest.dataset,
        model=checkpoint.metadata.model,
        checkpoint=path.name,
        checkpoint_sha256=checkpoint.sha256,
        promoted=path.parent.parent.joinpath(CURRENT_FILE).is_file(),
        results=_rank(dataset, checkpoint, restored, requests, options, device),
    )


def current_checkpoint(folder: Path) -> Path | None:
    """Return the promoted checkpoint of a model's folder, else the one of its last stage, else None.

    Raises:
        ArtifactError: `current.json` names a file that is not there, or is damaged.
    """
    current = read_current(folder)
    if current is not None:
        promoted = folder / current.checkpoint
        if not promoted.is_file():
            raise ArtifactError(
                f"{folder / CURRENT_FILE} names {current.checkpoint}, which does not exist",
                hint=f"promote again with: adrec run {folder.parent.name}",
            )
        return promoted
    stages = STAGES.get(folder.name, {})
    last = folder / f"{list(stages)[-1]}{CHECKPOINT_SUFFIX}" if stages else folder
    return last if last.is_file() else None


def _locate(space: Workspace, dataset_name: str | None, model: str | None) -> tuple[Path, Dataset]:
    """Find the checkpoint to use and open its dataset."""
    if model is not None and model not in STAGES:
        given = space.find_checkpoint(model, dataset_name)
        return given, open_dataset(dataset_folder_of(space, given, dataset_name))
    folder = space.dataset_folder(dataset_name)
    wanted = list(STAGES) if model is None else [model]
    found = {name: path for name in wanted if (path := current_checkpoint(folder / name)) is not None}
    if not found:
        raise ArtifactError(
            f"dataset {folder.name!r} has no trained model{f' {model}' if model else ''}",
            hint=f"train one with: adrec run {folder.name}",
        )
    # ADRec is what this tool is for; another model is taken only when it is the only one, or asked for.
    if "adrec" not in found and len(found) > 1:
        raise UsageError(f"{folder.name} has several models: {', '.join(found)}", hint="say which one with --model")
    return found["adrec" if "adrec" in found else next(iter(found))], open_dataset(folder)


def _known_user(dataset: Dataset, user_id: str) -> _Request:
    return _Request(user_id, dataset.sequences.history(dataset.sequences.find(user_id)), [])


def _given_history(dataset: Dataset, item_ids: list[str]) -> _Request:
    indices = item_indices(dataset.items, item_ids)
    unknown = [item for item, index in zip(item_ids, indices, strict=True) if index is None]
    known = np.array([index for index in indices if index is not None], dtype=np.int32)
    if not len(known):
        example = ", ".join(dataset.items[ITEM_ID].head(3).to_list())
        raise InputError(
            f"none of the {len(item_ids)} items of the history is known: {', '.join(unknown[:5]) or '(empty)'}",
            hint=f"ids are those of the source data, for example: {example}",
        )
    return _Request(None, known, unknown)


def _rank(
    dataset: Dataset,
    checkpoint: Checkpoint,
    model: SequentialRecommender,
    requests: list[_Request],
    options: RecommendOptions,
    device: torch.device,
) -> list[Recommendation]:
    lengths = np.array([len(request.known) for request in requests], dtype=np.int64)
    ends = np.cumsum(lengths)
    batches = represented(
        model, np.concatenate([request.known for request in requests]), ends - lengths, ends,
        output=checkpoint.metadata.output, sampling=options.sampling, device=device,
    )  # fmt: skip
    ids = dataset.items[ITEM_ID].to_list()
    titles = dataset.items[TITLE].to_list() if TITLE in dataset.items.columns else [None] * len(ids)
    results: dict[int, Recommendation] = {}
    for numbers, representation_BD in batches:
        excluded = [_excluded(requests[number], options) for number in numbers]
        ranked = top_k(representation_BD, model.item_vectors_VD().detach(), options.k, excluded)
        for number, best in zip(numbers.tolist(), ranked, strict=True):
            request = requests[number]
            results[number] = Recommendation(
                user_id=request.user_id,
                history=[ids[item - 1] for item in request.known],
                unknown_items=request.unknown,
                items=[
                    RecommendedItem(rank=rank, item_id=ids[item - 1], title=titles[item - 1], score=float(score))
                    for rank, (item, score) in enumerate(zip(best.items, best.scores, strict=True), start=1)
                ],
            )
    return [results[number] for number in range(len(requests))]


def _excluded(request: _Request, options: RecommendOptions) -> npt.NDArray[np.int64]:
    seen = () if options.include_seen else request.known
    return np.unique(np.asarray(seen, dtype=np.int64))
