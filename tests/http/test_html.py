"""Columns of HTML through the API: clean however they are written (HT1)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api

DIRTY = '<p onclick="x()">Hi<script>alert(1)</script> <a href="javascript:x">y</a></p>'
CLEAN = '<p>Hi <a rel="noopener noreferrer">y</a></p>'


def ways(api: Api) -> Any:
    """Every way to write *DIRTY* into the sign of ward 1."""
    row = {"id": 1, "name": "North", "sign": DIRTY}
    yield lambda: api.patch("wards?id=eq.1", {"sign": DIRTY}, as_="dee")
    yield lambda: api.patch("wards/1", {"sign": DIRTY}, as_="dee")
    yield lambda: api.put("wards?id=eq.1", row, as_="dee")
    yield lambda: api.post("wards", [row], as_="dee", prefer="resolution=merge-duplicates")
    yield lambda: api.post("batch", [{"method": "PATCH", "path": "wards?id=eq.1", "body": {"sign": DIRTY}}], as_="dee")
    quoted = '"' + DIRTY.replace('"', '""') + '"'
    csv = f"id,name,sign\n1,North,{quoted}\n".encode()
    yield lambda: api.send(
        "POST", "wards", as_="dee", body=csv, content_type="text/csv", prefer="resolution=merge-duplicates"
    )


def test_every_write_is_cleaned(ward: Api) -> None:
    """HT1: no way in leaves what it was sent."""
    for write in ways(ward):
        ward.patch("wards?id=eq.1", {"sign": "x"}, as_="dee")
        reply = write()
        assert reply.status < 300, reply.body
        assert [{"sign": CLEAN}] == ward.get("wards?select=sign&id=eq.1").json


def test_what_is_sent_back_is_what_is_stored(ward: Api) -> None:
    """HT1: the representation of a write is clean too, also of nested rows."""
    reply = ward.post("wards?select=sign", {"name": "x", "sign": DIRTY}, as_="dee", prefer="return=representation")
    assert [{"sign": CLEAN}] == reply.json
    nested = {"name": "y", "people": [{"name": "p", "ssn": "1", "bio": DIRTY}]}
    reply = ward.post("wards", nested, as_="dee", prefer="return=representation")
    assert CLEAN == reply.json[0]["people"][0]["bio"]


def test_length_counts_what_is_stored(ward: Api) -> None:
    """What was cleaned away needs no room, and what is escaped does."""
    assert 204 == ward.patch("wards?id=eq.1", {"sign": "<script>" + "x" * 500 + "</script>ok"}, as_="dee").status
    assert "22001" == ward.patch("wards?id=eq.1", {"sign": "&" * 40}, as_="dee").code


def test_tangled_html_is_refused(ward: Api) -> None:
    """A2: 22023 for what a parser would follow for minutes; nothing is written, also of the rows beside it."""
    before = ward.get("wards?select=id,name,sign&order=id").json
    tangled = "<div>" * 2000
    for reply in (
        ward.patch("wards?id=eq.1", {"sign": tangled}, as_="dee"),
        ward.post("wards", [{"name": "a", "sign": "x"}, {"name": "b", "sign": tangled}], as_="dee"),
        ward.put("wards?id=eq.1", {"id": 1, "name": "North", "sign": tangled}, as_="dee"),
    ):
        assert (400, "22023") == (reply.status, reply.code)
        assert "more than 256 elements within each other" in reply.json["message"]
    assert before == ward.get("wards?select=id,name,sign&order=id").json


@pytest.mark.parametrize("query", ["sign=eq.x", "sign=like.*x*", "order=sign", "select=sign::text"])
def test_it_is_text_otherwise(ward: Api, query: str) -> None:
    """Filters, order and casts are those of text."""
    assert 200 == ward.get(f"wards?{query}").status
