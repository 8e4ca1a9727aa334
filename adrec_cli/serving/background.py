"""Work that goes on while requests are answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

ENDING: Final = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)
"""What ends a server or one of its tasks, and is no fault that it could outlive."""


@contextlib.asynccontextmanager
async def run_beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something until this is left, which ends it wherever it is."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
