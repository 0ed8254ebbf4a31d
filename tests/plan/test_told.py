"""What an error tells of what was sent: all that is wrong, and what could be no secret."""

from __future__ import annotations

import pytest

from backstay import function
from backstay.errors import PlanError, RequestError
from backstay.plan.call import find_function
from backstay.request.field import Field
from backstay.request.filters import parse_filter


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [("code", "S-1", "S-1"), ("code", "123456", "***"), ("token", "abc.def", "***"), ("name", "x", "x")],
)
def test_a_filter_without_an_operator(name: str, text: str, shown: str) -> None:
    """LG3: the column is always named, and the value hidden only where it could be a secret."""
    with pytest.raises(RequestError) as refused:
        parse_filter(Field(name), text)
    error = refused.value
    assert f'"failed to parse filter ({shown})" (line 1, column 1)' == error.message
    assert f"write {name}=eq.VALUE" in str(error.hint)


@function(to="staff")
def greet(name: str, loud: bool = False) -> str:
    return name


def test_a_call_that_does_not_fit_says_what_does() -> None:
    """AC12: only to those who may call it; for others it does not exist."""
    hints = []
    for role in ("staff", "anon"):
        with pytest.raises(PlanError) as refused:
            find_function({"greet": greet}, "greet", (role, frozenset(), False), ("nme",), "public")
        hints.append(refused.value.hint)
    assert [
        "The function takes (name, loud?), where ? may be left out: name is missing, and nme is unknown.",
        None,
    ] == hints
