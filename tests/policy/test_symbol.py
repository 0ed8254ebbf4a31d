"""``me`` itself is no value, and neither are its methods: each way to use them so is refused in its own words."""

from __future__ import annotations

import copy
import pickle
import pprint
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from backstay.errors import ConfigError
from backstay.policy.symbol import Symbol
from backstay.policy.watch import watched
from tests.policy.written import Note

OFFERED = "me offers me.id, me.role, me.aal, me.has_role(…), me.claim(…)."
ACCOUNTS = 'Write @allow(…, to="authenticated") for callers with an account.'
COMPARE = f"Compare one of its values: {OFFERED}"
ROLE, CLAIM = 'For example me.has_role("editor").', 'For example me.claim("org_id").'

MISUSED: list[tuple[Callable[[Any], Any], str, str]] = [
    (bool, "me", ACCOUNTS),
    (lambda me: me == 1, "me", COMPARE),
    (lambda me: me != 1, "me", COMPARE),
    (lambda me: me in [Note.id], "me", OFFERED),
    (hash, "me", OFFERED),
    (str, "me", OFFERED),
    (repr, "me", OFFERED),
    (ascii, "me", OFFERED),
    ("{:>3}".format, "me", OFFERED),
    ("%r".__mod__, "me", OFFERED),
    (pprint.pformat, "me", OFFERED),
    (copy.copy, "a copy of me", OFFERED),
    (copy.deepcopy, "a copy of me", OFFERED),
    (pickle.dumps, "a copy of me", OFFERED),
    (iter, "me", OFFERED),
    (lambda me: me["id"], "me[…]", OFFERED),
    (lambda me: me.user_id, "me.user_id", OFFERED),
    (lambda me: me._id, "me._id", OFFERED),
    (lambda me: Note.id == me, "me", OFFERED),
    (lambda me: sa.select(me), "me", OFFERED),
    *(
        (misused, f"me.{name} without a call", advice)
        for name, advice in (("has_role", ROLE), ("claim", CLAIM))
        for misused in (
            lambda me, name=name: bool(getattr(me, name)),
            lambda me, name=name: getattr(me, name) == "editor",
            lambda me, name=name: getattr(me, name) != "editor",
            lambda me, name=name: {getattr(me, name)},
            lambda me, name=name: f"{getattr(me, name)}",
            lambda me, name=name: list(getattr(me, name)),
            lambda me, name=name: getattr(me, name)["editor"],
            lambda me, name=name: "editor" in getattr(me, name),
            lambda me, name=name: getattr(me, name) & True,
            lambda me, name=name: True & getattr(me, name),
            lambda me, name=name: getattr(me, name) | True,
            lambda me, name=name: True | getattr(me, name),
            lambda me, name=name: ~getattr(me, name),
            lambda me, name=name: getattr(me, name) < 1,
            lambda me, name=name: getattr(me, name) > 1,
            lambda me, name=name: getattr(me, name) <= 1,
            lambda me, name=name: getattr(me, name) >= 1,
            lambda me, name=name: Note.team == getattr(me, name),
        )
    ),
]


@pytest.mark.parametrize(("misused", "text", "advice"), MISUSED, ids=range(len(MISUSED)))
def test_me_is_no_value(misused: Callable[[Any], Any], text: str, advice: str) -> None:
    """P1: the message names what was used, and the hint what me offers."""
    with pytest.raises(ConfigError) as refused, watched("one"):
        misused(Symbol())
    assert ("BST-E023", f"the policy one uses what is not a value: {text}", advice) == (
        refused.value.code,
        refused.value.message.partition(": ")[2],
        refused.value.hint,
    )


def test_me_is_asked_as_python_asks_everything() -> None:
    """P1: what Python looks for in any object is not there, and no fault of the policy."""
    with watched("one") as watch:
        assert [False, False] == [hasattr(Symbol(), name) for name in ("__html__", "__json__")]
    assert watch.refused is None


def test_me_outlives_its_policy() -> None:
    """P1: a policy that kept ``me`` finds it refused afterwards too."""
    with pytest.raises(ConfigError) as refused:
        bool(Symbol())
    assert "BST-E023" == refused.value.code
