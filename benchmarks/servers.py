"""Servers and load generators as processes of their own, each on its core."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Contender:
    """One server to measure: where its app is, what it needs in the environment, and its two requests."""

    name: str
    target: str
    environment: Mapping[str, str]
    read: bytes
    write: bytes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _pinned(core: int) -> Any:
    """On a machine with one core there is nothing to choose."""
    cores = sorted(os.sched_getaffinity(0))
    return (lambda: os.sched_setaffinity(0, {cores[core]})) if len(cores) > core else None


@contextmanager
def serving(contender: Contender, log: Path) -> Iterator[int]:
    """Run *contender* under Granian on the first core; yields its port.  Everyone gets the same flags."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--workers", "1", "--no-ws", "--loop", "uvloop"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", contender.target]
    environment = {**os.environ, **contender.environment}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, preexec_fn=_pinned(0)
        )
    try:
        _wait_until_open(process, port, log)
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_open(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"the server did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-4000:]}")


def measure(port: int, request: Path, *, seconds: float, connections: int) -> dict[str, Any]:
    """Load the server on *port* from the second core (`benchmarks.load`); its outcome."""
    command = [sys.executable, "-m", "benchmarks.load", "--port", str(port), "--request", str(request)]
    command += ["--seconds", str(seconds), "--connections", str(connections)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, preexec_fn=_pinned(1))
    if done.returncode:
        raise SystemExit(f"the load generator failed:\n{done.stderr.decode(errors='replace')[-2000:]}")
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome
