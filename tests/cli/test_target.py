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


HELPER = "def divide(a):\n    return 1 / a\n"


@pytest.mark.parametrize(
    ("text", "message", "lines", "hint"),
    [
        ("import a_package_that_is_not_there", "backstay_it.py:1: ModuleNotFoundError: No module named 'a_package_that",
         ["backstay_it.py:1 in <module>: import a_package_that_is_not_there"], "install a_package_that_is_not_there"),
        ("import a_package.inside", "backstay_it.py:1: ModuleNotFoundError", ["backstay_it.py:1 in"], "install a_package "),
        ("from inside.helper import nothing", "backstay_it.py:1: ImportError: cannot import name 'nothing'",
         ["backstay_it.py:1 in <module>: from inside.helper import nothing"], "does not have it"),
        ("import inside.round", "inside/square.py:1: ImportError: cannot import name 'x'",
         ["backstay_it.py:1 in", "inside/square.py:1 in", "inside/round.py:1 in"], "import each other"),
        ("x = 1\nx = = 2\n", "backstay_it.py:2 is no Python: invalid syntax", ["backstay_it.py:2: x = = 2"], "that line"),
        ("if True:\nx = 1", "backstay_it.py:2 is no Python: expected an indented", ["backstay_it.py:2: x = 1"], "that line"),
        ("import inside.wrong", "inside/wrong.py:1 is no Python", ["backstay_it.py:1 in", "inside/wrong.py:1: def"], "that"),
        ("from inside.divides import divide\n\ndivide(0)", "inside/divides.py:2: ZeroDivisionError: division by zero",
         ["backstay_it.py:3 in <module>: divide(0)", "inside/divides.py:2 in divide: return 1 / a"], "the last of these"),
        ("import json\njson.loads('{')", "backstay_it.py:2: json.decoder.JSONDecodeError: Expecting property",
         ["backstay_it.py:2 in <module>: json.loads('{')"], "the last of these lines"),
        ("raise SystemExit(3)", "backstay_it.py:1 ends the process, with 3", ["backstay_it.py:1 in"], "__main__"),
        ("def f(): f()\nf()", "backstay_it.py:1: RecursionError", ["backstay_it.py:2 in", "backstay_it.py:1 in"] , "last of"),
        ("raise ValueError('one\\ntwo')", "backstay_it.py:1: ValueError: one", ["backstay_it.py:1 in"], "last of these"),
        ("from sqlalchemy.orm import DeclarativeBase\nclass B(DeclarativeBase): pass\n\nclass T(B):\n"
         "    __tablename__ = 't'\n", "backstay_it.py:4: sqlalchemy.exc.ArgumentError: Mapper Mapper[T(t)] could not",
         ["backstay_it.py:4 in <module>: class T(B):"], "last of these lines"),
    ],
)  # fmt: skip
def test_a_fault_inside_the_module_is_one_finding(
    folder: Path, text: str, message: str, lines: list[str], hint: str
) -> None:
    """U4: file and line, the author's own lines and no library's, and one thing to do; it is no missing app."""
    (folder / "backstay_it.py").write_text(text)
    (folder / "inside" / "divides.py").write_text(HELPER)
    (folder / "inside" / "wrong.py").write_text("def (:\n")
    (folder / "inside" / "round.py").write_text("from inside.square import x")
    (folder / "inside" / "square.py").write_text("from inside.round import x")
    for target in ("backstay_it:app", "backstay_it.py:app"):
        sys.modules.pop("backstay_it", None)
        for name in [name for name in sys.modules if name.startswith("inside.")]:
            del sys.modules[name]
        with pytest.raises(ConfigError) as caught:
            load_app(target)
        fault = caught.value
        assert "BST-E090" == fault.code
        assert fault.message.startswith(message), fault.message
        assert hint in str(fault.hint)
        told = fault.details.splitlines()
        assert len(told) < 10
        assert all(any(line.startswith(known) for line in told) for known in lines), told
        assert all(line.startswith(("backstay_it.py:", "inside/", "…")) for line in told), told


def test_a_finding_of_the_app_stays_what_it_is(folder: Path) -> None:
    """What is told in our own words already is not wrapped."""
    (folder / "backstay_it.py").write_text(
        "from backstay.errors import ConfigError\nraise ConfigError('BST-E020', 'x', hint='y')"
    )
    with pytest.raises(ConfigError, match="BST-E020"):
        load_app("backstay_it:app")
