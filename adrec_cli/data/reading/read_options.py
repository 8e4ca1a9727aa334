"""How tables are read: what was asked for, and what an earlier reading remembers."""

from __future__ import annotations

from dataclasses import dataclass

from adrec_cli.data.names import UTC_ZONE, BadRowPolicy, TimeUnit
from adrec_cli.data.reading.column_names import Column, TimeColumn
from adrec_cli.data.reading.conditions import Condition
from adrec_cli.data.reading.joining import JoinTable
from adrec_cli.data.reading.remembered import Remembered
from adrec_cli.data.reading.roles import Role, RoleRequest
from adrec_cli.data.reading.time_options import TimeOptions


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How tables are read.

    Attributes:
        user, item, timestamp, rating: columns by name or by position from 1; None looks for customary names.
        unit: of the times; None finds it.
        time_format: of the times, as `--timestamp-format` takes it; None finds it.
        zone: IANA name, of times that say none; None is UTC.
        min_rating: interactions below it are left out; None reads no ratings.
        on_bad_row: "error" stops at the first, "skip" leaves them out and counts them.
        keep_blanks: blanks around an id belong to it.
        join: the file whose columns come behind those of the events; None if none do.
        where: conditions that an event must meet; no others are read.
        remembered: how the data set that is added to was read: its columns stand above those asked for (which are
            those of the first reading), and for other options what was found then stands where nothing is asked for.
        command: what was typed, without columns, for hints.
    """

    user: Column | None = None
    item: Column | None = None
    timestamp: TimeColumn | None = None
    rating: Column | None = None
    unit: TimeUnit | None = None
    time_format: str | None = None
    zone: str | None = None
    min_rating: float | None = None
    on_bad_row: BadRowPolicy = "error"
    keep_blanks: bool = False
    join: JoinTable | None = None
    where: tuple[Condition, ...] = ()
    remembered: Remembered | None = None
    command: str = ""

    def column(self, role: Role) -> Column | None:
        """Return the column of a role other than the time: as remembered, else as asked for; None looks for one."""
        asked: dict[Role, Column | None] = {"user": self.user, "item": self.item, "rating": self.rating}
        if self.remembered is None:
            return asked[role]
        if role == "rating" and self.min_rating is None:
            # Nothing reads it, so a night may lack it.
            return None
        column = self.remembered.columns.get(role)
        return column if isinstance(column, (str, int)) else asked[role]

    def time_column(self) -> TimeColumn | None:
        """Return the column, or columns, of the time: as remembered, else as asked for; None looks for one."""
        remembered = None if self.remembered is None else self.remembered.columns.get("timestamp")
        return self.timestamp if remembered is None else remembered

    def role_request(self) -> RoleRequest:
        """Return what is asked for and remembered about the roles of the columns."""
        return RoleRequest(
            user=self.column("user"),
            item=self.column("item"),
            timestamp=self.time_column(),
            rating=self.column("rating"),
            exact=() if self.remembered is None else tuple(self.remembered.columns),
            rating_needed=self.min_rating is not None,
            rows_in_order=self.unit == "order",
            command=self.command,
        )

    def times(self) -> TimeOptions:
        """Return how times are read: as asked for, else as remembered."""
        if self.remembered is None:
            return TimeOptions(unit=self.unit, form=self.time_format, zone=self.zone or UTC_ZONE)
        asked = self.unit is not None or self.time_format is not None
        unit = self.unit if asked else self.remembered.get("timestamp_unit")
        form = self.time_format if asked else self.remembered.get("timestamp_format")
        zone = self.zone or self.remembered.get("timezone") or UTC_ZONE
        return TimeOptions(unit=unit, form=form, zone=zone, unit_is_said=self.unit is not None)
