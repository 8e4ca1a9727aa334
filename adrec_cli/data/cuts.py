"""The cut: what filters leave of the interactions, and how they are split."""

from __future__ import annotations

from dataclasses import dataclass, field

from adrec_cli.data.cold_items import hold_out_items
from adrec_cli.data.filter_applied import FilterApplied
from adrec_cli.data.filters import drop_duplicates, k_core, keep_newest, sort_in_time
from adrec_cli.data.interactions import Interactions
from adrec_cli.data.moments import check_order, resolve_moment
from adrec_cli.data.names import Split
from adrec_cli.data.pending import Pending, hold_back
from adrec_cli.data.reading.times import moment_text
from adrec_cli.data.settings import Settings
from adrec_cli.data.splits import UNCHANGING, Bounds, leave_one_out, split_as_given, split_by_time
from adrec_cli.errors import InputError, UsageError
from adrec_cli.wording import option, say_count


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A cut of a data set.

    Attributes:
        interactions: sorted by user and time, without ids that do not occur.
        bounds: of each user.
        split: how it was held out.
        removed: what each filter left out, in order.
        pending: what of that may still come in with a later update; None where no filter holds anything back.
        moments: of a split in time, where validation (`valid_from`) and test (`test_from`) begin, in microseconds.
    """

    interactions: Interactions
    bounds: Bounds
    split: Split
    removed: list[FilterApplied]
    pending: Pending | None = None
    moments: dict[str, int] = field(default_factory=dict)

    def describe(self) -> dict[str, str]:
        """Return how it was split, for the manifest: what was chosen, and the moments in UTC."""
        return {"split": self.split, **{name: moment_text(moment) for name, moment in self.moments.items()}}


def make_cut(interactions: Interactions, settings: Settings, removed: list[FilterApplied]) -> Cut:
    """Sort in time, drop duplicates, take the k-core, keep the newest, and split.

    Args:
        interactions: in the order of the source.
        settings: of the filters and the split.
        removed: what reading has left out already.

    Raises:
        InputError: nothing is left.
        UsageError: the source is not split though `split` is "given".
    """
    read = len(interactions) + sum(applied.interactions for applied in removed)
    split = choose_split(settings, given=interactions.part is not None)
    if split != "given":
        interactions = interactions.drop_parts()
    interactions, removed = sort_in_time(interactions, settings.ties), list(removed)
    if settings.duplicates == "drop":
        interactions, applied = drop_duplicates(interactions)
        removed.append(applied)
    interactions, pending, filtered = _filter(interactions, settings, updatable=split not in UNCHANGING)
    removed += filtered
    if not len(interactions):
        raise nothing_left(read, removed, settings)
    interactions = interactions.compact()
    moments = resolve_moments(int(interactions.time.max()), settings) if split == "time" else {}
    if split == "cold-items":
        interactions, bounds, applied = hold_out_items(interactions)
        removed.append(applied)
    else:
        bounds = split_users(interactions, split, moments)
    return Cut(interactions=interactions, bounds=bounds, split=split, removed=removed, pending=pending, moments=moments)


def choose_split(settings: Settings, *, given: bool) -> Split:
    """Return the split that is asked for, else that of the source where it is split already, else leave-one-out.

    Raises:
        UsageError: the source is not split though `split` is "given".
    """
    split = settings.split or ("given" if given else "leave-one-out")
    if split == "given" and not given:
        raise UsageError(
            f"{option('split', 'given')} needs a source that is split: train, valid and test", hint="leave it out"
        )
    return split


def _filter(
    full: Interactions, settings: Settings, *, updatable: bool
) -> tuple[Interactions, Pending | None, list[FilterApplied]]:
    """Take the k-core, keep the newest, and return also what of the rest has to wait for later updates."""
    removed: list[FilterApplied] = []
    core = full
    min_user, min_item = settings.min_user_interactions, settings.min_item_interactions
    counting = max(min_user, min_item) > 1
    if counting:
        core, applied = k_core(full, min_user=min_user, min_item=min_item)
        removed.append(applied)
    newest = core
    if settings.max_length:
        newest, applied = keep_newest(core, settings.max_length)
        removed.append(applied)
    pending = None
    if updatable and (counting or settings.max_length):
        pending = hold_back(full, core, newest, counting=counting, ties=settings.ties)
    return newest, pending, removed


def split_users(interactions: Interactions, split: Split, moments: dict[str, int]) -> Bounds:
    """Return the bounds of each user, in a split that needs to know no others.

    Args:
        interactions: sorted in time.
        split: other than "cold-items".
        moments: of a split in time.
    """
    if split == "given":
        return split_as_given(interactions)
    if split == "leave-one-out":
        return leave_one_out(interactions)
    return split_by_time(interactions, valid_from=moments["valid_from"], test_from=moments["test_from"])


def resolve_moments(newest: int, settings: Settings) -> dict[str, int]:
    """Return where validation and test begin, in microseconds; relative moments lie before the newest event kept."""
    # Settings of a split by time have both.
    assert settings.valid_from is not None
    assert settings.test_from is not None
    check_order(settings.valid_from, settings.test_from, newest)
    moments = {"valid_from": settings.valid_from, "test_from": settings.test_from}
    return {name: resolve_moment(moment, newest) for name, moment in moments.items()}


def nothing_left(read: int, removed: list[FilterApplied], settings: Settings) -> InputError:
    """Return the error that says where all of the interactions that were read have gone."""
    if not read:
        return InputError(
            "the source holds no interaction: all its lists are empty", hint=f"look at it with {option('dry_run')}"
        )
    parts = ", ".join(f"{applied.name} removed {applied.interactions:,}" for applied in removed)
    keys = ("min_rating", "min_user_interactions", "min_item_interactions")
    filters = ", ".join(option(key, value) for key in keys if (value := getattr(settings, key)))
    most = max(removed, key=lambda applied: applied.interactions)
    hint = f"lower the filters: {filters}" if filters else f"look at the source with {option('dry_run')}"
    if most.name == "bad_rows":
        hint = f"say {option('on_bad_row', 'error')} to see what is wrong with the first row and where it stands"
    return InputError(f"nothing is left of {say_count(read, 'interaction')}: {parts}", hint=hint)
