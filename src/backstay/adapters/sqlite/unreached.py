"""Why a SQLite file cannot be had when an app or a command starts: the cause in words, and the one thing to do."""

from __future__ import annotations

import os
from pathlib import Path

from backstay.errors import ConfigError, DatabaseError


def unreached(error: DatabaseError, path: str) -> ConfigError:
    """What *error* of opening the file *path* stands for: BST-E092."""
    file = Path(path).expanduser()
    message, hint = f"The database {path} cannot be opened: {error.message}", "Is BACKSTAY_DATABASE the right file?"
    if error.code == "XX001":
        message, hint = f"{path} is no SQLite database, or is damaged", "Name another file in BACKSTAY_DATABASE."
    elif file.is_dir():
        message, hint = f"{path} is a folder", "Name a file in BACKSTAY_DATABASE."
    elif not file.parent.is_dir():
        message, hint = f"There is no folder {file.parent}", "Make it, or correct BACKSTAY_DATABASE."
    elif not os.access(file if file.exists() else file.parent, os.R_OK | os.W_OK):
        message, hint = f"This process may not read and write {path}", "Give it the right, or run it as another user."
    return ConfigError("BST-E092", message, hint=hint)
