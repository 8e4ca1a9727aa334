"""Names of months and days: only whole names, and both of them, make a date."""

from __future__ import annotations

import calendar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrec_cli.data.reading.time_shapes import find_shape

MONTHS = [*calendar.month_name[1:], *calendar.month_abbr[1:]]
DAYS = [*calendar.day_name, *calendar.day_abbr]
NO_NAMES = ["Mo", "Foo", "Decem", "Thurs", "Xyz", "Febtober"]
FORMS = ["{day}, 02 {month} 2021 01:00:00 GMT", "{day} {month} 02 01:00:00 2021", "{day}, {month} 2, 2021"]


@given(st.sampled_from(MONTHS + NO_NAMES), st.sampled_from(DAYS + NO_NAMES), st.sampled_from(FORMS))
def test_a_date_has_a_month_and_a_day_of_the_week(month: str, day: str, form: str) -> None:
    shape = find_shape(form.format(month=month, day=day))
    assert (shape is not None and shape.family == "month-name") == (month in MONTHS and day in DAYS)


@pytest.mark.parametrize("form", ["2 {} 2021", "{} 2, 2021", "02-{}-2021 01:00"])
@pytest.mark.parametrize("name", [*MONTHS, *NO_NAMES, *DAYS])
def test_a_date_without_a_day_of_the_week_has_a_month(form: str, name: str) -> None:
    assert (find_shape(form.format(name)) is not None) == (name in MONTHS)
