"""The arguments of a call as the function's types say."""

from __future__ import annotations

from typing import Any, Optional, Union
from uuid import UUID

import pytest

from backstay import function
from backstay.errors import PlanError
from backstay.plan.call import read_arguments

AN_ID = UUID("0b9e1f3c-3d0e-4a53-8f25-6d8a52f1b0d1")


class Model:
    """What pydantic's models have."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self.given == other.given

    def __repr__(self) -> str:
        return f"Model({self.given!r})"

    @classmethod
    def model_validate(cls, given: Any) -> Model:
        if given == "bad":
            raise ValueError("bad")
        return cls(given)


def read(hint: Any, value: Any, *, textual: bool) -> Any:
    """*value* as an argument of type *hint*, or the code of the refusal."""

    def call(given): ...  # type: ignore[no-untyped-def]

    call.__annotations__ = {"given": hint, "return": int}
    try:
        return read_arguments(function(call), {"given": value}, textual=textual)["given"]
    except PlanError as error:
        return error.code


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (list[int], "{1,2}", [1, 2]),
        (list[str], "{a,b}", ["a", "b"]),
        (list[str | None], "{a,NULL}", ["a", None]),
        (str, "{a,b}", "{a,b}"),
        (str | None, "{a,b}", "{a,b}"),
        (Optional[str], "{a,b}", "{a,b}"),  # noqa: UP045 - it is another type than the one above
        (Union[int, str], "{a,b}", "{a,b}"),  # noqa: UP007
        (list[int] | None, "{1}", [1]),
        (Any, "{1}", "{1}"),
        (list[int], "{1", "22P02"),
        (list[int], "[1]", "22P02"),
        (int, "5", 5),
        (int, "x", "22P02"),
        (bool, "true", True),
        (UUID, str(AN_ID), AN_ID),
        (list[UUID], f"{{{AN_ID}}}", [AN_ID]),
        (Model, "a", Model("a")),
        (list[Model], "{a}", [Model("a")]),
        (Model, "bad", "22P02"),
        (int, str(2**63 - 1), 2**63 - 1),
        (int, str(2**63), "22P02"),
        (int, str(-(2**63)), -(2**63)),
        (int, str(-(2**63) - 1), "22P02"),
    ],
    ids=repr,
)
def test_text_of_a_query_is_read_as_its_type(hint: Any, text: str, value: Any) -> None:
    """Arrays are in PostgreSQL's braces, but where the function takes text: however its type says that."""
    assert value == read(hint, text, textual=True)


@pytest.mark.parametrize(
    ("hint", "given", "value"),
    [
        (list[int], [1, 2], [1, 2]),
        (list[int], "{1,2}", "22P02"),
        (int, "5", "22P02"),
        (int, 5, 5),
        (int, 2**63, "22P02"),
        (UUID, str(AN_ID), AN_ID),
        (Model, {"a": 1}, Model({"a": 1})),
    ],
    ids=repr,
)
def test_values_of_a_body_are_what_they_are(hint: Any, given: Any, value: Any) -> None:
    """JSON has types of its own."""
    assert value == read(hint, given, textual=False)


def test_every_fault_is_told() -> None:
    """The first one's words, and the list where there are several; what is left out has its default."""

    @function
    def call(a: int, b: int = 7, c: int = 8) -> int:
        return a + b + c

    assert {"a": 1, "b": 7, "c": 2} == read_arguments(call, {"a": 1, "c": 2}, textual=False)
    with pytest.raises(PlanError) as one:
        read_arguments(call, {"a": "x"}, textual=False)
    assert ("22P02", None) == (one.value.code, one.value.details)
    assert one.value.message.startswith('invalid value for the argument "a": ')
    with pytest.raises(PlanError) as both:
        read_arguments(call, {"a": "x", "c": "y"}, textual=False)
    assert ["a", "c"] == [fault["argument"] for fault in both.value.details]
    assert both.value.message.startswith('invalid value for the argument "a": ')
