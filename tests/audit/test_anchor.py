"""Anchors stand in a file beside the database, and nobody forges one."""

from __future__ import annotations

import json
import logging
import os
import stat
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backstay.audit import Anchors, AuditKeys, Verdict, verify
from backstay.audit.read import head
from backstay.db.store import Store
from backstay.errors import ConfigError
from backstay.private import keep_private
from tests.audit.chains import AT, KEYS, event, filled, write


class Clock:
    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        return self.now


def anchors(folder: Path, clock: Clock | None = None, keys: AuditKeys = KEYS) -> Anchors:
    return Anchors(folder / ".backstay" / "audit-anchor", keys, now=clock or Clock())


def test_no_file_is_no_anchor(tmp_path: Path) -> None:
    """A log begins without one."""
    assert [] == anchors(tmp_path).read()


async def test_an_anchor_is_the_end_of_the_chain(store: Store, tmp_path: Path) -> None:
    """AU2: what `verify` is given later; the file is its owner's only."""
    kept = anchors(tmp_path)
    assert None is await kept.drop(store)
    await filled(store, 3)
    dropped = await kept.drop(store)
    end = await store.one(head())
    assert dropped is not None
    assert (3, end.hash, AT) == (dropped.seq, dropped.hash, dropped.at)
    await write(store, event())
    await kept.drop(store)
    assert [3, 4] == [anchor.seq for anchor in kept.read()]
    assert Verdict(4) == await verify(store, KEYS, kept.read())
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (kept.path, kept.path.parent)]
    assert [0o600, 0o700] == modes


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize(
    ("mode", "after", "said"),
    [
        (0o644, 0o600, "now its owner can"),
        (0o666, 0o600, "now its owner can"),
        (0o602, 0o600, "now its owner can"),
        (0o640, 0o640, "can be read by others"),
        (0o600, 0o600, ""),
    ],
)
def test_a_wider_file_is_narrowed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, after: int, said: str
) -> None:
    """S11: as the files of the database: what everybody could read is taken, what a group shares is left, each is said."""
    kept = anchors(tmp_path)
    kept.write(1, b"1")
    kept.path.chmod(mode)
    again = anchors(tmp_path)
    for seq in (2, 3):
        again.write(seq, b"1")
    assert after == stat.S_IMODE(kept.path.stat().st_mode)
    assert [1 if said else 0, True] == [len(caplog.messages), said in caplog.text]
    assert [1, 2, 3] == [anchor.seq for anchor in again.read()]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_what_is_no_file_is_left_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """S11: ``/dev/null`` for anchors is everybody's; narrowed by root, it would stop other programs of the machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    descriptor = os.open(pipe, os.O_RDWR)
    try:
        keep_private(pipe, logging.getLogger("backstay.audit"), descriptor=descriptor)
        keep_private(pipe, logging.getLogger("backstay.sqlite"))
    finally:
        os.close(descriptor)
    assert (0o666, []) == (stat.S_IMODE(pipe.stat().st_mode), caplog.messages)


async def test_anchors_are_due_by_rows_and_by_time(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every so many rows, and after an hour for fewer; never twice for the same end."""
    monkeypatch.setattr("backstay.audit.anchor.EVERY_ROWS", 3)
    clock = Clock()
    kept = anchors(tmp_path, clock)
    assert None is await kept.keep(store)
    due = []
    for count in (1, 2, 3):
        await filled(store, count)
        due.append(await kept.keep(store))
    assert [1, None, 6] == [anchor and anchor.seq for anchor in due]
    await write(store, event())
    clock.now += timedelta(hours=1)
    assert [7, None] == [(found := await kept.keep(store)) and found.seq, await kept.keep(store)]
    clock.now += timedelta(days=1)
    assert None is await kept.keep(store)


