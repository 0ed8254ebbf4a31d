"""Timestamps, versions and soft deletion by mixin."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm.exc import StaleDataError

from tests.http.api import Api
from tests.http.desk_app import Note

NEW = {"owner_id": 1, "title": "new"}


def create(notes: Api, **more: Any) -> Any:
    reply = notes.post("notes", {**NEW, **more}, as_="ann", prefer="return=representation")
    assert 201 == reply.status, reply.body
    return reply.json[0]


def note(notes: Api, key: int) -> Any:
    return notes.rows(f"notes?id=eq.{key}")[0]


def test_rows_carry_their_times(notes: Api) -> None:
    """A new row has both times, close to now; a change moves the second one only."""
    made = create(notes)
    created, updated = (datetime.fromisoformat(made[name]) for name in ("created_at", "updated_at"))
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)
    assert abs(updated - created) < timedelta(seconds=1)
    notes.patch(f"notes?id=eq.{made['id']}", {"title": "newer"}, as_="ann")
    after = note(notes, made["id"])
    assert made["created_at"] == after["created_at"]
    assert datetime.fromisoformat(after["updated_at"]) > updated


@pytest.mark.parametrize("column", ["created_at", "updated_at", "version", "deleted_at"])
def test_clients_do_not_write_what_the_server_keeps(notes: Api, column: str) -> None:
    """A key of the server's is refused in every write, not dropped (AC14)."""
    value = 7 if column == "version" else "2001-01-01T00:00:00Z"
    refused = [
        notes.post("notes", {**NEW, column: value}, as_="ann"),
        notes.patch("notes?id=eq.1", {column: value}, as_="ann"),
        notes.post("notes", {"id": 1, **NEW, column: value}, as_="ann", prefer="resolution=merge-duplicates"),
    ]
    assert [(400, "PGRST204")] * 3 == [(reply.status, reply.code) for reply in refused]
    assert 4 == len(notes.rows("notes?owner_id=eq.1"))


def test_the_service_role_may(notes: Api) -> None:
    """An import brings its own times."""
    assert 204 == notes.patch("notes?id=eq.1", {"created_at": "2001-01-01T00:00:00Z"}, as_="svc").status
    assert note(notes, 1)["created_at"].startswith("2001")


def test_versions_count_changes(notes: Api) -> None:
    """A row begins at 1, and each change, a merge included, adds one."""
    made = create(notes)
    assert 1 == made["version"]
    notes.patch(f"notes?id=eq.{made['id']}", {"title": "b"}, as_="ann")
    merged = {"id": made["id"], **NEW, "title": "c"}
    reply = notes.post("notes", merged, as_="ann", prefer="resolution=merge-duplicates,return=representation")
    assert (200, 3, "c") == (reply.status, reply.json[0]["version"], reply.json[0]["title"])


def test_the_version_begins_the_tag(notes: Api) -> None:
    """A tag taken with one select is good for a change with another, once."""
    known = notes.get("notes/1", as_="ann").one("etag") or ""
    assert known.startswith('"1-')
    answers = [
        notes.patch("notes/1?select=id", {"title": title}, as_="ann", if_match=known).status for title in ("x", "y")
    ]
    assert [204, 412] == answers
    assert 204 == notes.patch("notes/1", {"title": "z"}, as_="ann", if_match='"2"').status


def test_no_update_of_a_versioned_row_is_lost(notes: Api) -> None:
    """Writers that only know the version lose nothing (ID2)."""

    async def add_one() -> None:
        while True:
            read = await notes.sending("GET", "counters/hits", as_="ann")
            row = json.loads(read.body)
            body = json.dumps({"total": row["total"] + 1}).encode()
            reply = await notes.sending("PATCH", "counters/hits", as_="ann", body=body, if_match=f'"{row["version"]}"')
            if reply.status == 204:
                return
            assert 412 == reply.status, reply.body

    async def all_of_them() -> None:
        await asyncio.gather(*(add_one() for _ in range(15)))

    notes.loop.run_until_complete(all_of_them())
    assert [{"name": "hits", "total": 15, "version": 16}] == notes.rows("counters")


def test_sessions_notice_stale_rows(notes: Api) -> None:
    """The version is SQLAlchemy's version_id_col: a session does not overwrite what it has not seen."""

    async def clash() -> None:
        async with notes.app.session() as session:
            row = await session.get(Note, 1)
            assert row is not None
            await session.execute(sa.text("UPDATE notes SET version = 9 WHERE id = 1"))
            row.title = "stale"
            await session.flush()

    notes.dirty = True
    with pytest.raises(StaleDataError):
        notes.loop.run_until_complete(clash())


