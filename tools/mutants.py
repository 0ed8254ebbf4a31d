"""Make single lines of the rooms that guard rows and accounts wrong, and see whether a test notices.

``python tools/mutants.py map`` runs the tests once, on SQLite, and remembers which of them ran which line.
``python tools/mutants.py run --sample 300`` then tries that many wrong lines and lists those that nobody noticed.
``map tests/…`` adds new tests to the map.
With ``--postgresql``, ``map`` makes a second map of the tests on PostgreSQL, and ``run`` tries by both.

1. A wrong line is made of the file's syntax tree: another comparison, the other of and/or, a condition that is always
   or never true, a negation that is gone, a number that is one more, a statement or a keyword argument left out.
2. A wrong line is tried by the tests that ran the line: first a few of each test, then all of them.
3. Each is tried in a process of its own, on a copy of the checkout: nothing that is wrong stays anywhere.
4. That process begins where one has imported and collected all tests, and exchanges the code of the function that the
   line is in.  Where that cannot be, or nobody noticed a line that ran while the tests were imported, all of ours is
   imported anew.
5. ``tools/equivalent.txt`` names the wrong lines that mean the same as the right ones, with the reason; they count as
   neither noticed nor missed.
6. In the end the tests that noticed run once more, without a wrong line: one that fails anyway has noticed nothing.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import gc
import importlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from pluggy import HookimplMarker

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "backstay"
MAP = ROOT / ".cache" / "lines.json"
MAP_OF_POSTGRESQL = ROOT / ".cache" / "lines-postgresql.json"
#: The rooms, and what of them is tried: everything below a folder, or a file.
ROOMS = {
    "policy": ["policy", "catalog/standing.py"],
    "plan": ["plan"],
    "sql": ["sql"],
    "auth": ["auth"],
    "writers": [
        "adapters/sqlite/writer.py",
        "pipeline/idempotency.py",
        "pipeline/script.py",
        "pipeline/standing.py",
        "pipeline/unit.py",
        "pipeline/work.py",
    ],
    "postgresql": ["sql/postgresql.py", "sql/call.py"],
}
TESTS = [
    "catalog",
    "policy",
    "plan",
    "sql",
    "auth",
    "accounts",
    "http",
    "pipeline",
    "request",
    "contracts",
    "db",
    "adapters/sqlite",
    "test_app.py",
    "test_lifetime.py",
]
#: The second map's.
TESTS_ON_POSTGRESQL = ["http", "sql", "pipeline"]
#: Tests that try at random or take long: whoever fails only there has no test of its own.
LEFT_OUT = "not test_fuzz and not test_schemathesis and not test_beyond_fuzz and not test_servers"
#: What a try that imports anew imports anew: ours, and what pytest wants to import itself.
LATER = {
    "backstay",
    "tests",
    "examples",
    "__main__",
    "_pytest",
    "pytest",
    "hypothesis",
    "anyio",
    "schemathesis",
    "sybil",
}
POLICY = "src/backstay/policy/"
#: Seconds of CPU and of the clock that one wrong line may take before it counts as noticed: it never ends.
MOST_CPU, MOST_SECONDS = 120, 480
#: So many tests try a wrong line first, the quickest ones; and so many before all others do.
FIRST, FEW = 10, 40
#: So many files of tests are mapped in one process.
FILES = 9


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong line: *text* stands where the file had *start* to *end* (offsets in UTF-8)."""

    room: str
    file: str
    line: int
    kind: str
    start: int
    end: int
    text: str
    #: The line as it was, without its comment.
    right: str

    @property
    def name(self) -> str:
        """What ``tools/equivalent.txt`` calls it: it outlives lines that are added above."""
        return f"{self.file} {self.kind}: {self.right} → {' '.join(self.text.split())}"

    def of(self, source: bytes) -> bytes:
        """*source*, wrong; each line below stays where it was."""
        text, blank = self.text, "\n" * (source[self.start : self.end].count(b"\n") - self.text.count("\n"))
        if blank:
            text = text + blank if self.kind == "left-out" else f"({text}{blank})"
        return source[: self.start] + text.encode() + source[self.end :]


COMPARED: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Lt: [ast.LtE],
    ast.LtE: [ast.Lt],
    ast.Gt: [ast.GtE],
    ast.GtE: [ast.Gt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
}
#: Where a mistake changes a text for people or a declaration, and no behaviour.
QUIET_CALLS = {
    "PlanError",
    "RequestError",
    "ConfigError",
    "BackstayError",
    "Refused",
    "invalid",
    "AssertionError",
    "TypeVar",
    "doc",
}