async def test_a_failure_is_logged_and_tried_again(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """DU6: a folder that cannot be written ends neither the loop nor the app."""
    await filled(store, 1)
    (tmp_path / ".backstay").write_text("in the way")
    rounds: list[float] = []

    async def wait(seconds: float) -> Any:
        rounds.append(seconds)
        if len(rounds) == 1:
            (tmp_path / ".backstay").unlink()
        else:
            raise KeyboardInterrupt

    kept = anchors(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        await kept.run(store, wait)
    assert ([60.0, 60.0], [1]) == (rounds, [anchor.seq for anchor in kept.read()])
    assert 1 == caplog.text.count("no audit anchor could be written")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seq": 2}, "a line 1 that was not made with the keys"),
        ({"hash": "00" * 32}, "a line 1 that was not made with the keys"),
        ({"at": "2026-11-20T00:00:00+00:00"}, "a line 1 that was not made with the keys"),
        ({"key_id": "k9"}, "a line 1 that was not made with the keys"),
        ({"mac": "00" * 32}, "a line 1 that was not made with the keys"),
        ({"mac": None}, "a line 1 that is no anchor"),
        ({"hash": "xyz"}, "a line 1 that is no anchor"),
        ({"seq": []}, "a line 1 that is no anchor"),
    ],
)
async def test_a_forged_line_is_named(store: Store, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """AU2: who writes to the file without the key makes it invalid, not different."""
    await filled(store, 3)
    kept = anchors(tmp_path)
    await kept.drop(store)
    kept.path.write_text(json.dumps({**json.loads(kept.path.read_text()), **change}) + "\n")
    with pytest.raises(ConfigError, match=words) as caught:
        kept.read()
    assert "BST-E511" == caught.value.code


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    """Half a line, as after a full disk."""
    kept = anchors(tmp_path)
    kept.write(1, b"1" * 32)
    with kept.path.open("a") as file:
        file.write('{"seq": 2, "ha')
    with pytest.raises(ConfigError, match="a line 2 that is no anchor"):
        kept.read()


HALF = b'{"seq": 2, "ha'
#: What may stand at the end of the file when the next anchor is due.
ENDS = {
    "half a line": HALF,
    "half a line and its end": HALF + b"\n",
    "many halves": (HALF + b"\n") * 50,
    "zeros, as after a power cut": bytes(4096),
    "an empty line": b"\n\n",
    "a list": b"[1]\n",
    "a number": b"7\n",
    "an object that is no anchor": b"{}\n",
    "an anchor without a zone": b'{"seq": 1, "hash": "00", "at": "2026-01-01T00:00:00", "key_id": "k1", "mac": "00"}\n',
    "a key that is a list": b'{"seq": 1, "hash": "00", "at": "2026-01-01T00:00:00Z", "key_id": [], "mac": "00"}\n',
    "a number beyond all": b'{"seq": 1e999, "hash": "00", "at": "2026-01-01T00:00:00Z", "key_id": "k1", "mac": "00"}\n',
    "a forged one": b'{"seq": 99, "hash": "00", "at": "2026-01-01T00:00:00Z", "key_id": "k1", "mac": "00"}\n',
    "not UTF-8": b"\xff\xfe\n",
    "deep": b"[" * 5000 + b"\n",
    "more than is looked at": b"x" * 20_000,
}


@pytest.mark.parametrize("name", ENDS)
async def test_anchoring_goes_on_after_whatever_stands_there(store: Store, tmp_path: Path, name: str) -> None:
    """A11: a torn or garbled line stops nothing: the next anchor has a line of its own, and is the last one then."""
    await filled(store, 1)
    clock = Clock()
    kept = anchors(tmp_path, clock)
    await kept.drop(store)
    with kept.path.open("ab") as file:
        file.write(ENDS[name])
    await write(store, event())
    clock.now += timedelta(hours=1)
    written = await kept.keep(store)
    assert written is not None
    assert 2 == written.seq
    assert None is await kept.keep(store)
    last = kept.path.read_bytes().splitlines()[-1]
    assert 2 == json.loads(last)["seq"]
    assert kept.path.read_bytes().endswith(b"}\n")


async def test_torn_lines_are_told(store: Store, tmp_path: Path) -> None:
    """A11: which lines say nothing; the anchors around them still count, and a forged one is still a fault."""
    await filled(store, 1)
    kept = anchors(tmp_path)
    await kept.drop(store)
    with kept.path.open("ab") as file:
        file.write(HALF)
    await write(store, event())
    await kept.drop(store)
    found, torn = kept.look()
    assert ([1, 2], [2]) == ([anchor.seq for anchor in found], torn)
    assert Verdict(2) == await verify(store, KEYS, found)
    with kept.path.open("ab") as file:
        file.write(json.dumps({**json.loads(kept.path.read_bytes().splitlines()[0]), "seq": 2}).encode() + b"\n")
    with pytest.raises(ConfigError, match="a line 4 that was not made with the keys"):
        kept.look()


async def test_a_file_that_was_moved_away_begins_anew(store: Store, tmp_path: Path) -> None:
    """A11: rotated, emptied or deleted: there is a new one with the next anchor, and the same end twice harms nothing."""
    await filled(store, 1)
    kept = anchors(tmp_path)
    await kept.keep(store)
    kept.path.rename(tmp_path / "old")
    assert await kept.keep(store)
    kept.path.write_bytes(b"")
    assert await kept.keep(store)
    kept.path.unlink()
    kept.path.write_bytes((tmp_path / "old").read_bytes() * 2)
    assert None is await kept.keep(store)
    assert Verdict(1) == await verify(store, KEYS, kept.read())


async def test_an_anchor_of_later_is_no_reason_to_wait(store: Store, tmp_path: Path) -> None:
    """A11: the clock was set back, or the database: the next anchor is due at once."""
    await filled(store, 1)
    clock = Clock()
    clock.now += timedelta(days=400)
    kept = anchors(tmp_path, clock)
    await kept.drop(store)
    clock.now -= timedelta(days=400)
    await write(store, event())
    assert await kept.keep(store)
    kept.write(50, b"5" * 32)
    assert await kept.keep(store)


async def test_half_a_write_is_a_failure(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A11: a disk that takes a part of the line is full; when there is room again the next line is whole."""
    await filled(store, 1)
    kept = anchors(tmp_path)
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, line: real(descriptor, line[:20]))
    with pytest.raises(ConfigError, match="the disk is full"):
        await kept.keep(store)
    monkeypatch.undo()
    assert await kept.keep(store)
    found, torn = kept.look()
    assert ([1], [1]) == ([anchor.seq for anchor in found], torn)


class Broken:
    """A store that fails in a way nobody thought of."""

    async def one(self, statement: Any) -> Any:
        raise TypeError("can't compare offset-naive and offset-aware datetimes")


async def test_a_failure_is_known_while_it_lasts(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A11: said once in the log, known to `/health` until it is over, and no failure ends the rounds."""
    await filled(store, 1)
    (tmp_path / ".backstay").write_text("in the way")
    kept, told = anchors(tmp_path), list[str | None]()

    async def wait(seconds: float) -> Any:
        told.append(kept.failing)
        if len(told) == 3 and (tmp_path / ".backstay").is_file():
            (tmp_path / ".backstay").unlink()
        elif len(told) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await kept.run(store, wait)
    assert [True, True, True, False, False] == [why is not None for why in told]
    assert (1, 1) == (caplog.text.count("no audit anchor"), caplog.text.count("written again"))
    told.clear()
    with pytest.raises(KeyboardInterrupt):
        await kept.run(Broken(), wait)  # type: ignore[arg-type]
    assert ["can't compare offset-naive and offset-aware datetimes"] * 5 == told


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """FI9: nobody has the app append to another file."""
    kept = anchors(tmp_path)
    kept.path.parent.mkdir()
    (tmp_path / "other").write_text("")
    kept.path.symlink_to(tmp_path / "other")
    with pytest.raises(ConfigError, match="cannot be written"):
        kept.write(1, b"1" * 32)
    assert "" == (tmp_path / "other").read_text()