def test_functions_that_clash_are_412(notes: Api) -> None:
    """A function that writes a row that has changed meanwhile is refused, and nothing stands."""
    assert (412, "BST412") == ((reply := notes.post("rpc/clash", as_="ann")).status, reply.code)
    assert ("one", 1) == (note(notes, 1)["title"], note(notes, 1)["version"])


# -- soft deletion -------------------------------------------------------------------------------------------------


def test_deleted_rows_stay_for_the_service_role(notes: Api) -> None:
    """DELETE marks the row: gone for its owner, there for the service role, with the moment and the next version."""
    reply = notes.delete("notes?id=eq.1&select=id,deleted_at", as_="ann", prefer="return=representation,count=exact")
    assert (200, [{"id": 1, "deleted_at": None}], "*/1") == (reply.status, reply.json, reply.range)
    assert 204 == notes.delete("notes/2", as_="ann").status
    kept = notes.rows("notes?id=in.(1,2)&select=deleted_at,version")
    assert [2, 2] == [row["version"] for row in kept]
    moment = datetime.fromisoformat(kept[0]["deleted_at"])
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert [3, 4] == notes.get("notes?select=id&order=id", as_="ann").ids


def test_deleted_rows_are_nowhere(notes: Api) -> None:
    """Not by filter, by path, in counts, in embeds either way, nor for a change."""
    notes.delete("notes?id=eq.1", as_="ann")
    notes.delete("folders?id=eq.2", as_="ann")
    assert [] == notes.get("notes?id=eq.1", as_="ann").json
    assert [] == notes.get("notes?deleted_at=not.is.null", as_="ann").json
    assert 404 == notes.get("notes/1", as_="ann").status
    assert "0-2/3" == notes.get("notes", as_="ann", prefer="count=exact").range
    assert [{"notes": [{"id": 2}]}] == notes.get("folders?id=eq.1&select=notes(id)", as_="ann").json
    assert [{"folders": None}] == notes.get("notes?id=eq.3&select=folders(name)", as_="ann").json
    assert [] == notes.get("notes?id=eq.3&select=folders!inner(name)", as_="ann").json
    assert [] == notes.patch("notes?id=eq.1", {"title": "x"}, as_="ann", prefer="return=representation").json
    assert 404 == notes.delete("notes/1", as_="ann").status
    assert "one" == note(notes, 1)["title"]


def test_nothing_refers_to_a_deleted_row(notes: Api) -> None:
    """A reference to a deleted row is refused as one to a missing row."""
    notes.delete("folders?id=eq.2", as_="ann")
    answers = [notes.post("notes", {**NEW, "folder_id": key}, as_="ann") for key in (2, 99)]
    assert [(409, "23503")] * 2 == [(reply.status, reply.code) for reply in answers]
    assert answers[0].json["message"] == answers[1].json["message"]


def test_a_merge_does_not_bring_a_row_back(notes: Api) -> None:
    """An upsert on the key of a deleted row changes nothing."""
    notes.delete("notes?id=eq.1", as_="ann")
    for resolution in ("merge-duplicates", "ignore-duplicates"):
        notes.post("notes", {"id": 1, **NEW}, as_="ann", prefer=f"resolution={resolution}")
    kept = note(notes, 1)
    assert ("one", True) == (kept["title"], kept["deleted_at"] is not None)


def test_conflicts_say_nothing_of_a_deleted_row(notes: Api) -> None:
    """A unique value stays taken; the refusal tells only what the client sent."""
    notes.delete("folders?id=eq.1", as_="ann")
    reply = notes.post("folders", {"owner_id": 1, "name": "work"}, as_="ann")
    assert (409, "23505") == (reply.status, reply.code)
    assert reply.json["details"] in (None, "Key (name)=(work) already exists.")


def test_the_service_role_brings_rows_back(notes: Api) -> None:
    """Setting deleted_at to null undoes the deletion."""
    notes.delete("notes?id=eq.1", as_="ann")
    assert 204 == notes.patch("notes/1", {"deleted_at": None}, as_="svc").status
    assert "one" == notes.get("notes/1", as_="ann").json["title"]
