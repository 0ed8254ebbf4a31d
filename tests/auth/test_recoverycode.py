"""Recovery codes as they are made and read."""

from __future__ import annotations

import re

from backstay.auth.recoverycode import COUNT, new_codes, read_code


def test_codes_cannot_be_guessed() -> None:
    """Ten different ones of 60 random bits, in letters that nobody mixes up (MF2)."""
    sets = [new_codes() for _ in range(100)]
    assert {COUNT} == {len(codes) for codes in sets}
    every = [code for codes in sets for code in codes]
    assert len(every) == len(set(every))
    assert all(re.fullmatch(r"([0-9a-hjkmnp-tv-z]{4}-){2}[0-9a-hjkmnp-tv-z]{4}", code) for code in every)
    # All 32 characters are used at each place: five bits each.
    assert {32} == {len({code[place] for code in every}) for place in range(14) if place not in (4, 9)}


def test_a_code_is_read_however_it_is_typed() -> None:
    """Blanks, dashes, capitals, and what looks like a digit."""
    for code in new_codes():
        plain = read_code(code)
        for typed in (code.upper(), code.replace("-", " "), code.replace("-", ""), f" {code} ", code.replace("0", "O")):
            assert plain == read_code(typed)
