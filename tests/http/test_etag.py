"""Entity tags and preconditions on one row."""

from __future__ import annotations

import asyncio
import json
from typing import Literal

import pytest

from backstay.errors import Forbidden
from backstay.plan.scope import Scope
from backstay.plan.write import plan_lock
from backstay.request.read import Query
from backstay.sql.prepared import prepare
from backstay.sql.write import lock_sql
from tests.http.api import Api

OBJECT = "application/vnd.pgrst.object+json"


def tag(api: Api, path: str = "products/1") -> str:
    found = api.get(path, as_="svc").one("etag")
    assert found is not None
    return found


def test_single_rows_have_a_tag(api: Api) -> None:
    """An item and an object of a table have the same strong tag; a list has none, and HEAD has what GET has."""
    item = api.get("products/1", as_="svc").one("etag")
    assert item is not None
    assert '""' == item[0] + item[-1]
    assert item == api.get("products?id=eq.1", as_="svc", accept=OBJECT).one("etag")
    assert item == api.head("products/1", as_="svc").one("etag")
    assert None is api.get("products?id=eq.1", as_="svc").one("etag")


def test_tags_differ_with_what_is_shown(api: Api) -> None:
    """Another select, or a caller who sees other columns, has another tag."""
    tags = {tag(api), tag(api, "products/1?select=id"), api.get("products/1", as_="ann").one("etag")}
    assert 3 == len(tags)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
def test_known_representations_are_not_sent_again(api: Api, form: str) -> None:
    """If-None-Match with the tag is 304, without a body and with the tag."""
    known = tag(api)
    reply = api.get("products/1", as_="svc", if_none_match=form.replace("{}", known))
    assert (304, b"", known) == (reply.status, reply.body, reply.one("etag"))


def test_changed_representations_are_sent(api: Api) -> None:
    """After a change the old tag is not known any more."""
    old = tag(api)
    api.patch("products/1", {"stock": 1}, as_="svc")
    assert 200 == api.get("products/1", as_="svc", if_none_match=old).status


def test_a_change_needs_the_current_row(api: Api) -> None:
    """If-Match with the current tag changes; with an older one it is 412, and nothing is changed."""
    old = tag(api)
    assert 204 == api.patch("products/1", {"stock": 1}, as_="svc", if_match=old).status
    reply = api.patch("products/1", {"stock": 2}, as_="svc", if_match=old)
    assert (412, "BST412", tag(api)) == (reply.status, reply.code, reply.one("etag"))
    assert 412 == api.delete("products/1", as_="svc", if_match=old).status
    assert [{"stock": 1}] == api.rows("products?id=eq.1&select=stock")


def test_a_tag_is_known_without_its_quotes(api: Api) -> None:
    """People type a tag as they read it: one without quotes is understood, alone, and means no other tag."""
    bare = tag(api).strip('"')
    assert 304 == api.get("products/1", as_="svc", if_none_match=bare).status
    assert 304 == api.get("products/1", as_="svc", if_none_match=f" {bare} ").status
    assert 200 == api.get("products/1", as_="svc", if_none_match=bare[:-1]).status
    assert 412 == api.patch("products/1", {"stock": 1}, as_="svc", if_match=bare[:-1]).status
    for several in (f"{bare}, {bare}", f'{bare}, "x"', f'"x", {bare}'):
        assert (400, "BST400") == ((told := api.get("products/1", as_="svc", if_none_match=several)).status, told.code)
    assert 204 == api.patch("products/1", {"stock": 1}, as_="svc", if_match=bare).status
    assert [{"stock": 1}] == api.rows("products?id=eq.1&select=stock")


def test_weak_tags_do_not_match(api: Api) -> None:
    """If-Match compares strongly (RFC 9110 §13.1.1)."""
    assert 412 == api.patch("products/1", {"stock": 1}, as_="svc", if_match="W/" + tag(api)).status


def test_preconditions_of_missing_rows(api: Api) -> None:
    """An item that is not there is 404 as without the header; a filter that finds nothing is 412."""
    assert 404 == api.patch("products/99", {"stock": 1}, as_="svc", if_match="*").status
    assert 412 == api.patch("products?id=eq.99", {"stock": 1}, as_="svc", if_match="*").status
    assert 204 == api.patch("products/1", {"stock": 1}, as_="svc", if_match="*").status


def test_the_answer_of_a_change_has_the_next_tag(api: Api) -> None:
    """A representation in answer to PATCH carries the tag for the next one."""
    reply = api.patch("products/1", {"stock": 1}, as_="svc", prefer="return=representation", if_match=tag(api))
    following = reply.one("etag")
    assert following is not None
    assert (following, 204) == (tag(api), api.delete("products/4", as_="svc", if_match="*").status)
    assert 204 == api.patch("products/1", {"stock": 2}, as_="svc", if_match=following).status


