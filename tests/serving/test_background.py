"""Work beside a server: it runs until that is left, and ends with it, however it is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from adrec_cli.serving.background import run_beside


def leave() -> None:
    """Leave in good order."""


def fail() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("how", [leave, fail])
def test_work_runs_until_it_is_left_and_is_ended(how: Callable[[], None]) -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            steps.append("begun")
            await asyncio.sleep(60)
        finally:
            steps.append("ended")

    async def serve() -> None:
        async with run_beside(work()):
            await asyncio.sleep(0)
            assert steps == ["begun"]
            how()

    if how is fail:
        with pytest.raises(ZeroDivisionError):
            asyncio.run(serve())
    else:
        asyncio.run(serve())
    assert steps == ["begun", "ended"]
