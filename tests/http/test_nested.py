"""Rows with their relatives inside, in one insert."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.pipeline import nested
from tests.http.api import Api, Reply

MARKS = [{"number": 1, "word": "one"}, {"number": 2, "word": "two"}]


def note(title: str = "new", **more: Any) -> dict[str, Any]:
    return {"owner_id": 1, "title": title, **more}


def create(notes: Api, path: str, body: Any, **named: Any) -> Reply:
    return notes.post(path, body, **{"as_": "ann", "prefer": "return=representation", **named})


def new(notes: Api) -> tuple[int, int, int]:
    """How many folders, notes and marks there are more than at first."""
    return (
        len(notes.rows("folders")) - 3,
        len(notes.rows("notes")) - 5,
        len(notes.rows("marks")) - 2,
    )


def test_a_note_with_its_marks(notes: Api) -> None:
    """The list stands under the relation's name, the keys are ours, and the answer shows what was nested."""
    reply = create(notes, "notes", note(marks=MARKS))
    assert 201 == reply.status, reply.body
    made = reply.json[0]
    assert [("one", made["id"]), ("two", made["id"])] == [(m["word"], m["note_id"]) for m in made["marks"]]
    assert (0, 1, 2) == new(notes)


def test_select_chooses_what_comes_back(notes: Api) -> None:
    """An explicit select is followed, embeds and their filters included; one object is one object."""
    path = "notes?select=title,m:marks(word)&m.word=eq.two&m.order=number"
    accept = "application/vnd.pgrst.object+json"
    assert {"title": "new", "m": [{"word": "two"}]} == create(notes, path, note(marks=MARKS), accept=accept).json


def test_without_a_representation(notes: Api) -> None:
    """Minimal is 201 and no body; headers-only has the place of the first row."""
    reply = create(notes, "notes", note(marks=MARKS), prefer="return=headers-only")
    assert (201, b"") == (reply.status, reply.body)
    assert notes.rows(str(reply.one("location")).removeprefix("/"))[0]["title"] == "new"
    assert (201, None) == ((r := create(notes, "notes", note(marks=[]), prefer="")).status, r.one("location"))


def test_three_levels_and_several_rows(notes: Api) -> None:
    """Folders with notes with marks, each on its own row, in the order in which they were sent."""
    body = [
        {"owner_id": 1, "name": name, "notes": [note(f"{name}{i}", marks=MARKS[:i]) for i in range(3)]}
        for name in ("x", "y")
    ]
    reply = create(notes, "folders?select=name,notes(title,marks(word))&notes.order=title", body)
    assert 201 == reply.status, reply.body
    words = [{"word": "one"}, {"word": "two"}]
    assert [
        {"name": n, "notes": [{"title": f"{n}{i}", "marks": words[:i]} for i in range(3)]} for n in ("x", "y")
    ] == reply.json
    assert (2, 6, 6) == new(notes)


def test_the_parent_inside_the_child(notes: Api) -> None:
    """A to-one relation holds an object, which is made first; null is no parent."""
    body = [note("a", folder={"owner_id": 1, "name": "fresh"}), note("b", folder=None)]
    reply = create(notes, "notes?select=title,folder(name)", body)
    assert [{"title": "a", "folder": {"name": "fresh"}}, {"title": "b", "folder": None}] == reply.json
    assert (1, 2, 0) == new(notes)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (note(marks=[{"number": 1, "word": "damn"}]), 403, "42501"),
        (note(marks=[MARKS[0], MARKS[0]]), 409, "23505"),
        (note(marks=[{"number": 1}]), 400, "23502"),
        (note(marks=[{"number": 1, "word": "x", "nope": 1}]), 400, "PGRST204"),
        (note(marks=[{"number": "x", "word": "x"}]), 400, "22P02"),
        (note(marks=[{"number": 1, "word": "x", "note_id": 1}]), 400, "PGRST102"),
        (note(marks={"number": 1}), 400, "PGRST102"),
        (note(marks=[5]), 400, "PGRST102"),
        (note(marks=[{"number": 1, "word": "x"}, {"number": 2}]), 400, "PGRST102"),
        (note(folder=[{"name": "x"}]), 400, "PGRST102"),
        (note(folder={"owner_id": 2, "name": "not mine"}, marks=MARKS), 403, "42501"),
        (note(folder={"owner_id": 1, "name": "x"}, folder_id=1), 400, "PGRST102"),
        (note(nothing=[]), 400, "PGRST204"),
        (note(counters=[]), 400, "PGRST204"),
        ({"owner_id": 2, "title": "x", "marks": MARKS}, 403, "42501"),
        (note(marks=MARKS, version=7), 400, "PGRST204"),
    ],
)
def test_nothing_stands_when_any_row_is_refused(notes: Api, body: Any, status: int, code: str) -> None:
    """Each level is judged as if it came alone, and the first refusal is the answer (all or nothing)."""
    reply = create(notes, "notes", body)
    assert (status, code) == (reply.status, reply.code), reply.body
    assert (0, 0, 0) == new(notes)


