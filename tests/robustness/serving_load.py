"""A crowd that asks a server: most behave well, some are slow or broken; meanwhile models are promoted."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Expected = dict[str, dict[str, list[str]]]
"""Item ids by the name of a model and by user."""


@dataclass
class Load:
    """What is asked, and what came of it.

    Attributes:
        port: of the server, on this machine.
        requests: of those who behave, together, at least.
        connections: of those who behave.
        broken: connections of those who do not.
        expected: right answers.
        meanwhile: called in a thread; requests are sent until it returns.
        at_end: called when the last request has been sent, while many are under way.
        found: how many requests ended how: "right", "wrong" or "dropped", and why.
        models: that have answered.
    """

    port: int
    requests: int
    connections: int
    broken: int
    expected: Expected
    meanwhile: Callable[[], None]
    at_end: Callable[[], None]
    found: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Ask until all requests are answered or dropped."""
        self._meanwhile = asyncio.create_task(asyncio.to_thread(self.meanwhile))
        self._numbers = itertools.count()
        self._ended = False
        kinds = itertools.islice(itertools.cycle(BROKEN), self.broken)
        crowd = [asyncio.create_task(self._misbehave(kind, seed)) for seed, kind in enumerate(kinds)]
        await asyncio.gather(*(self._behave() for _ in range(self.connections)))
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        await self._meanwhile

    async def _behave(self) -> None:
        """Send one request after the other over one connection; another one where the server closes it in order."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        users = sorted(next(iter(self.expected.values())))
        for number in self._numbers:
            user = users[number % len(users)]
            writer.write(_request(json.dumps({"user": user, "k": 5}).encode()))
            if number >= self.requests and self._meanwhile.done() and not self._ended:
                self._ended = True
                self.at_end()
            try:
                async with asyncio.timeout(60):
                    status, content, closes = await _answer(reader)
            except (OSError, EOFError, TimeoutError) as error:
                self.found[f"dropped: {error!r}"[:80]] += 1
                return
            self._judge(user, status, content)
            if closes or self._ended:
                break
        writer.close()

    def _judge(self, user: str, status: int, content: bytes) -> None:
        answer = json.loads(content)
        if status != 200:
            self.found[f"wrong: {status} {answer}"] += 1
            return
        right = self.expected[answer["model"]][user]
        same = [item["item_id"] for item in answer["items"]] == right
        self.found["right" if same else "wrong: other items"] += 1
        self.models[answer["model"]] += 1

    async def _misbehave(self, kind: Callable[[_Streams, random.Random], Awaitable[None]], seed: int) -> None:
        rng = random.Random(seed)
        while True:
            with contextlib.suppress(OSError, EOFError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    # Not wait_for, which before Python 3.12 loses a cancellation that comes with the answer.
                    async with asyncio.timeout(15):
                        await kind((reader, writer), rng)
                except TimeoutError:
                    pass
                finally:
                    writer.transport.abort()
            await asyncio.sleep(0.05)


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def _request(body: bytes) -> bytes:
    return b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Read one answer: its status, its body, and whether the server says that it closes."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    return int(head.split()[1]), await reader.readexactly(length), b"connection: close" in head


async def _drip(streams: _Streams, rng: random.Random) -> None:
    for char in _request(b'{"user": "u1"}'):
        streams[1].write(bytes([char]))
        await asyncio.sleep(0.1)


async def _stop_in_the_body(streams: _Streams, rng: random.Random) -> None:
    streams[1].write(_request(b'{"user": "u1"}')[: -rng.randint(1, 14)])
    await streams[0].read()


async def _leave_in_the_body(streams: _Streams, rng: random.Random) -> None:
    streams[1].write(_request(b'{"user": "u1"}')[: -rng.randint(1, 14)])
    await asyncio.sleep(0.01)


async def _leave_before_the_answer(streams: _Streams, rng: random.Random) -> None:
    streams[1].write(_request(b'{"user": "u1"}'))
    await asyncio.sleep(rng.random() / 100)


async def _send_nonsense(streams: _Streams, rng: random.Random) -> None:
    streams[1].write(rng.randbytes(rng.randint(1, 3000)) + b"\r\n\r\n")
    await streams[0].read()


async def _send_too_much(streams: _Streams, rng: random.Random) -> None:
    streams[1].write(b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(30):
        streams[1].write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        await streams[1].drain()
    await streams[0].read()


async def _ask_wrongly(streams: _Streams, rng: random.Random) -> None:
    for body in (b"", b"[]", b'{"user": "nobody"}', b'{"history": ["x"]}', b'{"user": "u1", "k": 0}'):
        streams[1].write(_request(body))
        await _answer(streams[0])


async def _never_read(streams: _Streams, rng: random.Random) -> None:
    streams[1].write(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000)
    await asyncio.sleep(15)


BROKEN = (
    _drip, _stop_in_the_body, _leave_in_the_body, _leave_before_the_answer, _send_nonsense, _send_too_much,
    _ask_wrongly, _never_read,
)  # fmt: skip
