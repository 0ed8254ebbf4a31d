"""Which function of the database a call means."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from backstay.catalog.facts import ArgumentFacts, FunctionFacts, Name
from backstay.catalog.opaque import NativeArray, NativeJSON
from backstay.catalog.routine import Routine
from backstay.errors import PlanError
from backstay.plan.routine import argument_texts, choose
from backstay.request import Sent, sent_pairs

TEXT = sa.Text()


def function(name: str, *arguments: ArgumentFacts) -> Routine:
    return Routine(FunctionFacts(Name("pot", name), arguments, "value"))


def needs(name: str, type_name: str = "text") -> ArgumentFacts:
    return ArgumentFacts(name, TEXT, type_name=type_name)


def takes(name: str) -> ArgumentFacts:
    return ArgumentFacts(name, TEXT, required=False, type_name="text")


NOTHING = function("brew")
TWO = function("brew", needs("leaf"), takes("sugar"))
WHOLE = function("brew", ArgumentFacts("", NativeJSON(), type_name="json"))
LINES = function("brew", needs("", "text"))
BREW = {"brew": (NOTHING, TWO, WHOLE, LINES), "steep": (TWO,)}


@pytest.mark.parametrize(
    ("sent", "chosen"),
    [
        (sent_pairs([]), NOTHING),
        (sent_pairs([("leaf", "oolong")]), TWO),
        (sent_pairs([("leaf", "oolong"), ("sugar", "1")]), TWO),
        (Sent({}, whole="json", body="{}"), NOTHING),
        (Sent({"leaf": 1}, whole="json", body='{"leaf": 1}'), TWO),
        (Sent({"milk": 1}, whole="json", body='{"milk": 1}'), WHOLE),
        (Sent({}, whole="text", body="green"), LINES),
    ],
)
def test_names_choose(sent: Sent, chosen: Routine) -> None:
    """The names of the arguments choose; where none fit, the function that takes the whole body."""
    assert chosen is choose("brew", BREW, sent, "pot")


@pytest.mark.parametrize(
    ("name", "sent", "message", "details", "hint"),
    [
        ("brew", sent_pairs([("leaves", "x")]), "brew(leaves)", "with parameter leaves", "brew(leaf, sugar)"),
        ("br", sent_pairs([]), "br without parameters", "without parameters", None),
        ("brewe", sent_pairs([]), "brewe without parameters", "without parameters", "brew"),
        (
            "stee",
            Sent({"a": 1, "b": 2}, whole="json"),
            "stee(a, b)",
            "with parameters a, b or with a single unnamed json/jsonb parameter",
            "steep",
        ),
        ("steep", Sent({}, whole="bytea"), "steep", "with a single unnamed bytea parameter", None),
    ],
)
def test_none_fits(name: str, sent: Sent, message: str, details: str, hint: str | None) -> None:
    """PGRST202 says what was looked for, and what is near: a name only if it is very near."""
    with pytest.raises(PlanError) as refused:
        choose(name, BREW, sent, "pot")
    error = refused.value
    assert f"Could not find the function pot.{message} in the schema cache" == error.message
    assert (
        f"Searched for the function pot.{name} {details}, but no matches were found in the schema cache."
        == error.details
    )
    assert (None if hint is None else f"Perhaps you meant to call the function pot.{hint}") == error.hint


def test_several_fit() -> None:
    """PGRST203 tells them apart by their types."""
    both = {"pour": (function("pour", needs("to", "integer")), function("pour", needs("to"), takes("from")))}
    with pytest.raises(PlanError) as refused:
        choose("pour", both, sent_pairs([("to", "1")]), "pot")
    assert "PGRST203" == refused.value.code
    assert refused.value.message.endswith("between: pot.pour(to => integer), pot.pour(to => text, from => text)")


@pytest.mark.parametrize(
    ("routine", "sent", "texts"),
    [
        (TWO, sent_pairs([("leaf", "a"), ("leaf", "b")]), ["b"]),
        (TWO, Sent({"leaf": 7, "sugar": None}), ["7", None]),
        (WHOLE, Sent({"x": 1}, whole="json", body='{"x": 1}'), ['{"x": 1}']),
        (function("f", ArgumentFacts("j", NativeJSON())), Sent({"j": "a"}), ['"a"']),
        (function("f", ArgumentFacts("v", NativeArray(TEXT), variadic=True)), sent_pairs([("v", "a b")]), ['{"a b"}']),
        (function("f", ArgumentFacts("v", NativeArray(TEXT), variadic=True)), Sent({"v": ["a", "b"]}), ["{a,b}"]),
        (function("f", ArgumentFacts("v", NativeArray(TEXT))), sent_pairs([("v", "{a}")]), ["{a}"]),
    ],
)
def test_texts(routine: Routine, sent: Sent, texts: Any) -> None:
    """Every argument travels as the text of its type; what is variadic takes every value of its name."""
    assert texts == [text for _, text in argument_texts(routine, sent)]
