"""tools/mutants.py makes lines wrong that are behaviour, and no others."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    path = Path(__file__).parent.parent / "tools" / "mutants.py"
    spec = importlib.util.spec_from_file_location("mutants", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("return a < b", {"return (a <= b)", "return True", "return False"}),
        ("x = a and b", {"x = (a or b)", "x = (b)", "x = (a)"}),
        ("x = not a", {"x = (a)"}),
        ("x = 3", {"x = 4"}),
        ("x = a if b else c", {"x = (a)", "x = (c)"}),
        ("if a: b()", {"if False: b()", "if True: b()", "if a: pass"}),
        ("return [a for a in b if a]", {"return [a for a in b if True]"}),
        ("raise Problem", {"pass"}),
        ("x = a(b, c=d)", {"x = (a(b))"}),
        ("x = sa.and_(a, b)", {"x = (sa.and_(b))", "x = (sa.and_(a))"}),
        ("x = 'text' + a", set()),
        ("assert a == 1", set()),
        ("x = zip(a, b, strict=True)", set()),
        ("'''A docstring.'''", set()),
    ],
)
def test_a_line_is_made_wrong(mutants: ModuleType, body: str, wrong: set[str]) -> None:
    """Each kind of mistake, once for each place; texts and assertions stay."""
    source = f"def f():\n    {body}\n"
    found = {
        source.encode()[: m.start] + m.text.encode() + source.encode()[m.end :]
        for m in mutants.mutants("r", "f", source)
    }
    assert {f"def f():\n    {text}\n".encode() for text in wrong} == found


def test_declarations_stay(mutants: ModuleType) -> None:
    """What is not inside a function is a declaration, and so are annotations and defaults."""
    assert [] == list(mutants.mutants("r", "f", "LIMIT = 3\ndef f(a: int = 3) -> Literal[3]:\n    return a\n"))


def test_it_speaks_of_files_that_are_there(mutants: ModuleType) -> None:
    """Every room has wrong lines to try."""
    assert all(mutants.every_mutant([room]) for room in mutants.ROOMS)


def test_what_is_called_equivalent_is_a_wrong_line(mutants: ModuleType) -> None:
    """A line that was changed since is judged anew; and each name means one wrong line."""
    named = [mutant.name for mutant in mutants.every_mutant(list(mutants.ROOMS))]
    assert dict.fromkeys(mutants.equivalent(), 1) == {name: named.count(name) for name in mutants.equivalent()}


def test_a_map_moves_with_its_lines(mutants: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that has changed since keeps what is known of its lines, where they are now."""
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    (tmp_path / "a.py").write_text("new\none\ntwo\n", encoding="utf-8")
    lines = {"a.py": {"1": ["t"], "2": ["u"], "3": ["v"]}, "gone.py": {"1": ["t"]}}
    known = {"lines": lines, "seconds": {}, "texts": {"a.py": "one\ntwo\nold\n"}}
    (tmp_path / "map.json").write_text(json.dumps(known), encoding="utf-8")
    assert {"a.py": {"2": ["t"], "3": ["u"]}} == mutants.read_map(tmp_path / "map.json")["lines"]
