"""docs/explanations/security.md and weaknesses.md promise nothing that no test is there for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "explanations" / "security.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("`"): [name.strip("` ") for name in cells[2].split(",")]
    for line in PAGE.splitlines()
    if line.startswith("| `") and (cells := [cell.strip() for cell in line.strip("|").split("|")])
}
#: Weaknesses that were found, with the files of the tests that keep them closed.
FOUND = {
    cells[0].strip("`"): re.findall(r"`(tests/[^`]+)`", cells[3])
    for line in (ROOT / "docs" / "explanations" / "weaknesses.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| `") and (cells := [cell.strip() for cell in line.strip("|").split("|")])
}
#: Promises that came of weaknesses, likewise.
CAME = {
    found[1]: re.findall(r"`(tests/[^`]+)`", line)
    for line in PAGE.splitlines()
    if (found := re.match(r"\| ([A-Z]\d+) \|", line))
}
#: All ids that there are, by their letters.
LAST = {"LM": 12, "SQ": 7, "AC": 16, "ID": 4, "ER": 2, "PW": 9, "TK": 11, "TH": 7, "MF": 7, "OA": 11} | {
    "EN": 3,
    "SE": 4,
    "AU": 3,
    "LG": 3,
    "RB": 5,
}


def test_each_id_is_on_the_page() -> None:
    """In the table, or below it where its room does not stand yet."""
    ids = {f"{letters}{number}" for letters, last in LAST.items() for number in range(1, last + 1)}
    assert ids == set(re.findall(r"`([A-Z]{2}\d+)`", PAGE))
    assert {"LM9", "MF6", "RB2", "RB3"} == ids - ROWS.keys()


@pytest.mark.parametrize("id_", sorted(ROWS))
def test_each_promise_has_its_tests(id_: str) -> None:
    """The id stands in the name or the docstring of a test of every file that the page names."""
    for name in ROWS[id_]:
        assert any(id_ in _ids(head) for head in _heads(name)), f"no test in {name} carries {id_}"


@pytest.mark.parametrize("id_", sorted(CAME))
def test_each_promise_that_came_of_a_weakness_has_its_tests(id_: str) -> None:
    """The weakness is in the list of them, and its id stands in a test of every file that the promise names."""
    assert id_ in FOUND
    assert CAME[id_]
    for name in CAME[id_]:
        carried = [head for head in _heads(name) if re.search(rf"(?<![A-Za-z0-9]){id_}(?![0-9])", head)]
        assert carried, f"no test in {name} carries {id_}"


def test_no_weakness_is_forgotten() -> None:
    """Each that was found has its row."""
    known = {
        f"{letter}{number}" for letter, last in {"S": 14, "A": 12, "P": 3}.items() for number in range(1, last + 1)
    }
    assert known - FOUND.keys() == set()


@pytest.mark.parametrize("id_", sorted(FOUND))
def test_each_weakness_has_its_tests(id_: str) -> None:
    """The id stands in the name or the docstring of a test of every file that the row names, and it names one."""
    assert FOUND[id_]
    for name in FOUND[id_]:
        carried = [head for head in _heads(name) if re.search(rf"(?<![A-Za-z0-9]){id_}(?![0-9])", head)]
        assert carried, f"no test in {name} carries {id_}"


def _heads(name: str) -> list[str]:
    """Each test of a file, up to the end of its docstring."""
    text = (ROOT / name).read_text(encoding="utf-8")
    tests = re.split(r"^(?=(?:async )?def test_)", text, flags=re.MULTILINE)[1:]
    return [test[: _end_of_docstring(test)] for test in tests]


def _end_of_docstring(test: str) -> int:
    begin = test.find('"""')
    return test.find('"""', begin + 3) if begin >= 0 else len(test)


def _ids(text: str) -> set[str]:
    """The ids in *text*; ``AC2–AC8`` are all of those."""
    found = set(re.findall(r"\b[A-Z]{2}\d+\b", text))
    for letters, first, last in re.findall(r"\b([A-Z]{2})(\d+)–\1(\d+)\b", text):
        found |= {f"{letters}{number}" for number in range(int(first), int(last) + 1)}
    return found
