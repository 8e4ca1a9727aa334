"""The last step of `adrec run`: a new model becomes current unless a rule says it is worse than the one that is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adrec_cli.artifacts.atomic import file_sha256, write_bytes
from adrec_cli.artifacts.changing import find_withdrawn
from adrec_cli.artifacts.lock import one_at_a_time
from adrec_cli.artifacts.nights import require_current_known
from adrec_cli.artifacts.promotion import Candidate, Current, items_beside, promote, read_current
from adrec_cli.content.other_cut import may_know_held_out
from adrec_cli.errors import ArtifactError, NotPromotedError
from adrec_cli.loading.current import open_with_items
from adrec_cli.loading.opening import Checkpoint, Dataset
from adrec_cli.models.stages import TrainingConfig
from adrec_cli.promotion.comparison import Comparison
from adrec_cli.promotion.options import PromotionOptions as PromotionOptions
from adrec_cli.promotion.rule import CURRENT, MOST_POPULAR, PromotionRule
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
    warn: Callable[[str], object],
    again: bool = False,
) -> Promotion:
    """Make a checkpoint current unless the rule forbids it; the caller holds the model's lock.

    The newest model before it stands in for a current one that cannot be compared with. Where nothing is held out to
    judge by, a rule that somebody gave is not met.

    Args:
        dataset: of the checkpoint.
        checkpoint: the new model.
        training: how it was monitored.
        options: the rule and how much is kept.
        device: to compare on.
        warn: called with a sentence where a model is not held against the current one.
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
    before = _find_before(dataset, checkpoint, current, warn)
    judged = _judge(dataset, checkpoint, before, rules, training, device)
    if judged:
        broken = [(rule, one) for rule, one in judged if not rule.allows(one.candidate, one.current)]
        _store_decision(dataset, checkpoint, judged, promoted=not broken)
        if broken:
            raise _not_good_enough(folder, *broken[0], current=current, before=before)
    elif judged is None and options.rules:
        raise _nothing_held_out(folder, options.rules, is_first=current is None)
    elif judged is None and before is not None:
        warn("nothing is held out for validation, so the new model is not held against the current one")
    promoted = promote(folder, make_candidate(dataset, checkpoint), keep=options.keep)
    return Promotion(done=True, checkpoint=promoted.checkpoint, comparisons=tuple(one for _, one in judged or ()))


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


def _not_good_enough(
    folder: Path, rule: PromotionRule, comparison: Comparison, *, current: Current | None, before: _Before | None
) -> NotPromotedError:
    other, hint = "MostPopular's", f"look at the data and the log; {option('promote_if')} allows for noise"
    if before is not None and comparison.against == CURRENT:
        other = "the current one's" if before.is_current else f"that of {before.checkpoint.path.name}"
    if before is not None and not before.is_current:
        again = command("rollback", folder.parent.name, model=folder.name)
        hint = f"go back to {before.checkpoint.path.name}: {again}"
    elif before is not None and comparison.against == CURRENT and before.knows_held_out:
        unlike = option("promote_if", f"{comparison.metric} > {MOST_POPULAR}")
        hint = (
            "the current one was trained on another cut of the data and may have learned from these targets; "
            f"to let it go all the same: {unlike}"
        )
    return NotPromotedError(
        f"the new model's {comparison.metric} is {comparison.candidate:.4f}, {other} "
        f"{comparison.current:.4f} on the same {comparison.protocol} targets, difference "
        f"{comparison.difference:+.4f} [{comparison.low:+.4f}, {comparison.high:+.4f}]; "
        f"the rule is {rule}; {_say_what_stays(folder, is_first=current is None)}",
        hint=hint,
    )


def _nothing_held_out(folder: Path, rules: tuple[PromotionRule, ...], *, is_first: bool) -> NotPromotedError:
    return NotPromotedError(
        f"nothing is held out for validation, so nobody knows whether {' and '.join(map(str, rules))}; "
        f"{_say_what_stays(folder, is_first=is_first)}",
        hint=f"look at the data and how they are split; without {option('promote_if')} it is promoted unjudged",
    )


def _say_what_stays(folder: Path, *, is_first: bool) -> str:
    return "nothing is promoted" if is_first else f"{folder / CURRENT_FILE} stays"


@dataclass(frozen=True, kw_only=True)
class _Before:
    """What a new model is held against.

    Attributes:
        checkpoint, items: the model, and the items it knows in its own numbers.
        is_current: False where it stands in for the current one.
        knows_held_out: it may have learned from what is held out now.
    """

    checkpoint: Checkpoint
    items: pl.DataFrame
    is_current: bool
    knows_held_out: bool


def _judge(
    dataset: Dataset,
    checkpoint: Checkpoint,
    before: _Before | None,
    rules: tuple[PromotionRule, ...],
    training: TrainingConfig,
    device: str,
) -> list[tuple[PromotionRule, Comparison]] | None:
    """Return each rule with its comparison, without those that need a model before; None where nothing is held out."""
    from adrec_cli.promotion.against_current import hold_against

    found = []
    for rule in rules:
        if rule.against == CURRENT and before is None:
            continue
        other = (before.checkpoint, before.items) if before is not None and rule.against == CURRENT else None
        comparison = hold_against(
            dataset, checkpoint, other, metric=rule.metric, training=training, device=resolve_device(device)
        )
        if comparison is None:
            return None
        found.append((rule, comparison))
    return found


def _model_folder(dataset: Dataset, checkpoint: Checkpoint) -> Path:
    return dataset.folder / checkpoint.metadata.model


def _find_before(
    dataset: Dataset, checkpoint: Checkpoint, current: Current | None, warn: Callable[[str], object]
) -> _Before | None:
    """Open the current model, or the newest before it that can be compared with; None, and a warning, for none.

    What was exchanged for another whole model cannot, as nobody is recommended to by it, nor what has learned from
    data that were withdrawn, perhaps from what is held out now.
    """
    folder, reason = _model_folder(dataset, checkpoint), ""
    if current is None:
        try:
            require_current_known(folder)
        except ArtifactError as error:
            warn(f"the new model is held against none: {error.message}")
        return None
    withdrawn = find_withdrawn(dataset.folder)
    for one in (current, *current.earlier):
        path = folder / one.checkpoint
        try:
            opened, items = open_with_items(path, dataset, sha256=one.sha256)
        except ArtifactError as error:
            reason = reason or error.message
            continue
        if opened.metadata.all_sequences & withdrawn:
            reason = reason or f"{path.name} has learned from data that were withdrawn"
            continue
        if one is not current:
            warn(f"the new model is held against {path.name} rather than the current one: {reason}")
        knows = may_know_held_out(opened.metadata, dataset.manifest)
        return _Before(checkpoint=opened, items=items, is_current=one is current, knows_held_out=knows)
    warn(f"the new model is held against none: {reason}")
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
