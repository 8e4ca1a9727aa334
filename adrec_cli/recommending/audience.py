"""The audience of a batch: all users, those of a file, or histories of a file, with today's events behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from adrec_cli.artifacts.manifest import read_manifest
from adrec_cli.data.audience_files import HISTORY, read_histories, read_ids
from adrec_cli.data.ids import spell_as_known
from adrec_cli.data.newest_events import read_newest_events
from adrec_cli.errors import InputError, LockedError, UsageError
from adrec_cli.loading.recommender import Histories, Recommender
from adrec_cli.recommending.batch_options import AudienceOptions
from adrec_cli.schema import ITEM_ID, ITEM_INDEX, PAD, USER_ID
from adrec_cli.wording import option, say_count

_NUMBER = "number"
_STRETCH = 65_536
"""People of a file, where they are not those of a row group."""


@dataclass(frozen=True, kw_only=True)
class Audience:
    """People and their histories, in the model's numbers.

    Attributes:
        user_ids: raw ids.
        histories: one for each of them.
        unknown_users: of the file, served nothing.
        unknown_items: `item_id` and `events`, left out of histories.
        stretches: people of each file that a folder gets, together all of them.
    """

    user_ids: pl.Series
    histories: Histories
    unknown_users: list[str]
    unknown_items: pl.DataFrame
    stretches: tuple[int, ...]

    @classmethod
    def of_known(cls, user_ids: pl.Series, histories: Histories, stretches: tuple[int, ...] | None = None) -> Audience:
        """Return people and histories without anything unknown, in one stretch unless others are named."""
        return cls(
            user_ids=user_ids,
            histories=histories,
            unknown_users=[],
            unknown_items=pl.DataFrame(schema={ITEM_ID: pl.String, "events": pl.UInt32}),
            stretches=(len(user_ids),) if stretches is None else stretches,
        )


def collect_audience(recommender: Recommender, options: AudienceOptions) -> Audience:
    """Read the files that name an audience and put histories and newest events together.

    Raises:
        InputError: a file is bad, or nobody and nothing in it is known.
    """
    events = _no_events()
    if recommender.model.reads_times and (options.events is not None or options.histories is not None):
        raise UsageError(
            f"{recommender.model.name} reads when events were (model.times is 'gaps'), and takes no history of a file",
            hint=f"update the data set with the events, and ask for {option('all')} or {option('users', 'FILE')}",
        )
    if options.events is not None:
        events = _write_known(recommender, read_newest_events(options.events, recommender.manifest))
    if options.is_data_set:
        return _take_everybody(recommender)
    asked, given = _ask_whom(recommender, options, events)
    rows = _find_rows(recommender, asked) if options.histories is None else np.full(len(asked), -1)
    numbers = pl.DataFrame({USER_ID: asked, _NUMBER: np.arange(len(asked))})
    newest = pl.concat([given, events]).join(numbers, on=USER_ID, how="inner", maintain_order="left")
    unknown_users: list[str] = []
    if options.histories is None:
        known = (rows >= 0) | np.isin(np.arange(len(asked)), newest[_NUMBER].to_numpy())
        unknown_users = asked.filter(pl.Series(~known)).to_list()
    histories, unknown_items = _join_histories(recommender, rows, newest)
    unknown = np.isin(asked.to_numpy(), unknown_users) if unknown_users else np.zeros(len(asked), dtype=bool)
    nobody = not (histories.ends > histories.starts)[~unknown].any()
    if nobody and (unknown_users or unknown_items.height):
        example = [*unknown_users, *unknown_items[ITEM_ID].to_list()][0]
        raise InputError(
            f"no user is known: {say_count(len(unknown_users), 'unknown user')}, "
            f"{say_count(unknown_items.height, 'unknown item')}, "
            f"for example {example!r}",
            hint="ids are those of the source data",
        )
    served = replace(histories, starts=histories.starts[~unknown], ends=histories.ends[~unknown])
    return Audience(
        user_ids=asked.filter(pl.Series(~unknown)),
        histories=served,
        unknown_users=unknown_users,
        unknown_items=unknown_items,
        stretches=tuple(min(_STRETCH, len(served) - first) for first in range(0, len(served), _STRETCH)),
    )


def require_nobody_left(recommender: Recommender) -> None:
    """Refuse to write for people who were forgotten since the data were read; behind this, `adrec forget` waits.

    Raises:
        LockedError: somebody was.
    """
    if read_manifest(recommender.dataset_folder).forgotten != recommender.manifest.forgotten:
        raise LockedError(
            f"a user was forgotten in {recommender.dataset} while this run began", hint="run the same command again"
        )


def _take_everybody(recommender: Recommender) -> Audience:
    """Return all users of the data set, with their histories as they lie there."""
    sequences = recommender.sequences
    histories = Histories(
        items=sequences.items,
        starts=sequences.offsets[:-1],
        ends=sequences.offsets[1:],
        seconds=recommender.seconds,
    )
    return Audience.of_known(sequences.user_ids.rename(USER_ID), histories, sequences.row_groups)


def _ask_whom(
    recommender: Recommender, options: AudienceOptions, events: pl.DataFrame
) -> tuple[pl.Series, pl.DataFrame]:
    """Return the audience of the batch, and the events of given histories."""
    known = recommender.sequences.user_ids.rename(USER_ID)
    if options.users is not None:
        return spell_as_known(read_ids(options.users, USER_ID), known).unique(maintain_order=True), _no_events()
    if options.histories is not None:
        table = read_histories(options.histories)
        users = spell_as_known(table[USER_ID], known)
        if users.is_duplicated().any():
            twice = users.filter(users.is_duplicated())[0]
            raise InputError(f"{options.histories}: user {twice!r} appears twice", hint="give each user one history")
        given = table.with_columns(users).explode(HISTORY).rename({HISTORY: ITEM_ID}).drop_nulls()
        return users, _write_known(recommender, given.select(USER_ID, ITEM_ID))
    return pl.concat([known, events[USER_ID]]).unique(maintain_order=True), _no_events()


def _write_known(recommender: Recommender, events: pl.DataFrame) -> pl.DataFrame:
    """Write the ids of events as the data set and the model write them."""
    users = spell_as_known(events[USER_ID], recommender.sequences.user_ids)
    return pl.DataFrame([users, spell_as_known(events[ITEM_ID], recommender.items[ITEM_ID])])


def _no_events() -> pl.DataFrame:
    return pl.DataFrame(schema={USER_ID: pl.String, ITEM_ID: pl.String})


def _find_rows(recommender: Recommender, asked: pl.Series) -> npt.NDArray[np.int64]:
    """Return the row of each user in the data set, -1 where there is none."""
    known = recommender.sequences.user_ids.rename(USER_ID)
    table = pl.DataFrame({USER_ID: known, "row": np.arange(len(known))})
    joined = asked.to_frame(USER_ID).join(table, on=USER_ID, how="left", maintain_order="left")
    return joined["row"].fill_null(-1).to_numpy()


def _join_histories(
    recommender: Recommender, rows: npt.NDArray[np.int64], newest: pl.DataFrame
) -> tuple[Histories, pl.DataFrame]:
    """Put newest events behind the users' own ones; return them with the items the model does not know."""
    sequences = recommender.sequences
    starts = np.where(rows >= 0, sequences.offsets[rows], 0)
    ends = np.where(rows >= 0, sequences.offsets[rows + 1], 0)
    items = recommender.items.select(ITEM_ID, ITEM_INDEX)
    coded = newest.join(items, on=ITEM_ID, how="left", maintain_order="left")
    missing = coded.filter(pl.col(ITEM_INDEX).is_null())
    unknown_items = missing.group_by(ITEM_ID, maintain_order=True).len(name="events")
    coded = coded.filter(pl.col(ITEM_INDEX).is_not_null())
    own = Histories(items=sequences.items, starts=starts, ends=ends, seconds=recommender.seconds)
    return _lengthen(own, coded[_NUMBER].to_numpy(), coded[ITEM_INDEX].to_numpy().astype(np.int32)), unknown_items


def _lengthen(own: Histories, owner: npt.NDArray[np.int64], item: npt.NDArray[np.int32]) -> Histories:
    """Put items behind histories; those that get none stay where they are, and are not copied.

    Args:
        own: the histories.
        owner: number of the history that each item is put behind; of several, in their order.
        item: the items.
    """
    assert not len(item) or item.min() > PAD
    if not len(item):
        return own
    grown, new_of = np.unique(owner, return_inverse=True)
    lengths = (own.ends - own.starts)[grown]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    before = own.items[np.repeat(own.starts[grown], lengths) + within]
    order = np.argsort(np.concatenate([np.repeat(np.arange(len(grown)), lengths), new_of]), kind="stable")
    behind = len(own.items) + np.cumsum(lengths + np.bincount(new_of, minlength=len(grown)), dtype=np.int64)
    starts, ends = own.starts.copy(), own.ends.copy()
    starts[grown], ends[grown] = np.concatenate([[len(own.items)], behind[:-1]]), behind
    return Histories(items=np.concatenate([own.items, np.concatenate([before, item])[order]]), starts=starts, ends=ends)
