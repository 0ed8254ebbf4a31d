"""``MODULE:ATTR``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay.cli.target import load_app
from backstay.errors import ConfigError

APP = """
import inside.helper
class Callable:
    async def __call__(self, scope, receive, send): ...
class Backstay(Callable): ...
async def app(scope, receive, send): ...
def plain(environ, start_response): ...
class Box: app = Callable()
site = Backstay()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an app in it, current for the test."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "helper.py").write_text("")
    (tmp_path / "inside" / "shop.py").write_text(APP.replace("import inside.helper", ""))
    (tmp_path / "backstay_target.py").write_text(APP)
    (tmp_path / "backstay_broken.py").write_text("import a_package_that_is_not_there")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    "target",
    [
        "backstay_target:app",
        "backstay_target.py:app",
        "backstay_target:Box.app",
        "inside.shop:site",
        "inside/shop.py:app",
    ],
)
def test_a_module_or_a_path_names_an_app(target: str) -> None:
    """Dotted names start at the current folder, paths at theirs."""
    assert callable(load_app(target))


@pytest.mark.parametrize(
    ("target", "code", "says"),
    [
        ("backstay_target", "BST-E410", "does not name an app"),
        (":app", "BST-E410", "does not name an app"),
        ("backstay_nowhere:app", "BST-E410", "There is no module backstay_nowhere"),
        ("inside.nowhere:app", "BST-E410", "There is no module inside.nowhere"),
        ("nowhere/app.py:app", "BST-E410", "There is no file nowhere/app.py"),
        ("backstay_target:nope", "BST-E411", "has no 'nope'"),
        ("backstay_target:plain", "BST-E412", "is a function, not an ASGI app"),
        ("backstay_target:Callable", "BST-E412", "is a type, not an ASGI app"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(target: str, code: str, says: str) -> None:
    """The operator reads what was looked for, not a traceback."""
    with pytest.raises(ConfigError) as caught:
        load_app(target)
    assert code == caught.value.code
    assert says in caught.value.message
    assert caught.value.hint


def test_the_app_that_was_meant_is_named() -> None:
    """Where the module has an app of ours, the hint says its name."""
    with pytest.raises(ConfigError) as caught:
        load_app("backstay_target:api")
    assert "Did you mean backstay_target:site?" == caught.value.hint


def test_a_fault_inside_the_module_is_its_own() -> None:
    """A missing import of the app must not be reported as a missing app."""
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_there"):
        load_app("backstay_broken:app")