def test_creates_only_what_is_not_there(api: Api) -> None:
    """If-None-Match: * on POST creates, or is 412."""
    row = {"code": "ES", "name": "Spain"}
    first, second = (api.post("countries", row, as_="svc", if_none_match="*") for _ in range(2))
    assert (201, 412) == (first.status, second.status)


def test_puts_only_what_is_there_or_not(api: Api) -> None:
    """PUT with If-None-Match: * creates only, with If-Match replaces only."""
    row = {"code": "ES", "name": "Spain"}
    assert 412 == api.put("countries/ES", row, as_="svc", if_match="*").status
    answers = [api.put("countries/ES", row, as_="svc", if_none_match=" *").status for _ in range(2)]
    assert [204, 412] == answers
    known = tag(api, "countries/ES")
    assert 204 == api.put("countries/ES", {**row, "name": "España"}, as_="svc", if_match=known).status
    assert 412 == api.put("countries/ES", row, as_="svc", if_match=known).status


def test_malformed_tags_are_refused(api: Api) -> None:
    """What is no list of tags is 400: guessing would change a row that was not meant."""
    assert (400, "BST400") == ((r := api.patch("products/1", {}, as_="svc", if_match='"a" b')).status, r.code)


def test_hidden_rows_tell_nothing(api: Api) -> None:
    """A precondition on a row that the caller may not see is as on a missing one."""
    known = tag(api, "products/5")
    for path in ("products/5", "products/99"):
        assert 404 == api.get(path, as_="ann", if_none_match=known).status


def test_no_update_is_lost(api: Api) -> None:
    """Writers that read, add one and write with If-Match lose nothing, however they interleave (ID2)."""
    writers, each = 6, 4

    async def add_one() -> int:
        refused = 0
        while True:
            read = await api.sending("GET", "products/1?select=stock", as_="svc")
            stock, known = json.loads(read.body)["stock"], read.one("etag")
            body = json.dumps({"stock": stock + 1}).encode()
            reply = await api.sending("PATCH", "products/1?select=stock", as_="svc", body=body, if_match=known)
            if reply.status == 204:
                return refused
            assert 412 == reply.status, reply.body
            refused += 1

    async def writer() -> int:
        return sum([await add_one() for _ in range(each)])

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(writer() for _ in range(writers)))

    refused = sum(api.loop.run_until_complete(all_of_them()))
    assert [{"stock": 10 + writers * each}] == api.rows("products?id=eq.1&select=stock")
    assert refused > 0  # else nothing was raced for


@pytest.mark.parametrize("precondition", ["*", '"0123456789abcdef"'])
@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_who_may_not_write_a_row_locks_none(api: Api, method: str, precondition: str) -> None:
    """S6: a reader is refused before anything is locked or compared, whatever the tag."""
    body = {"id": 1, "name": "x", "price": 1} if method == "PUT" else {"name": "x"} if method == "PATCH" else None
    for path in ("products?id=eq.1", "products?id=gt.0", "products/1"):
        if method != "PUT" or "gt" not in path:
            reply = api._write(method, path, body, {"as_": "ann", "if_match": precondition})
            assert (403, "42501") == (reply.status, reply.code), path


@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_lock_is_of_two_rows_that_may_be_written(api: Api, action: Literal["update", "delete"]) -> None:
    """S6: a URL that means a table locks two of its rows at most, and of those only what the caller might change."""
    surface = api.app._kernel._data._surface  # type: ignore[union-attr]
    scope, shape = Scope(surface.catalog, surface.rules, ("authenticated", frozenset(), True)), Query()
    with pytest.raises(Forbidden):
        plan_lock("products", shape, scope, action)
    if action == "update":
        plan = plan_lock("people", shape, scope, action)
        text = prepare(lock_sql(plan, surface.dialect, 2), surface.dialect.compiler).sql
        assert scope.grant("update", plan.table) is plan.grant
        assert "LIMIT 2" in " ".join(text.split())
        assert ("FOR UPDATE" in text) == (api.name == "postgresql")


def test_who_may_only_create_puts_a_new_row(api: Api) -> None:
    """S6: that needs no lock, and no right to update."""
    body = {"product_id": 3, "category_id": 2}
    path = "product_categories?product_id=eq.3&category_id=eq.2"
    api.delete(path, as_="dee")
    assert 204 == (first := api.put(path, body, as_="dee", if_none_match="*")).status, first.body
    assert 412 == api.put(path, body, as_="dee", if_none_match="*").status
