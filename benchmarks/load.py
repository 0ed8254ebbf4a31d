"""Send one request over and over on keep-alive connections and say how fast the answers came.

A program of its own (``python -m benchmarks.load``), so that it can be pinned to another core than the server.
It is a closed loop: each connection sends its next request when the answer to the last one is complete, so the
latencies are those of a server kept exactly *connections* requests busy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import httptools
import uvloop


class Connection(asyncio.Protocol):
    """One keep-alive connection: request, whole answer, next request."""

    def __init__(self, request: bytes, seconds: list[float], statuses: Counter[int]) -> None:
        self.request = request
        self.seconds = seconds
        self.statuses = statuses
        self.running = True
        self.sent_at = 0.0
        self.idle = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one by behaviour, not by class
        self._send()

    def _send(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.sent_at = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Called by the parser; the next request goes out at once."""
        self.seconds.append(time.perf_counter() - self.sent_at)
        self.statuses[self.parser.get_status_code()] += 1
        if self.running:
            # Not from inside the parser's own call: it would be replaced while it runs.
            asyncio.get_running_loop().call_soon(self._send)
        elif not self.idle.done():
            self.idle.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.idle.done():
            self.statuses[0] += 1  # the server hung up on a request
            self.idle.set_result(None)


async def load(host: str, port: int, request: bytes, *, connections: int, warm_seconds: float, seconds: float) -> Any:
    """Run the load and return ``requests``, ``seconds``, ``p50_ms``, ``p99_ms`` and a count by status (0: hung up)."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    open_ = [
        (await loop.create_connection(lambda: Connection(request, latencies, statuses), host, port))
        for _ in range(connections)
    ]
    await asyncio.sleep(warm_seconds)
    latencies.clear()
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    took, counted = time.perf_counter() - start, sorted(latencies)
    for _, connection in open_:
        connection.running = False
    await asyncio.wait_for(asyncio.gather(*(connection.idle for _, connection in open_)), timeout=10)
    for transport, _ in open_:
        transport.close()
    if not counted:
        return {"requests": 0, "seconds": took, "p50_ms": None, "p99_ms": None, "statuses": dict(statuses)}
    return {
        "requests": len(counted),
        "seconds": took,
        "p50_ms": counted[len(counted) // 2] * 1000,
        "p99_ms": counted[len(counted) * 99 // 100] * 1000,
        "statuses": dict(statuses),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--request", type=Path, required=True, help="file with the raw HTTP/1.1 request")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--warm-seconds", type=float, default=0.3)
    parser.add_argument("--seconds", type=float, default=2.0)
    ask = parser.parse_args()
    outcome = uvloop.run(
        load(
            ask.host,
            ask.port,
            ask.request.read_bytes(),
            connections=ask.connections,
            warm_seconds=ask.warm_seconds,
            seconds=ask.seconds,
        )
    )
    json.dump(outcome, sys.stdout)


if __name__ == "__main__":
    main()
