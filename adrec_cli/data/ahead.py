"""The next values of an iterator, made on a thread while the newest are worked with."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Value = TypeVar("Value")


class _Made:
    """What the thread hands over: a value, the end, or what went wrong."""

    def __init__(self, value: object = None, *, over: bool = False, error: BaseException | None = None) -> None:
        self.value, self.over, self.error = value, over, error


def make_ahead(values: Iterator[Value], *, count: int = 2) -> Iterator[Value]:
    """Yield what an iterator yields, at most `count` of which are made before they are asked for.

    An error is raised where its value would have come. The thread ends with the iteration, also with one that is left.
    """
    made: queue.Queue[_Made] = queue.Queue(maxsize=count)
    left = threading.Event()

    def put(one: _Made) -> bool:
        while not left.is_set():
            try:
                made.put(one, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for value in values:
                if not put(_Made(value)):
                    return
            put(_Made(over=True))
        except BaseException as error:  # raised again where the values are asked for
            put(_Made(error=error))

    thread = threading.Thread(target=work, name="made ahead", daemon=True)
    thread.start()
    try:
        while not (one := made.get()).over:
            if one.error is not None:
                raise one.error
            yield one.value  # type: ignore[misc]
    finally:
        left.set()
        thread.join()
