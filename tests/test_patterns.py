"""Every regular expression of the code, against texts that make bad ones go back and forth (A2)."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]  # what a pattern is made of, as the library itself sees it
from time import process_time
from typing import Any

import pytest

import backstay

#: Repeated, they fit a part of an expression; the text as a whole fits none.
ATOMS = (
    *('a', '1', '_', '-', '.', ',', ':', ';', '/', '@', '"', "'", '\\', ' ', '\t', '(', ')', '{', '[', '=', '%', '*'),
    *('<', '>', '&', '+', '$', 'é', '\n', 'a.', 'a-', 'a,', 'a=', '"a', '\\"', '--', '/*', '://a:', 'eyJ', 'a b'),
)  # fmt: skip
BEGINNINGS = ("", '"', "(", "a", 'a;a="', "<a ", "https://", "not.", "-----BEGIN ")
#: Seconds of a core.  A text of this length is read in a fiftieth of it; a step for each pair of characters is five
#: times as much.
MOST, LENGTH = 0.05, 20_000


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    seen = set()
    for found in pkgutil.walk_packages(backstay.__path__, "backstay."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            for one in value if isinstance(value, tuple | list) else (value,):
                for pattern in one if isinstance(one, tuple) else (one,):
                    if isinstance(pattern, re.Pattern) and pattern not in seen:
                        seen.add(pattern)
                        yield f"{found.name}.{name}", pattern


PATTERNS = dict(patterns())
#: Of what an operator writes, once, at the start.
OPERATORS = {"backstay.adapters.smtp.message._SENDER"}


#: Of an expression, those are its own pieces; more would take minutes.
MOST_PIECES = 6


def used(name: str) -> frozenset[str]:
    """The methods that read with the expression called *name*; what stands in a list is searched for."""
    module, _, attribute = name.rpartition(".")
    file = Path(str(importlib.import_module(module).__file__))
    # Only names without an underscore are for other modules.
    files = [file] if attribute.startswith("_") else Path(backstay.__path__[0]).rglob("*.py")
    call = re.compile(rf"\b{attribute}\.(\w*(?:match|find|search|split|sub)\w*)")
    found = {method for each in files for method in call.findall(each.read_text())}
    return frozenset(found) or frozenset(("match", "fullmatch", "search"))


def pieces(parsed: Iterable[Any]) -> Iterator[str]:
    """A letter for each thing that an expression looks for."""
    for code, value in parsed:
        match str(code):
            case "LITERAL" | "NOT_LITERAL":
                yield chr(value)
            case "RANGE":
                yield chr(value[0])
            case "CATEGORY":
                yield " " if "SPACE" in str(value) else "1" if "DIGIT" in str(value) else "a"
            case "IN":
                yield from pieces(value)
            case _:
                yield from nested(value)


def nested(value: Any) -> Iterator[str]:
    if isinstance(value, _parser.SubPattern):
        yield from pieces(value)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from nested(one)


def own_atoms(pattern: re.Pattern[Any]) -> list[str]:
    """Up to three of the pieces of *pattern* one behind the other, punctuation first."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    found = sorted(dict.fromkeys(pieces(_parser.parse(text, flags & ~re.DEBUG))), key=str.isalnum)[:MOST_PIECES]
    return ["".join(atom) for length in (1, 2, 3) for atom in product(found, repeat=length)]


def texts(pattern: re.Pattern[Any]) -> Iterator[str]:
    for length in (24, LENGTH):
        for beginning in BEGINNINGS:
            for atom in ATOMS:
                yield beginning + atom * (length // len(atom)) + "\0"
    # What takes the cube of a length is found before it takes for ever.
    for length in (24, 200, LENGTH):
        for atom in own_atoms(pattern):
            yield atom * (length // len(atom)) + "\0"


def slowest(pattern: re.Pattern[Any], methods: Iterable[str] = ("match", "fullmatch")) -> tuple[float, str]:
    """The longest that a text took, and how it began."""
    worst = (0.0, "")
    for text in texts(pattern):
        given: Any = text.encode("utf-8") if isinstance(pattern.pattern, bytes) else text
        for method in methods:
            read = getattr(pattern, method)
            begun = process_time()
            if method.startswith("sub"):
                read(given[:0], given)
            elif method == "finditer":
                deque(read(given), maxlen=0)
            else:
                read(given)
            worst = max(worst, (process_time() - begun, f"{method}({text[:30]!r})"))
            if worst[0] > MOST:
                return worst
    return worst


def test_all_are_found() -> None:
    """Those of the grammar, of headers, of tokens and of what strangers write are among them."""
    assert 100 < len(PATTERNS)
    names = {name.rpartition(".")[0] for name in PATTERNS}
    rooms = {"request.filters", "request.media", "auth.imported", "mail.address", "http.client"}
    assert {f"backstay.{room}" for room in rooms | {"catalog.nesting", "observe.redact"}} <= names


@pytest.mark.parametrize("name", sorted(PATTERNS.keys() - OPERATORS))
def test_no_text_takes_the_square_of_its_length(name: str) -> None:
    """A2: read as it is used, no text of 20,000 characters takes an expression more than some milliseconds."""
    took, text = slowest(PATTERNS[name], used(name))
    assert took < MOST, text


def test_a_bad_one_would_be_found() -> None:
    """The test can fail: nested and neighbouring repetitions are found by it."""
    for bad in (r"(a+)+$", r"\s*\s*x", r"(a|a)*$", r'"?[^,]*,?[^,]*x'):
        assert slowest(re.compile(bad))[0] > MOST, bad
    # Linear from its beginning, but not where it begins again behind each comma.
    entry = re.compile(r'[ \t]*+((?:[^,"]|"[^"\\]*+(?:\\.[^"\\]*+)*")*)[^,]*+(?:,|\Z)', re.DOTALL)
    assert slowest(entry, ["finditer"])[0] > MOST
    assert {"finditer"} == used("backstay.request.media._ENTRY")
