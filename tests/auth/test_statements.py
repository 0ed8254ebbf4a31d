"""What every statement of accounts that changes rows must have, whichever flow runs it."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest
from sqlalchemy.dialects import postgresql, sqlite

import backstay.auth
from backstay.sql.query import Query

#: Which rows are over: by the time of day, for everybody.
SWEPT = {
    "challenge._sweep",
    "epoch._sweep",
    "flow._sweep",
    "oauth.spent._sweep",
    "oauth.state._sweep",
    "otp._sweep",
    "tending._end_sessions",
    "throttle._sweep",
}
#: Rows of an account but one, and the last administrator.
OTHERS = {"admin.change._ban", "admin.remove._anonymise", "admin.remove._delete", "assignment._take"} | {
    "mailbox._drop_identities"
}
#: What an account shows, and what it signs in with.
SHOWN = {"email", "role", "password_hash", "new_email", "user_metadata", "app_metadata", "banned_until"} | {
    "is_anonymous",
    "invited_at",
    "email_confirmed_at",
}
#: Run behind another statement of the same transaction that says when; or the hash is of the same password.
BEHIND = {
    "begun._drop_wish",
    "begun._end_wish",
    "mailbox._drop_password",
    "mailbox._set_about",
    "mailbox.set_metadata",
    "oauth.identities._set_about",
    "password.upgrade_hash",
    "superseded._forget_password",
}


def _changing() -> Iterator[tuple[str, Query[...]]]:
    for found in pkgutil.walk_packages(backstay.auth.__path__, "backstay.auth."):
        for query in vars(importlib.import_module(found.name)).values():
            if isinstance(query, Query) and query._build.__module__ == found.name:
                yield f"{found.name.removeprefix('backstay.auth.')}.{query.__name__}", query


QUERIES = dict(_changing())


def sql_of(name: str, dialect: object = None) -> str:
    """The SQL of a statement, made anew, on one line; names without their table."""
    built: Query[...] = Query(QUERIES[name]._build)
    sql = built.compiled(dialect or sqlite.dialect()).sql  # type: ignore[arg-type]
    return re.sub(r"backstay_\w+\.", "", " ".join(sql.split()))


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_change_is_of_rows_that_are_named(name: str) -> None:
    """A statement that changes rows says of which account, session or token by ``=``, or which are over."""
    for dialect in (sqlite.dialect(), postgresql.asyncpg.dialect()):
        sql = sql_of(name, dialect)
        if not sql.startswith(("UPDATE", "DELETE")):
            continue
        about = re.search(r' WHERE "?\w+"? (=|<=|<) ', sql)
        assert about is not None, sql
        assert (name in SWEPT) == (about[1] != "="), sql
        assert (name in OTHERS) == ("!=" in sql), sql


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_what_an_account_shows_says_when_it_changed(name: str) -> None:
    """``updated_at`` moves with everything that is shown of an account or of an identity."""
    sql = sql_of(name)
    set_ = re.match(r"UPDATE backstay_(users|identities) SET (.*) WHERE ", sql)
    if set_ is not None:
        columns = set(re.findall(r"(\w+)=", set_[2]))
        shows = set_[1] == "identities" or bool(columns & SHOWN)
        assert ("updated_at" in columns) == (shows and name not in BEHIND) or not shows, sql
