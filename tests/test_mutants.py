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


MODULE = """
from dataclasses import dataclass
def plain(a):
    return a < 1
def outer(a):
    def inner():
        return a < 1
    return inner
made = outer(1)
@dataclass(frozen=True, slots=True)
class Value:
    a: int
    def method(self):
        return (
            self.a
            < 1
        )
    @property
    def kept(self):
        return any(x < 1 for x in [self.a])
"""
CALLS = ["plain(1)", "outer(1)()", "made()", "Value(1).method()", "Value(1).kept"]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [(4, {"plain(1)"}), (7, {"outer(1)()", "made()"}), (14, {"Value(1).method()"}), (19, {"Value(1).kept"})],
)
def test_the_code_of_functions_is_exchanged(mutants: ModuleType, tmp_path: Path, line: int, wrong: set[str]) -> None:
    """Each function that has the wrong line, a method, a closure and one that was made before, and no other."""
    path, right = tmp_path / "a.py", MODULE.encode()
    path.write_bytes(right)
    spec = importlib.util.spec_from_file_location(f"exchanged{line}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    (mutant,) = (m for m in mutants.mutants("r", "f", MODULE) if m.kind == "compare" and m.line in (line, line + 1))
    for function, code in mutants.exchange(str(path), right, mutant.of(right), mutants.alive()):
        function.__code__ = code
    assert wrong == {call for call in CALLS if eval(call, vars(module))}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("a = 1\n", "a = 2\n"),
        ("def f(a=1): pass\n", "def f(a=2): pass\n"),
        ("f, g = lambda: 1, lambda: 2\n", "f, g = lambda: 1, lambda: 3\n"),
        (
            "def f(a):\n    def g(): return a\n    return g\ng = f(1)\n",
            "def f(a):\n    def g(): return 2\n    return g\ng = f(1)\n",
        ),
    ],
    ids=["module", "default", "lambdas", "closure"],
)
def test_what_cannot_be_exchanged_is_imported_anew(mutants: ModuleType, right: str, wrong: str) -> None:
    """What is not in a function, two functions of one place, and another closure."""
    names: dict[str, object] = {}
    exec(compile(right, "there.py", "exec"), names)
    assert mutants.exchange("there.py", right.encode(), wrong.encode(), mutants.alive()) is None


def test_a_wrong_line_leaves_the_others_where_they_are(mutants: ModuleType) -> None:
    """Else the functions below would not be found."""
    source = b"def f():\n    if a(\n        b,\n        c=d,\n    ):\n        g(\n            1\n        )\n\ndef h(): pass\n"
    for mutant in mutants.mutants("r", "f", source.decode()):
        wrong = mutant.of(source)
        assert (source.count(b"\n"), b"\ndef h(): pass\n") == (wrong.count(b"\n"), wrong[-15:])
        compile(wrong, "f", "exec")


def test_declarations_stay(mutants: ModuleType) -> None:
    """What is not inside a function is a declaration, and so are annotations and defaults."""
    assert [] == list(mutants.mutants("r", "f", "LIMIT = 3\ndef f(a: int = 3) -> Literal[3]:\n    return a\n"))


def test_it_speaks_of_files_that_are_there(mutants: ModuleType) -> None:
    """Every room has wrong lines to try, and each line that is called equivalent is one: once changed, it is judged anew."""
    found = mutants.every_mutant(list(mutants.ROOMS))
    assert set(mutants.ROOMS) == {mutant.room for mutant in found}
    named = [mutant.name for mutant in found]
    assert dict.fromkeys(mutants.equivalent(), 1) == {name: named.count(name) for name in mutants.equivalent()}


def test_a_map_moves_with_its_lines(mutants: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that has changed since keeps what is known of its lines, where they are now."""
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    (tmp_path / "a.py").write_text("new\none\ntwo\n", encoding="utf-8")
    lines = {"a.py": {"1": ["t"], "2": ["u"], "3": ["v"]}, "gone.py": {"1": ["t"]}}
    known = {"lines": lines, "seconds": {}, "texts": {"a.py": "one\ntwo\nold\n"}}
    (tmp_path / "map.json").write_text(json.dumps(known), encoding="utf-8")
    assert {"a.py": {"2": ["t"], "3": ["u"]}} == mutants.read_map(tmp_path / "map.json")["lines"]


def test_a_map_is_made_file_by_file(mutants: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is its files of tests; what is none stays as it is."""
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    for name in ("test_b.py", "deep/test_a.py", "conftest.py"):
        (tmp_path / "tests" / name).touch()
    assert ["tests/deep/test_a.py", "tests/test_b.py", "tests/test_b.py::test_it"] == mutants.test_files(
        ["tests", "tests/test_b.py::test_it"]
    )


def test_a_map_keeps_what_other_processes_found(mutants: ModuleType) -> None:
    """What one line was run by, and one fixture was used by, in each of them."""
    known: dict[str, list[str]] = {}
    mutants._add(known, {1: ["t", "u"]})
    mutants._add(known, {1: ["s", "t"], 2: ["t"]})
    assert {"1": ["s", "t", "u"], "2": ["t"]} == known


def test_the_tests_that_ran_a_line_try_it_first(mutants: ModuleType) -> None:
    """One of each function at a time, the quick ones first: those of the file, the others, those whose fixture ran it."""
    known = {
        "lines": {"src/backstay/f.py": {"3": ["", "a::slow", "a::t[1]", "a::t[2]", "tests/test_f.py::t", "fixture x"]}},
        "seconds": {"a::slow": 9.0, "a::t[1]": 0.2, "a::t[2]": 0.1, "b::u": 0.0, "b::none": 0.0},
        "users": {"": [], "fixture x": ["b::u", "a::slow"]},
        "unmapped": {"a::t": ["a::t[3]"]},
    }
    (mutant,) = mutants.mutants("r", "src/backstay/f.py", "def f():\n\n    x = 3\n")
    expected = ["tests/test_f.py::t", "a::t[2]", "a::slow", "a::t[1]", "a::t[3]", "b::u"]
    assert (expected, expected[:3]) == (mutants.tests_of(mutant, known, 9), mutants.tests_of(mutant, known, 3))
