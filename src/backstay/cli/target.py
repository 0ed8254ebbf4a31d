"""``MODULE:ATTR``: the app that a command is about."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backstay.cli.broken import broken
from backstay.errors import ConfigError


def load_app(target: str) -> Callable[..., Any]:
    """The ASGI callable that *target* names: ``shop.main:app``, or a path as in ``src/app.py:app``.

    The current folder, or the folder of the path, is put first on ``sys.path``.

    Raises:
        ConfigError: BST-E410 when there is no such module, BST-E411 when it has no such attribute,
            BST-E412 when that is not an async callable; BST-E090 when the module raises, with its author's lines.
    """
    where, colon, attribute = target.partition(":")
    if not (where and colon and attribute):
        raise ConfigError(
            "BST-E410", f"{target!r} does not name an app", hint="Write MODULE:ATTR, for example app:app or app.py:app."
        )
    found: Any = _import(where)
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ConfigError(
                "BST-E411", f"The module {where} has no {attribute!r}", hint=_apps_in(found, where)
            ) from None
    if not _is_asgi(found):
        raise ConfigError(
            "BST-E412",
            f"{target} is {_article(type(found).__name__)}, not an ASGI app",
            hint="An ASGI app is called with (scope, receive, send) and awaited; is it the Backstay(...) value?",
        )
    app: Callable[..., Any] = found
    return app


def _import(where: str) -> Any:
    folder, module = Path.cwd(), where
    if where.endswith(".py"):
        path = Path(where).resolve()
        if not path.is_file():
            raise ConfigError("BST-E410", f"There is no file {where}", hint=f"Looked for {path}.")
        folder, module = path.parent, path.stem
    if str(folder) not in sys.path[:1]:
        sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(module)
    except ConfigError:
        raise  # a finding already
    except (Exception, SystemExit) as fault:
        # Only the absence of the module itself is a wrong argument; what it fails to import is its own fault.
        absent = fault.name if isinstance(fault, ModuleNotFoundError) else None
        if absent is None or not (module == absent or module.startswith(f"{absent}.")):
            raise broken(fault, where) from None
        raise ConfigError(
            "BST-E410", f"There is no module {module}", hint=f"Looked in {folder} and on PYTHONPATH."
        ) from None


def _is_asgi(found: Any) -> bool:
    """Callable, and neither a class (its instance is the app) nor a plain function (WSGI, or a factory)."""
    if not callable(found) or inspect.isclass(found):
        return False
    return inspect.iscoroutinefunction(found) or not inspect.isfunction(found)


def _apps_in(module: Any, where: str) -> str:
    names = [name for name, value in vars(module).items() if type(value).__name__ == "Backstay"]
    return (
        "Did you mean " + " or ".join(f"{where}:{name}" for name in names) + "?"
        if names
        else "Name the app's variable."
    )


def _article(word: str) -> str:
    return f"an {word}" if word[:1].lower() in "aeiou" else f"a {word}"
