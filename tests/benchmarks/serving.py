"""Asks a running `adrec serve` over many connections at once and prints latencies and throughput.

    adrec serve --dataset grocery --threads 1 &
    python tests/benchmarks/serving.py --workspace workspace --dataset grocery --connections 16 --seconds 20

Each connection sends a request, waits for the answer, and sends the next (a closed loop); users are drawn at random.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from pathlib import Path

import polars as pl


async def ask(host: str, port: int, users: list[str], k: int, until: float, seconds: list[float]) -> None:
    """Send requests over one connection until the time is over and append how long each took."""
    reader, writer = await asyncio.open_connection(host, port)
    while time.perf_counter() < until:
        body = json.dumps({"user": random.choice(users), "k": k}).encode()
        head = f"POST /recommend HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        started = time.perf_counter()
        writer.write(head + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        length = next(
            int(line.partition(b":")[2]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - started)
    writer.close()


async def load(arguments: argparse.Namespace, users: list[str]) -> None:
    """Warm up, measure, print."""
    for measured, duration in ((False, 1.0), (True, arguments.seconds)):
        seconds: list[float] = []
        started = time.perf_counter()
        until = started + duration
        await asyncio.gather(
            *(
                ask(arguments.host, arguments.port, users, arguments.k, until, seconds)
                for _ in range(arguments.connections)
            )
        )
        if measured:
            rate = len(seconds) / (time.perf_counter() - started)
            seconds.sort()
            p50, p99 = (seconds[int(share * (len(seconds) - 1))] * 1000 for share in (0.5, 0.99))
            print(
                f"{arguments.connections} connections: {rate:,.0f} requests/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
                f"{len(seconds):,} requests"
            )


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("-k", type=int, default=10)
    arguments = parser.parse_args()
    users = pl.read_parquet(arguments.workspace / arguments.dataset / "sequences.parquet", columns=["user_id"])
    asyncio.run(load(arguments, users["user_id"].to_list()))


if __name__ == "__main__":
    main()
