"""The operator's list of leaked passwords: made once, searched in place."""

from __future__ import annotations

import hashlib
import os
import random
import stat
from pathlib import Path

import pytest

from backstay.auth.blocklist import sha1, weaknesses
from backstay.auth.pwned import PwnedFile, write_pwned
from backstay.errors import ConfigError


def lines(passwords: list[str], count: int = 3) -> list[bytes]:
    hashes = sorted(hashlib.sha1(password.encode()).hexdigest().upper() for password in passwords)
    return [f"{hash}:{count}\r\n".encode() for hash in hashes]


def test_what_is_listed_is_found_and_nothing_else(tmp_path: Path) -> None:
    """PW5: 5,000 passwords, and as many that are not among them."""
    dice = random.Random(5)
    listed = [f"leaked {dice.random()}" for _ in range(5000)]
    path = tmp_path / "pwned.bin"
    assert 5000 == write_pwned(lines(listed), path)
    assert 16 + 8 * 5000 == path.stat().st_size
    found = PwnedFile(path)
    assert 5000 == len(found)
    assert all(sha1(password) in found for password in listed)
    assert not any(sha1(f"good {n}") in found for n in range(5000))
    assert ("pwned",) == weaknesses(listed[0], pwned=found)
    assert "text" not in found
    found.close()


@pytest.mark.parametrize("edge", [b"\x00" * 20, b"\xff" * 20])
def test_the_ends_of_the_list_are_found(tmp_path: Path, edge: bytes) -> None:
    """The first and the last entry, and what is before and after them."""
    write_pwned([f"{edge.hex()}:1\n".encode()], tmp_path / "a")
    found = PwnedFile(tmp_path / "a")
    assert edge in found
    assert b"\x80" * 20 not in found
    assert b"\x00" * 7 + b"\x01" * 13 not in found
    found.close()


def test_an_empty_list_is_a_list(tmp_path: Path) -> None:
    """It refuses nothing."""
    assert 0 == write_pwned([], tmp_path / "a")
    found = PwnedFile(tmp_path / "a")
    assert sha1("x") not in found
    found.close()


def test_rare_ones_may_be_left_out_and_none_is_twice(tmp_path: Path) -> None:
    """The count is that of the list; a line without one counts once."""
    hashes = [f"{n:040x}" for n in (1 << 100, (1 << 100) + 1, 2 << 100, 3 << 100)]
    given = [f"{hashes[0]}:1", f"{hashes[1]}:9", f"{hashes[2]}:9", hashes[3], "", f"{hashes[3]}:2"]
    assert 2 == write_pwned([f"{line}\n".encode() for line in given], tmp_path / "a", least_count=3)
    assert 3 == write_pwned([f"{line}\n".encode() for line in given], tmp_path / "b")


@pytest.mark.parametrize(
    "given",
    [
        b"password:3",
        b"5f4dcc3b5aa765d61d8327deb882cf99:3",
        b"zz" * 20 + b":3",
        b"ab" * 20 + b":x",
        b"ab" * 20 + b":-1",
        b"\xff" * 40,
        b"ab" * 21 + b":1",
    ],
)
def test_a_line_that_is_no_hash_is_refused(tmp_path: Path, given: bytes) -> None:
    """With its number; what was there before stays."""
    path = tmp_path / "a"
    path.write_bytes(b"before")
    with pytest.raises(ConfigError) as refused:
        write_pwned([b"00" * 20 + b":1\n", given], path)
    assert "BST-E222" == refused.value.code
    assert "2" in refused.value.message
    assert b"before" == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("least_count", [1, 2])
def test_a_list_out_of_order_is_refused(tmp_path: Path, least_count: int) -> None:
    """It would be searched in vain; rare entries count for the order too."""
    with pytest.raises(ConfigError) as refused:
        write_pwned([b"bb" * 20 + b":1", b"aa" * 20 + b":1"], tmp_path / "a", least_count=least_count)
    assert "BST-E222" == refused.value.code
    assert "sort" in str(refused.value.hint)


def test_a_folder_that_cannot_be_written_is_the_operator_s(tmp_path: Path) -> None:
    """A sentence, not a traceback."""
    with pytest.raises(ConfigError) as refused:
        write_pwned([], tmp_path / "missing" / "a")
    assert "BST-E222" == refused.value.code


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"",
        b"BSTPWN1\n",
        b"BSTPWN1\n" + (2).to_bytes(8, "big") + b"x" * 8,
        b"x" * 24,
        b"BSTPWN1\n" + bytes(8) + b"x",
    ],
)
def test_what_is_no_list_stops_the_start(tmp_path: Path, raw: bytes | None) -> None:
    """Missing, empty, cut short, or another file."""
    path = tmp_path / "a"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(ConfigError) as refused:
        PwnedFile(path)
    assert "BST-E222" == refused.value.code


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_nobody_else_changes_the_list(tmp_path: Path) -> None:
    """S11: whatever the umask, only its owner writes the file: who empties it lets every leaked password in."""
    before = os.umask(0)
    try:
        write_pwned(lines(["leaked"]), tmp_path / "pwned.bin")
    finally:
        os.umask(before)
    assert 0o644 == stat.S_IMODE((tmp_path / "pwned.bin").stat().st_mode)
    assert ["pwned.bin"] == [path.name for path in tmp_path.iterdir()]
