"""Every regular expression of the code, against texts that make bad ones go back and forth (A2)."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
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


def slowest(pattern: re.Pattern[Any]) -> tuple[float, str]:
    """The longest that a text took, and how it began."""
    worst = (0.0, "")
    for length in (24, LENGTH):
        for beginning in BEGINNINGS:
            for atom in ATOMS:
                text: Any = beginning + atom * (length // len(atom)) + "\0"
                if isinstance(pattern.pattern, bytes):
                    text = text.encode()
                for read in (pattern.match, pattern.fullmatch):
                    begun = process_time()
                    read(text)
                    worst = max(worst, (process_time() - begun, repr(text[:30])))
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
    """A2: read from its beginning, no text of 20,000 characters takes an expression more than some milliseconds."""
    took, text = slowest(PATTERNS[name])
    assert took < MOST, text


def test_a_bad_one_would_be_found() -> None:
    """The test can fail: nested and neighbouring repetitions are found by it."""
    for bad in (r"(a+)+$", r"\s*\s*x", r"(a|a)*$", r'"?[^,]*,?[^,]*x'):
        assert slowest(re.compile(bad))[0] > MOST, bad
