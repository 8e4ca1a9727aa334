"""Requests that wait at the same time are answered together: one pass of the model for all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from adrec_cli.errors import AdrecError
from adrec_cli.serving.served_model import Answer, Question

AnswerAll = Callable[[Sequence[Question]], list[Answer | AdrecError]]


class Overloaded(Exception):
    """So many requests wait that one more had better be sent later."""


class Batcher:
    """A queue before a model.

    While the model works on a batch, requests gather for the next one, so that batches grow with the load and a lone
    request never waits for others.

    Attributes:
        waiting: requests in the queue.
    """

    def __init__(self, answer: AnswerAll, *, max_batch: int, max_waiting: int, on_batch: Callable[[int], None]) -> None:
        self._answer, self._max_batch, self._on_batch = answer, max_batch, on_batch
        self._queue: asyncio.Queue[tuple[Question, asyncio.Future[Answer | AdrecError]]] = asyncio.Queue(max_waiting)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="adrec-model")
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._queue.qsize()

    async def ask(self, question: Question) -> Answer | AdrecError:
        """Wait for the answer to a question.

        Raises:
            Overloaded: the queue is full.
        """
        future: asyncio.Future[Answer | AdrecError] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((question, future))
        except asyncio.QueueFull as error:
            raise Overloaded from error
        return await future

    def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End; the server has answered all requests before."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            while len(batch) < self._max_batch and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            # Nobody waits for the answer of a client that has gone.
            batch = [(question, future) for question, future in batch if not future.done()]
            if not batch:
                continue
            self._on_batch(len(batch))
            try:
                answers = await loop.run_in_executor(self._thread, self._answer, [question for question, _ in batch])
            except Exception as error:  # one bad batch must not end the server
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
