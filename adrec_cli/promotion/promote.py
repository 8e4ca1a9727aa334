"""The last step of `adrec run`: a new model becomes current unless a rule says it is worse than the one that is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adrec_cli.artifacts.atomic import file_sha256, write_bytes
from adrec_cli.artifacts.lock import one_at_a_time
from adrec_cli.artifacts.promotion import Candidate, Current, items_beside, promote, read_current
from adrec_cli.errors import ArtifactError, NotPromotedError
from adrec_cli.loading.current import open_with_items
from adrec_cli.loading.opening import Checkpoint, Dataset
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.promotion.comparison import Comparison
from adrec_cli.promotion.options import PromotionOptions as PromotionOptions
from adrec_cli.promotion.rule import CURRENT, PromotionRule
from adrec_cli.runtime import resolve_device
from adrec_cli.schema import CURRENT_FILE, ITEMS_FILE, PROMOTION_REPORT_SUFFIX, REPORTS_FOLDER
from adrec_cli.wording import command, option

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What came of it.

    Attributes:
        done: False where the checkpoint was current already.
        checkpoint: that is current now, relative to the model's folder.
        comparisons: one for each rule, but for those whose model there was not.
    """

    done: bool
    checkpoint: str
    comparisons: tuple[Comparison, ...] = ()

    @property
    def comparison(self) -> Comparison | None:
        """The first one with the current model."""
        return next((one for one in self.comparisons if one.against == CURRENT), None)


def promote_if_good(
    dataset: Dataset,
    checkpoint: Checkpoint,
    *,
    training: TrainingConfig,
    options: PromotionOptions,
    device: str,
    again: bool = False,
) -> Promotion:
    """Make a checkpoint current unless the rule forbids it; the caller holds the model's lock.

    Args:
        dataset: of the checkpoint.
        checkpoint: the new model.
        training: how it was monitored.
        options: the rule and how much is kept.
        device: to compare on.
        again: promote it even if it was gone back from.

    Raises:
        NotPromotedError: the current model stays.
    """
    folder = _model_folder(dataset, checkpoint)
    current = read_current(folder)
    if current is not None and current.sha256 == checkpoint.sha256 and _is_whole(folder, current, dataset):
        return Promotion(done=False, checkpoint=current.checkpoint)
    if current is not None and checkpoint.sha256 in current.withdrawn and not again:
        raise _withdrawn(folder)
    monitor = checkpoint.metadata.metrics["monitor"]
    rules = options.rules or (PromotionRule(metric=monitor, offset=-options.tolerance),)
    judged = _judge(dataset, checkpoint, current, rules, training, device)
    if judged:
        broken = [(rule, one) for rule, one in judged if not rule.allows(one.candidate, one.current)]
        _store_decision(dataset, checkpoint, judged, promoted=not broken)
        if broken:
            raise _not_good_enough(folder, *broken[0], is_first=current is None)
    promoted = promote(folder, make_candidate(dataset, checkpoint), keep=options.keep)
    return Promotion(done=True, checkpoint=promoted.checkpoint, comparisons=tuple(one for _, one in judged))


def decision_path(dataset: Dataset, model: str) -> Path:
    """Return where the last decision about a model is kept."""
    return dataset.folder / REPORTS_FOLDER / f"{model}{PROMOTION_REPORT_SUFFIX}"


def make_candidate(dataset: Dataset, checkpoint: Checkpoint) -> Candidate:
    """Return a checkpoint of a data set as a candidate for promotion, with its own metric as what speaks for it."""
    metrics = checkpoint.metadata.metrics
    return Candidate(
        checkpoint=checkpoint.path,
        sha256=checkpoint.sha256,
        items=dataset.folder / ITEMS_FILE,
        items_sha256=dataset.manifest.items_sha256,
        protocol=metrics["protocol"],
        metric=metrics["monitor"],
        value=metrics["values"].get(metrics["monitor"]),
    )


def _is_whole(folder: Path, current: Current, dataset: Dataset) -> bool:
    """Whether a promoted copy of a model of this data set, and the items beside it, are what they were."""
    copy = folder / current.checkpoint
    wanted = {copy: current.sha256, items_beside(copy): dataset.manifest.items_sha256}
    return all(path.is_file() and file_sha256(path) == sha256 for path, sha256 in wanted.items())


def _withdrawn(folder: Path) -> NotPromotedError:
    return NotPromotedError(
        f"this same model was promoted and then withdrawn by {command('rollback')}; {folder / CURRENT_FILE} stays",
        hint=f"it is trained again when data or options change, or with {option('force', True)}",
    )


def _not_good_enough(folder: Path, rule: PromotionRule, comparison: Comparison, *, is_first: bool) -> NotPromotedError:
    other = "the current one's" if comparison.against == CURRENT else "MostPopular's"
    stays = "nothing is promoted" if is_first else f"{folder / CURRENT_FILE} stays"
    return NotPromotedError(
        f"the new model's {comparison.metric} is {comparison.candidate:.4f}, {other} "
        f"{comparison.current:.4f} on the same {comparison.protocol} targets, difference "
        f"{comparison.difference:+.4f} [{comparison.low:+.4f}, {comparison.high:+.4f}]; "
        f"the rule is {rule}; {stays}",
        hint=f"look at the data and the log; {option('promote_if')} allows for noise",
    )


def _judge(
    dataset: Dataset,
    checkpoint: Checkpoint,
    current: Current | None,
    rules: tuple[PromotionRule, ...],
    training: TrainingConfig,
    device: str,
) -> list[tuple[PromotionRule, Comparison]]:
    """Return each rule with its comparison; without those for which there is nothing to compare with."""
    from adrec_cli.promotion.against_current import hold_against

    found = []
    for rule in rules:
        other = None
        if rule.against == CURRENT:
            other = None if current is None else _open_current(dataset, checkpoint, current)
            if other is None:
                continue
        comparison = hold_against(
            dataset, checkpoint, other, metric=rule.metric, training=training, device=resolve_device(device)
        )
        if comparison is not None:
            found.append((rule, comparison))
    return found


def _model_folder(dataset: Dataset, checkpoint: Checkpoint) -> Path:
    return dataset.folder / checkpoint.metadata.model


def _open_current(dataset: Dataset, checkpoint: Checkpoint, current: Current) -> tuple[Checkpoint, pl.DataFrame] | None:
    """Open the current model; None where it is gone or cannot be used, so that nothing can be compared.

    A copy that was exchanged for another whole model cannot either: nobody is recommended to by it.
    """
    try:
        path = _model_folder(dataset, checkpoint) / current.checkpoint
        return open_with_items(path, dataset, sha256=current.sha256)
    except ArtifactError:
        return None


def _store_decision(
    dataset: Dataset, checkpoint: Checkpoint, judged: list[tuple[PromotionRule, Comparison]], *, promoted: bool
) -> None:
    """Keep the last decision beside the other reports."""
    rules = [{"rule": str(rule), **asdict(comparison)} for rule, comparison in judged]
    content = {"promoted": promoted, "checkpoint_sha256": checkpoint.sha256, **rules[0], "rules": rules}
    path = decision_path(dataset, checkpoint.metadata.model)
    with one_at_a_time(path.parent):
        write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())