def test_rows_are_counted_at_all_levels(notes: Api) -> None:
    """1,000 rows together are fine, one more is not."""
    marks = [{"number": i, "word": "w"} for i in range(1000)]
    assert (413, "BST413") == ((r := create(notes, "notes", note(marks=marks))).status, r.code)
    assert 201 == create(notes, "notes", note(marks=marks[1:])).status


def test_levels_are_counted(api: Api) -> None:
    """Five levels are fine, six are not."""

    def deep(levels: int) -> dict[str, Any]:
        below = {"people": [deep(levels - 1)]} if levels > 1 else {}
        return {"name": f"level {levels}", **below}

    assert 201 == api.post("people", deep(5), as_="svc").status
    names = "people?select=name,people(name,people(name,people(name,people(name))))&name=eq.level 5"
    assert "level 1" in str(api.rows(names.replace(" ", "%20")))
    assert (413, "BST413") == ((r := api.post("people", deep(6), as_="svc")).status, r.code)


def test_a_row_has_one_parent(notes: Api) -> None:
    """A note inside of a folder's notes cannot have another folder inside of itself."""
    body = {"owner_id": 1, "name": "x", "notes": [note(folder={"owner_id": 1, "name": "y"})]}
    assert (400, "PGRST102") == ((r := create(notes, "folders", body)).status, r.code)
    assert (0, 0, 0) == new(notes)


def test_rows_of_nothing_but_defaults(notes: Api) -> None:
    """An empty object is a row of defaults, refused where a column has none."""
    assert (400, "23502") == ((r := notes.post("marks", {}, as_="svc")).status, r.code)
    assert (400, "23502") == ((r := notes.post("notes", {"marks": []}, as_="svc")).status, r.code)


def test_what_cannot_be_nested_says_so(api: Api) -> None:
    """Many-to-many goes through its junction; duplicates are not resolved."""
    product = {"id": 50, "name": "New", "price": 1, "categories": [{"name": "x"}]}
    assert "PGRST127" == api.post("products", product, as_="svc").code
    product = {"id": 50, "name": "New", "price": 1, "product_categories": [{"category_id": 1}]}
    assert 201 == api.post("products", product, as_="svc").status
    assert "PGRST127" == api.post("products", product, as_="svc", prefer="resolution=merge-duplicates").code


def test_a_json_column_is_no_relation(api: Api) -> None:
    """An object in a column stays the column's value."""
    row = {"id": 50, "name": "New", "price": 1, "details": {"deep": [1]}}
    assert {"deep": [1]} == api.post("products", row, as_="svc", prefer="return=representation").json[0]["details"]


def test_with_a_key_and_in_a_batch(notes: Api) -> None:
    """A nested insert is one effect under an Idempotency-Key, and one operation of a batch."""
    answers = [create(notes, "notes", note(marks=MARKS), idempotency_key="nested") for _ in range(2)]
    assert answers[0].body == answers[1].body
    operation = {"method": "POST", "path": "notes", "body": note(marks=MARKS)}
    assert 201 == notes.post("batch", [operation], as_="ann").json[0]["status"]
    assert (0, 2, 4) == new(notes)


def test_unknown_keys_are_looked_up_once(notes: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """S7: a body of many rows with many unknown keys resolves no name that cannot be a relation, and each other once."""
    resolved: list[str] = []

    def counting(table: Any, key: str, scope: Any) -> Any:
        resolved.append(key)
        return resolve(table, key, scope)

    resolve = nested._relation
    monkeypatch.setattr(nested, "_relation", counting)
    rows = [note(**{f"unknown_{n}": 1 for n in range(99)}, marks=[], notes_folder_id_fkey=None) for _ in range(400)]
    assert (400, "PGRST204") == ((r := notes.post("notes", rows, as_="ann")).status, r.code)
    assert {"marks": 1} == {key: resolved.count(key) for key in resolved if key == "marks"}
    assert len(resolved) <= 2


def test_names_are_bounded_at_each_level(notes: Api) -> None:
    """S7: those of relatives as those of rows, and whatever is called with them; nothing is repeated without end."""
    many = {f"unknown_{n}": 1 for n in range(2001)}
    for path, body in (("notes", note(**many)), ("notes", note(marks=[{**MARKS[0], **many}])), ("rpc/total", many)):
        assert (413, "BST413") == ((r := notes.post(path, body, as_="ann")).status, r.code), path
    few = {f"unknown_{n}": 1 for n in range(1900)}
    assert (400, "PGRST204") == ((r := notes.post("notes", note(**few), as_="ann")).status, r.code)
    assert 20_000 > len(r.body)
    assert (0, 0, 0) == new(notes)