def mutants(room: str, file: str, source: str) -> Iterator[Mutant]:
    """Every wrong line of one file."""
    starts, lines = [0], source.splitlines()
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def made(node: Any, kind: str, other: ast.AST | str) -> Mutant:
        text = other if isinstance(other, str) else ast.unparse(other)
        if isinstance(other, ast.expr):
            text = f"({text})"
        start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        right = lines[node.lineno - 1].split("  # ")[0].strip()
        return Mutant(room, file, node.lineno, kind, start, end, text, right)

    for node in _behaviour(ast.parse(source)):
        match node:
            case ast.Compare(ops=[op]) if type(op) in COMPARED:
                for other in COMPARED[type(op)]:
                    changed = copy.copy(node)
                    changed.ops = [other()]
                    yield made(node, "compare", changed)
            case ast.BoolOp(op=op):
                changed = copy.copy(node)
                changed.op = ast.Or() if isinstance(op, ast.And) else ast.And()
                yield made(node, "and-or", changed)
                for left_out in range(len(node.values)):
                    fewer = copy.copy(node)
                    fewer.values = _without(left_out, node.values)
                    yield made(node, "term", fewer if len(fewer.values) > 1 else fewer.values[0])
            case ast.UnaryOp(op=ast.Not()):
                yield made(node, "not", node.operand)
            case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.Add()) if not _is_text(node):
                yield made(node, "left", node.left)
            case ast.Constant(value=bool() as value):
                yield made(node, "flag", str(not value))
            case ast.Constant(value=int() as number):
                yield made(node, "number", str(number + 1))
            case ast.IfExp():
                yield made(node, "always", node.body)
                yield made(node, "never", node.orelse)
            case ast.If() | ast.While():
                yield made(node.test, "never", "False")
                if isinstance(node, ast.If):
                    yield made(node.test, "always", "True")
            case ast.comprehension(ifs=[test]):
                yield made(test, "every", "True")
            case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Raise():
                yield made(node, "left-out", "pass")
            case ast.Call(keywords=[*keywords]) if keywords:
                for at, keyword in enumerate(keywords):
                    if keyword.arg is not None and not _is_strict(keyword):
                        fewer_keywords = copy.copy(node)
                        fewer_keywords.keywords = _without(at, keywords)
                        yield made(node, f"without {keyword.arg}", fewer_keywords)
            case ast.Call(func=ast.Attribute(attr="and_" | "or_")) if len(node.args) > 1:
                for at in range(len(node.args)):
                    fewer_arguments = copy.copy(node)
                    fewer_arguments.args = _without(at, node.args)
                    yield made(node, "argument", fewer_arguments)
            case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
                if isinstance(value, ast.Compare | ast.BoolOp) or (
                    isinstance(value, ast.Call) and ast.unparse(value.func) in ("any", "all", "bool")
                ):
                    yield made(value, "true", "True")
                    yield made(value, "false", "False")


def _without(at: int, parts: list[Any]) -> list[Any]:
    return parts[:at] + parts[at + 1 :]


