"""Requests that wait at the same time are answered together: one pass of the model for all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from adrec_cli.errors import AdrecError
from adrec_cli.serving.background import ENDING
from adrec_cli.serving.served_model import Answer, Question

_LAST_SECONDS = 30.0
"""In which the questions that wait at the end are answered."""
AnswerAll = Callable[[Sequence[Question]], list[Answer | AdrecError]]


class Overloaded(Exception):
    """The queue is full; one more question should be sent later."""


class AnswerFailed(Exception):
    """The model could not answer a batch; says why."""


class Batcher:
    """A queue before a model.

    While the model works on a batch, requests gather for the next one, so that batches grow with the load and a lone
    request never waits for others.

    Attributes:
        waiting: questions that wait for their answers.
    """

    def __init__(self, answer: AnswerAll, *, max_batch: int, max_waiting: int, on_batch: Callable[[int], None]) -> None:
        self._answer, self._max_batch, self._max_waiting, self._on_batch = answer, max_batch, max_waiting, on_batch
        self._queue: asyncio.Queue[tuple[Question, asyncio.Future[Answer | AdrecError]]] = asyncio.Queue()
        self.waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="adrec-model")
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    async def ask(self, questions: Sequence[Question]) -> list[Answer | AdrecError]:
        """Wait for the answers to the questions of one request; whoever waits no longer cancels it.

        Raises:
            Overloaded: the queue has no room for all of them, or has ended.
        """
        if self._ended or self.waiting + len(questions) > self._max_waiting:
            raise Overloaded
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Answer | AdrecError]] = [loop.create_future() for _ in questions]
        self.waiting += len(futures)
        for question, future in zip(questions, futures, strict=True):
            future.add_done_callback(self._forget)
            self._queue.put_nowait((question, future))
        return await asyncio.gather(*futures)

    def _forget(self, future: asyncio.Future[Answer | AdrecError]) -> None:
        self.waiting -= 1

    def start(self) -> None:
        """Begin to work."""
        # The thread starts now: later the system may have none to give.
        self._thread.submit(int)
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End: no further question is taken, and those that wait are answered, if it does not take for ever."""
        self._ended = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                while self.waiting:
                    await asyncio.sleep(0.02)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        # A pass that takes long keeps nobody else waiting.
        await asyncio.to_thread(self._thread.shutdown)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            while len(batch) < self._max_batch and not self._queue.empty():
                # Nobody waits for the answer of a client that has gone.
                if not (entry := self._queue.get_nowait())[1].done():
                    batch.append(entry)
            batch = [(question, future) for question, future in batch if not future.done()]
            if not batch:
                continue
            self._on_batch(len(batch))
            try:
                answers = await loop.run_in_executor(self._thread, self._answer, [question for question, _ in batch])
            except ENDING:
                raise
            except (
                BaseException
            ) as error:  # one bad batch must not end the server; a panic of Polars is not an Exception
                for _, future in batch:
                    if not future.done():
                        future.set_exception(AnswerFailed(f"{type(error).__name__}: {error}"))
                continue
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
