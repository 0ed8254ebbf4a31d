"""The secret of an app that was given none."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from backstay.errors import ConfigError
from backstay.secret import own_secret


def test_workers_that_start_together_read_one_secret(tmp_path: Path) -> None:
    """Twenty first starts at one moment agree: the file appears whole or not at all."""
    gate = Barrier(20)

    def start(_: int) -> str:
        gate.wait()
        return own_secret(tmp_path / ".backstay")

    with ThreadPoolExecutor(20) as pool:
        found = set(pool.map(start, range(20)))
    assert 1 == len(found)
    assert ["secret"] == os.listdir(tmp_path / ".backstay")


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """It may have been read already, so closing it silently would not do."""
    own_secret(tmp_path)
    (tmp_path / "secret").chmod(0o640)
    with pytest.raises(ConfigError) as caught:
        own_secret(tmp_path)
    assert "BST-E407" == caught.value.code
    assert "chmod 600" in (caught.value.hint or "")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The error says where, and what to set instead."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/.backstay") as caught:
        own_secret(tmp_path / "file" / ".backstay")
    assert "BST-E404" == caught.value.code