def _is_strict(node: ast.AST) -> bool:
    """Whether it is the ``strict=`` of a ``zip``, which asserts."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _is_text(node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str))
        for part in ast.walk(node)
    )


def _behaviour(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes inside functions, without annotations, defaults of declarations, docstrings and texts of errors."""

    def walk(node: ast.AST, inside: bool) -> Iterator[ast.AST]:
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in QUIET_CALLS:
            return
        if isinstance(node, ast.Assert | ast.Import | ast.ImportFrom) or _is_strict(node):
            return
        if inside:
            yield node
        for name, value in ast.iter_fields(node):
            if name in (
                "annotation",
                "returns",
                "decorator_list",
                "args" if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else "",
            ):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from walk(child, inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    yield from walk(tree, False)


def every_mutant(rooms: list[str]) -> list[Mutant]:
    found: list[Mutant] = []
    for room in rooms:
        for place in ROOMS[room]:
            path = SOURCE / place
            for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
                if room != "postgresql" and str(file.relative_to(SOURCE)) in ROOMS["postgresql"]:
                    continue
                found += mutants(room, str(file.relative_to(ROOT)), file.read_text(encoding="utf-8"))
    return found


def equivalent() -> set[str]:
    """The names in ``tools/equivalent.txt``."""
    listed = (ROOT / "tools" / "equivalent.txt").read_text(encoding="utf-8").splitlines()
    return {line.split("  # ")[0].strip() for line in listed if line.strip() and not line.startswith("#")}


# -- which test runs which line --------------------------------------------------------------------------------------


def folders(names: list[str]) -> list[str]:
    return [f"tests/{name}" for name in names if (ROOT / "tests" / name).exists()]


class _Contexts:
    """A plugin of pytest that tells coverage which test runs, and notes how long each took.

    What a fixture of a module or of the session runs, it runs for all its *users*, and not for the first one alone.
    A `query` is built once in a process; here by each test that asks it, so that each has run its lines.
    """

    def __init__(self, coverage: Any) -> None:
        self.coverage = coverage
        self.seconds: dict[str, float] = {}
        self.users: defaultdict[str, list[str]] = defaultdict(list)
        self.now = ""
        self.built: set[Any] = set()

    def pytest_sessionstart(self) -> None:
        from backstay.sql.query import Query

        import_adapters()

        compiled = Query.compiled

        def noted(query: Any, dialect: Any) -> Any:
            self.built.add(query)
            return compiled(query, dialect)

        Query.compiled = noted  # type: ignore[method-assign]

    def _switch(self, context: str) -> str:
        before, self.now = self.now, context
        self.coverage.switch_context(context)
        return before

    def pytest_runtest_protocol(self, item: Any) -> None:
        for found in item._fixtureinfo.name2fixturedefs.values():
            self.users[_fixture(found[-1])].append(item.nodeid)
        self._switch(item.nodeid)
        for query in self.built:
            query._compiled.clear()
        self.built.clear()

    @HookimplMarker("pytest")(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Any:
        before = self._switch(self.now if fixturedef.scope == "function" else _fixture(fixturedef))
        try:
            return (yield)
        finally:
            self._switch(before)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration


def _fixture(definition: Any) -> str:
    return f"fixture {definition.baseid} {definition.argname}"


def make_map(places: list[str], chosen: str, target: Path, *, more: bool) -> int:
    """Run the tests at *places* and keep what they ran in *target*, beside what is there if they are only *more*."""
    target.parent.mkdir(exist_ok=True)
    if not more:
        target.unlink(missing_ok=True)
    left, status = test_files(places), 0
    while left:
        # Each in a process of its own: coverage comes to a stop over some thousands of tests.
        few, left = left[:FILES], left[FILES:]
        process = multiprocessing.Process(target=add_to_map, args=(few, chosen, target))
        process.start()
        process.join()
        status = status or process.exitcode or 0
    return status


def test_files(places: list[str]) -> list[str]:
    """The files of tests at *places*: those of a folder, or what is none as it is."""
    found: list[str] = []
    for place in places:
        path = ROOT / place
        found += [str(file.relative_to(ROOT)) for file in sorted(path.rglob("test_*.py"))] if path.is_dir() else [place]
    return found


def add_to_map(tests: list[str], chosen: str, target: Path) -> None:
    """Run *tests* here, and end with the status of pytest."""
    import coverage
    import pytest

    measured = coverage.Coverage(data_file=None, source=[str(SOURCE)], concurrency=["thread", "greenlet"])
    contexts = _Contexts(measured)
    texts = {file: (ROOT / file).read_text(encoding="utf-8") for file in {m.file for m in every_mutant(list(ROOMS))}}
    known = read_map(target) if target.exists() else {"lines": {}, "seconds": {}, "users": {}}
    measured.start()
    status = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", chosen, *tests], plugins=[contexts])
    measured.stop()
    for file in texts:
        _add(known["lines"].setdefault(file, {}), measured.get_data().contexts_by_lineno(str(ROOT / file)))
    _add(known["users"], contexts.users)
    known["seconds"] |= contexts.seconds
    known["texts"] = texts
    target.write_text(json.dumps(known), encoding="utf-8")
    sys.exit(0 if status == pytest.ExitCode.NO_TESTS_COLLECTED else int(status))


def _add(known: dict[str, list[str]], found: Mapping[Any, Iterable[str]]) -> None:
    """Put what was *found* beside what is *known*: the tests of each line, or of each fixture."""
    for key, names in found.items():
        known[str(key)] = sorted({*known.get(str(key), ()), *names})


def read_map(path: Path) -> dict[str, Any]:
    """The map at *path*, with its lines where they are now: the files may have changed since."""
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    known["lines"] = {file: lines for file, lines in known["lines"].items() if (ROOT / file).exists()}
    for file, lines in known["lines"].items():
        now = (ROOT / file).read_text(encoding="utf-8")
        then = known.get("texts", {}).get(file, now)
        if then != now:
            same = SequenceMatcher(None, then.splitlines(), now.splitlines(), autojunk=False).get_matching_blocks()
            moved = {str(old + at): str(new + at) for old, new, size in same for at in range(1, size + 1)}
            known["lines"][file] = {moved[line]: contexts for line, contexts in lines.items() if line in moved}
    return known


def joined(maps: list[Path], there: set[str]) -> dict[str, Any]:
    """*maps* as one, with the tests that are *there* still: a map may be older than they."""
    lines: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, float] = {}
    users: defaultdict[str, list[str]] = defaultdict(list, {"": []})
    for each in maps:
        known = read_map(each)
        seconds |= {test: took for test, took in known["seconds"].items() if test in there}
        for fixture, tests in known.get("users", {}).items():
            users[fixture] += [test for test in tests if test in there]
        for file, by_line in known["lines"].items():
            for line, contexts in by_line.items():
                lines[file][line] += [context for context in contexts if context in there or context in users]
    unmapped: defaultdict[str, list[str]] = defaultdict(list)
    for test in sorted(there - set(seconds)):
        unmapped[test.split("[")[0]].append(test)
    return {"lines": lines, "seconds": seconds, "users": users, "unmapped": unmapped}


# -- trying ------------------------------------------------------------------------------------------------------------


def preload() -> None:
    """Import what the tests need and what is not ours, once, so that each try begins with it."""
    script = (
        "import sys, pytest, hypothesis, backstay, tests.http.api, tests.accounts.house; print('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own script
    for name in done.stdout.split():
        if name.split(".")[0] not in LATER:
            # What cannot be imported by itself is imported by the tests.
            with contextlib.suppress(Exception):
                __import__(name)


def import_adapters() -> None:
    """Import what an app imports where it needs it."""
    for name in ("backstay.adapters.sqlite", "backstay.adapters.postgresql"):
        importlib.import_module(name)


def contexts_of(mutant: Mutant, known: dict[str, Any]) -> list[str]:
    """Who ran the line: tests, fixtures, and ``""`` for what was imported."""
    found: list[str] = known["lines"].get(mutant.file, {}).get(str(mutant.line), [])
    return found


def tests_of(mutant: Mutant, known: dict[str, Any], most: int) -> list[str]:
    """At most *most* tests: those of the file itself, that ran the line, whose fixtures did, and that may have."""
    ran, users = set(contexts_of(mutant, known)), known["users"]
    groups = [ran - set(users), {test for context in ran for test in users.get(context, ())}]
    # Cases of these that are newer than the map.
    groups = [
        tests | {case for test in tests for case in known["unmapped"].get(test.split("[")[0], ())} for tests in groups
    ]
    if mutant.file.startswith(POLICY):
        # A policy is called under a trace of its own, which hides from coverage what runs there.
        newer = (test for tests in known["unmapped"].values() for test in tests)
        groups.append({test for test in (*known["seconds"], *newer) if test.startswith("tests/policy/")})
    path = Path(mutant.file)
    own = f"{path.parent}/test_{path.name}::".replace("src/backstay", "tests")
    groups.insert(0, {test for tests in groups for test in tests if test.startswith(own)})
    return list(dict.fromkeys(test for tests in groups for test in _in_turns(tests, known["seconds"])))[:most]


def _in_turns(tests: set[str], seconds: dict[str, float]) -> list[str]:
    """One of every function, then another one of each: the quick ones first."""
    turns: Counter[str] = Counter()
    placed = []
    for test in sorted(tests, key=lambda test: (seconds.get(test, 1), test)):
        function = test.split("[")[0]
        placed.append((turns[function], test))
        turns[function] += 1
    return [test for _, test in sorted(placed, key=lambda place: place[0])]


def noticed_by(tests: Callable[[], str | None]) -> str | None:
    """What *tests* answer in a process of its own: the test that fails, or none; or how that process ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setsid()
            _be_quiet()
            resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU, MOST_CPU))
            os.write(writer, (tests() or "").encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    end = time.monotonic() + MOST_SECONDS
    done = status = 0
    while not done and time.monotonic() < end:
        time.sleep(0.02)
        done, status = os.waitpid(child, os.WNOHANG)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # and whatever a test started and left
    if not done:
        os.waitpid(child, 0)
    os.set_blocking(reader, False)
    with open(reader, "rb") as answer:
        told = (answer.read() or b"").decode()
    return told or ("it never ends" if not done else f"it ends with {status}" if status else None)


def _be_quiet() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)


def anew(tests: list[str]) -> str | None:
    """Import and run *tests*: the first that fails."""
    import pytest

    failed = Failed()
    options = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]
    return None if pytest.main([*options, *tests], plugins=[failed]) == 0 else failed.name or "the tests as they begin"


class Failed:
    """A plugin of pytest that notes the test that failed."""

    name: str | None = None

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and self.name is None:
            self.name = report.nodeid


class Warm:
    """A plugin of pytest that does not run what it collected, but tries wrong lines with it, as *asked* for."""

    def __init__(self, asked: Connection) -> None:
        self.asked = asked

    def pytest_runtestloop(self, session: Any) -> bool:
        items = {item.nodeid: item for item in session.items}
        self.asked.send(set(items))
        import_adapters()
        functions = alive()
        with contextlib.suppress(EOFError):
            while True:
                file, right, wrong, tests = self.asked.recv()
                exchanged = [] if right == wrong else exchange(file, right, wrong, functions)
                chosen = [items[test] for test in tests]
                failed = None if exchanged is None else noticed_by(partial(self.failed, session, chosen, exchanged))
                self.asked.send((exchanged is not None, failed))
        return True

    @staticmethod
    def failed(session: Any, items: list[Any], exchanged: list[tuple[FunctionType, CodeType]]) -> str | None:
        """Run *items* as pytest would: the first that fails."""
        for function, code in exchanged:
            function.__code__ = code
        failed = Failed()
        session.config.pluginmanager.register(failed)
        session.config.hook.pytest_collection_modifyitems(session=session, config=session.config, items=items)
        for item, following in pairwise([*items, None]):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if failed.name is not None:
                break
        session.config.hook.pytest_sessionfinish(session=session, exitstatus=0)
        return failed.name


#: Where the code of a function stands: its file, its qualified name and its first line.
Place = tuple[str, str, int]


def _place(code: CodeType) -> Place:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def alive() -> dict[Place, list[FunctionType]]:
    """Every function that there is: methods, and what other functions made, too."""
    found: defaultdict[Place, list[FunctionType]] = defaultdict(list)
    for function in [each for each in gc.get_objects() if isinstance(each, FunctionType)]:
        found[_place(function.__code__)].append(function)
    return found


def exchange(
    file: str, right: bytes, wrong: bytes, functions: dict[Place, list[FunctionType]]
) -> list[tuple[FunctionType, CodeType]] | None:
    """The *functions* whose code is another in *wrong*, and that code; none if that cannot be said of each."""
    before, after = codes(compile(right, file, "exec")), codes(compile(wrong, file, "exec"))
    exchanged = []
    for place, others in after.items():
        for function in functions.get(place, ()) if before.get(place) != others else ():
            if len(others) > 1 or function.__code__.co_freevars != others[0].co_freevars:
                return None
            exchanged.append((function, others[0]))
    return exchanged or None


def codes(code: CodeType) -> dict[Place, list[CodeType]]:
    """*code* and what is in it, by place; two lambdas of one line have one."""
    found = defaultdict(list, {_place(code): [code]})
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            for place, each in codes(inner).items():
                found[place] += each
    return found


class Trial:
    """A copy of the checkout, and a process that has collected its tests."""

    def __init__(self, scratch: Path) -> None:
        self.folder = scratch / "checkout"
        skipped = shutil.ignore_patterns(".git", ".venv", "node_modules", ".cache", "__pycache__", ".*_cache", "_build")
        shutil.copytree(ROOT, self.folder, ignore=skipped)
        preload()
        (scratch / "tmp").mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(scratch / "tmp")
        os.environ["PYTHONPATH"] = f"{self.folder / 'src'}{os.pathsep}{self.folder}"
        sys.path[:0] = [str(self.folder / "src"), str(self.folder)]
        sys.dont_write_bytecode = True
        os.chdir(self.folder)
        self.warm, asked = multiprocessing.Pipe()
        if os.fork() == 0:
            try:
                self.warm.close()
                _be_quiet()
                import pytest

                options = ["-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]
                pytest.main([*options, *folders(TESTS)], plugins=[Warm(asked)])
            finally:
                os._exit(1)
        asked.close()
        self.there: set[str] = self.warm.recv()

    def noticed(self, mutant: Mutant | None, tests: list[str], *, early: bool = False) -> str | None:
        """The one of *tests* that fails with *mutant*; *early* if the line runs while they are imported."""
        path = self.folder / (mutant.file if mutant else "conftest.py")
        right = path.read_bytes()
        wrong = mutant.of(right) if mutant else right
        path.write_bytes(wrong)
        try:
            for part in filter(None, (tests[:FIRST], tests[FIRST:FEW], tests[FEW:])):
                self.warm.send((str(path), right, wrong, part))
                exchanged, failed = self.warm.recv()
                if failed is not None:
                    return failed
                if not exchanged:
                    break
            return noticed_by(partial(anew, tests)) if tests and (early or not exchanged) else None
        finally:
            path.write_bytes(right)


def run(arguments: argparse.Namespace) -> int:
    equal = equivalent()
    chance = random.Random(arguments.seed)  # noqa: S311 - a sample, not a secret
    chosen = [mutant for mutant in every_mutant(arguments.rooms) if mutant.file.startswith(tuple(arguments.only))]
    chance.shuffle(chosen)
    chosen = [mutant for mutant in chosen if mutant.name not in equal][: arguments.sample]
    by: dict[str, list[str]] = {}
    missed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        trial = Trial(Path(scratch))
        known = joined([MAP, MAP_OF_POSTGRESQL] if arguments.postgresql else [MAP], trial.there)
        for number, mutant in enumerate(chosen, 1):
            tests = tests_of(mutant, known, arguments.most)
            early = "" in contexts_of(mutant, known) or mutant.file.startswith(POLICY)
            failed = trial.noticed(mutant, tests, early=early)
            if failed is not None:
                by[failed] = [failed] if failed in trial.there else tests
            else:
                missed[mutant.room] += 1
                why = "nobody noticed" if tests else "no test runs the line"
                print(f"{mutant.file}:{mutant.line}: {why}  ({len(tests)} tests)\n    {mutant.name}", flush=True)
            if number % 10 == 0:
                print(f"… {number} of {len(chosen)}: {number - missed.total()} noticed", flush=True)
        liars = [test for test, tests in by.items() if trial.noticed(None, tests) is not None]
    for test in liars:
        print(f"noticed without a wrong line: {test}")
    total = Counter(mutant.room for mutant in chosen)
    for room in total:
        noticed = total[room] - missed[room]
        print(f"{room:<10} {noticed:>4} of {total[room]:>4} noticed  {100 * noticed / total[room]:.1f} %")
    share = 1 - missed.total() / max(1, len(chosen))
    return 0 if share >= arguments.least / 100 and not liars else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("verb", choices=["map", "run"])
    parser.add_argument("tests", nargs="*", help="add only these tests to the map")
    parser.add_argument("--rooms", nargs="+", choices=list(ROOMS))
    parser.add_argument("--postgresql", action="store_true", help="map, or try by, the tests on PostgreSQL too")
    parser.add_argument("--only", nargs="+", default=[""], help="only files whose path begins with one of these")
    parser.add_argument("--sample", type=int, default=300, help="how many wrong lines are tried")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--most", type=int, default=4000, help="most tests for one wrong line")
    parser.add_argument("--least", type=float, default=90, help="the share that must be noticed, in per cent")
    arguments = parser.parse_args()
    if arguments.verb == "map":
        places, target = (TESTS_ON_POSTGRESQL, MAP_OF_POSTGRESQL) if arguments.postgresql else (TESTS, MAP)
        chosen = f"{'' if arguments.postgresql else 'not '}postgresql and {LEFT_OUT}"
        return make_map(arguments.tests or folders(places), chosen, target, more=bool(arguments.tests))
    arguments.rooms = arguments.rooms or [room for room in ROOMS if arguments.postgresql or room != "postgresql"]
    print(f"seed {arguments.seed}", flush=True)
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
