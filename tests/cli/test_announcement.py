"""That something serves is said when it does, once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backstay.cli.announcement import Announced, Announcement
from tests.cli.test_serve import PATIENCE, SERVERS, run, serving

SLOW = """
import asyncio, os, sys
from sqlalchemy import MetaData
from backstay import Backstay

async def beside(scope, receive, send):
    await receive()
    print(os.environ["BESIDE"], file=sys.stderr, flush=True)
    await send({"type": "lifespan.startup." + os.environ["BESIDE"], "message": "it cannot"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})

app = Backstay(models=MetaData(), policies=[])
app.mount("/beside", beside)
"""


@pytest.mark.parametrize("server", SERVERS)
def test_it_serves_when_all_has_started(tmp_path: Path, server: str) -> None:
    """What is mounted has started, and where mails are kept has been said, before the line that clients wait for."""
    (tmp_path / "slow.py").write_text(SLOW)
    with serving(tmp_path, "--server", server, target=("slow.py:app",), BESIDE="complete") as (process, _):
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
    assert ["complete", "Mails", "Serving"] == [line.split()[0] for line in err.splitlines()]


@pytest.mark.parametrize("server", SERVERS)
def test_what_does_not_start_does_not_serve(tmp_path: Path, server: str) -> None:
    """An app beside it that cannot start ends the start with code 1, and nothing has been announced."""
    (tmp_path / "slow.py").write_text(SLOW)
    done = run(tmp_path, "slow.py:app", "--server", server, BESIDE="failed")
    assert 1 == done.returncode
    assert "it cannot" in done.stderr
    assert "Serving" not in done.stderr


@pytest.mark.parametrize("server", SERVERS)
def test_several_workers_say_it_once(tmp_path: Path, server: str) -> None:
    """All of them start, and one of them speaks."""
    with serving(tmp_path, "--server", server, "--workers", "3", "--database", "postgresql://db/x") as (process, _):
        assert process.stdout is not None
        started = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
    assert (["startup\n"] * 3, 1) == (started, err.count("Serving "))


async def _complete(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "lifespan.startup.complete"})


async def _failed(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "lifespan.startup.failed"})


async def _silent(scope: Any, receive: Any, send: Any) -> None:
    return


async def _raising(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError(scope["type"])


@pytest.mark.parametrize(
    ("app", "expected"),
    [(_complete, "it serves\n"), (_failed, ""), (_silent, "it serves\n"), (_raising, "it serves\n")],
)
def test_lifespans(capsys: pytest.CaptureFixture[str], app: Callable[..., Any], expected: str) -> None:
    """An app that has no lifespan is served, and one that says it cannot start is not; the second worker is silent."""

    async def send(message: Any) -> None:
        assert "" == capsys.readouterr().err, "the server is told first"

    async def start() -> None:
        await asyncio.gather(Announced(app, said)({"type": "lifespan"}, None, send), return_exceptions=True)

    said = Announcement("it serves")
    asyncio.run(start())
    assert expected == capsys.readouterr().err
    asyncio.run(start())
    assert "" == capsys.readouterr().err
