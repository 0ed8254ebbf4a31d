"""Workers, as real processes, whose parent is killed."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.cli.test_serve import PATIENCE, SERVERS, serving


def is_free(port: int) -> bool:
    """Whether nobody listens on *port*."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def members(group: int) -> list[int]:
    """The processes of *group* that run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, _, its = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(its) == group and state != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes where Linux shows them")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("server", SERVERS)
def test_no_worker_outlives_its_parent(tmp_path: Path, server: str, workers: str) -> None:
    """S10: a parent that is killed leaves no process behind, and its port free."""
    with serving(tmp_path, "--server", server, "--workers", workers, "--database", "postgresql://db/x") as (
        process,
        port,
    ):
        assert not is_free(port)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        try:
            deadline = time.monotonic() + PATIENCE
            while members(process.pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert ([], True) == (members(process.pid), is_free(port))
        finally:
            for left in members(process.pid):
                os.kill(left, signal.SIGKILL)
            process.communicate()
