"""What an answer promises: an acknowledged write outlives its process, and of equal writes one succeeds."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from examples.chirp.seed import grow
from tests.examples.running import Chirp, new_database, plant, running, serving, token

ROWS = grow()
ADA = ROWS.profiles[0]
HEADERS = {"Authorization": f"Bearer {token('authenticated', str(ADA['id']))}"}


def _write_until_killed(chirp: Chirp, writer: int, acknowledged: list[str]) -> None:
    with httpx.Client(base_url=f"{chirp.url}/rest/v1", headers=HEADERS, timeout=60) as client:
        for number in range(100_000):
            body = f"writer {writer} post {number}"
            try:
                reply = client.post("/posts", json={"author_id": str(ADA["id"]), "body": body})
            except httpx.TransportError:
                return
            assert 201 == reply.status_code
            acknowledged.append(body)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_acknowledged_writes_survive_a_kill(kind: str, tmp_path: Path) -> None:
    """Eight writers, kill -9 in the middle, a new start: every post that was answered with 201 is there, once."""
    acknowledged: list[str] = []
    with new_database(kind, tmp_path) as database:
        plant(database)
        with serving(database, tmp_path / "first.log") as chirp, ThreadPoolExecutor(8) as writers:
            done = [writers.submit(_write_until_killed, chirp, number, acknowledged) for number in range(8)]
            deadline = time.monotonic() + 60
            while len(acknowledged) < 200 and time.monotonic() < deadline:
                time.sleep(0.005)
            os.killpg(chirp.process.pid, signal.SIGKILL)
            for writer in done:
                writer.result(timeout=60)
        assert len(acknowledged) >= 200
        with (
            serving(database, tmp_path / "second.log") as chirp,
            httpx.Client(base_url=f"{chirp.url}/rest/v1", headers=HEADERS, timeout=60) as client,
        ):
            stored: list[str] = []
            while page := client.get(
                f"/posts?select=body&body=like.writer*&order=body&limit=1000&offset={len(stored)}"
            ).json():
                stored += [row["body"] for row in page]
    assert set() == set(acknowledged) - set(stored)
    assert len(stored) == len(set(stored))
    # At most one write of each writer was under way, committed, and not answered.
    assert len(stored) <= len(acknowledged) + 8


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_one_of_many_equal_writes_succeeds(kind: str, tmp_path: Path) -> None:
    """Twenty clients like one post at the same moment: one 201, nineteen conflicts."""
    post = next(row for row in ROWS.posts if row["public"])
    liked = {row["profile_id"] for row in ROWS.likes if row["post_id"] == post["id"]}
    fan = next(row["id"] for row in ROWS.profiles if row["id"] not in liked)
    like = {"profile_id": str(fan), "post_id": str(post["id"])}
    headers = {"Authorization": f"Bearer {token('authenticated', str(fan))}"}
    together = threading.Barrier(20)

    def press(url: str) -> int:
        with httpx.Client(base_url=f"{url}/rest/v1", headers=headers, timeout=60) as client:
            client.get("/posts?limit=0")  # connected
            together.wait(timeout=30)
            return int(client.post("/likes", json=like).status_code)

    with (
        new_database(kind, tmp_path) as database,
        running(database, tmp_path / "server.log") as chirp,
        ThreadPoolExecutor(20) as pressing,
    ):
        statuses = sorted(pressing.map(press, [chirp.url] * 20))
    assert [201] + [409] * 19 == statuses


def test_uvicorn_serves_it_too(tmp_path: Path) -> None:
    """The app is plain ASGI: the other server reads, writes and stops like the first."""
    with (
        new_database("sqlite", tmp_path) as database,
        running(database, tmp_path / "server.log", "--server", "uvicorn") as chirp,
        httpx.Client(base_url=f"{chirp.url}/rest/v1", headers=HEADERS, timeout=60) as client,
    ):
        post = {"author_id": str(ADA["id"]), "body": "Served by the other one"}
        assert 201 == client.post("/posts", json=post).status_code
        assert "Served by the other one" == client.get("/posts?order=created_at.desc&limit=1").json()[0]["body"]
        assert "Traceback" not in (tmp_path / "server.log").read_text(encoding="utf-8")
        chirp.process.send_signal(signal.SIGTERM)
        assert 0 == chirp.process.wait(timeout=60)
