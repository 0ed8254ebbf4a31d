"""Requests that ask for as much as they can, as a few words each: ``GET pages paths:120 likes:40 seed:7``.

A request is a method, a table and parts; a part has a name and a size.  Parts add to ``select``, to the filters, to the
headers, or are the body.  The seed changes names, so that no plan is known already.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

_SAFE: Final = "()*.,:&=-_>{}!"
_COLUMNS: Final = ("body", "title", "data", "tags", "price", "weight", "made", "parent_id", "id")


@dataclass
class Draft:
    """A request that is being put together."""

    select: list[str] = field(default_factory=list)
    pairs: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    kind: str = "application/json"

    def json(self, value: Any) -> None:
        self.body = json.dumps(value, separators=(",", ":")).encode()


Part = Callable[[Draft, int, int], None]


def _selects(make: Callable[[int, int], str]) -> Part:
    """*size* items of ``select``, each under a name of its own."""
    return lambda draft, size, seed: draft.select.extend(f"a{seed}x{n}:{make(n, seed)}" for n in range(size))


def _filters(make: Callable[[int], str]) -> Part:
    """*size* filters."""
    return lambda draft, size, seed: draft.pairs.extend(make(n) for n in range(size))


def _filter(make: Callable[[int], str]) -> Part:
    """One filter, of *size* parts."""
    return lambda draft, size, seed: draft.pairs.append(make(size))


def _header(name: str, make: Callable[[int], str]) -> Part:
    return lambda draft, size, seed: draft.headers.update({name: make(size)})


def _json(make: Callable[[int, int], Any], **headers: str) -> Part:
    def part(draft: Draft, size: int, seed: int) -> None:
        draft.json(make(size, seed))
        draft.headers.update(headers)

    return part


def _text(make: Callable[[int], str], kind: str = "application/json", **headers: str) -> Part:
    def part(draft: Draft, size: int, seed: int) -> None:
        draft.body, draft.kind = make(size).encode(), kind
        draft.headers.update(headers)

    return part


def _row(seed: int, number: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": 100_000 + seed * 2_000 + number, "title": "t", "body": "b", **more}


def _list(items: list[str]) -> str:
    return "{" + ",".join(items) + "}"


READS: Final[Mapping[str, Part]] = {
    "columns": _selects(lambda n, _: _COLUMNS[n % len(_COLUMNS)]),
    "bodies": _selects(lambda n, _: "body"),
    "paths": _selects(lambda n, _: f"data->{n}->k"),
    "texts": _selects(lambda n, _: f"data->>{n}"),
    "casts": _selects(lambda n, _: f"{_COLUMNS[n % 9]}::text"),
    "numbers": _selects(lambda n, _: f"{('title', 'body')[n % 2]}::int"),
    "children": _selects(lambda n, _: "children(id,title,price)"),
    "parents": _selects(lambda n, _: "pages!parent_id!inner(*)" if n % 2 else "parent(*)"),
    "deep": lambda draft, size, seed: draft.select.append(
        "".join(f"d{seed}x{n}:children(id," for n in range(min(size, 5))) + "id" + ")" * min(size, 5)
    ),
    "likes": _filter(lambda n: "body=like(any)." + _list([f"*{'a' * 150}{chr(98 + at % 20)}*" for at in range(n)])),
    "ilikes": _filter(lambda n: "body=ilike(all)." + _list([f"*{'A' * 90}{chr(66 + at % 20)}*" for at in range(n)])),
    "stars": _filter(lambda n: "body=like." + "*a" * min(n, 99) + "*b"),
    "blanks": _filter(lambda n: "body=like.*" + "_a" * min(n, 98) + "b*"),
    "regex": _filter(lambda n: f"body=match.{quote(f'((a|b)*a(a|b){{{min(n, 12)}}}){{4}}c')}"),
    "regexes": _filter(lambda n: "body=imatch(any)." + _list([f'"(a|ab)*c{at}(x+)+y"' for at in range(n)])),
    "within": _filter(lambda n: "id=in.(" + ",".join(map(str, range(n))) + ")"),
    "document": _filter(lambda n: "data=cs." + json.dumps([1.5] * n, separators=(",", ":"))),
    "objects": _filter(lambda n: "data=cs." + json.dumps([{"k": at} for at in range(n)], separators=(",", ":"))),
    "contained": _filter(lambda n: "tags=cd." + _list([f"t{at}" for at in range(n)])),
    "contains": _filter(lambda n: "tags=cs." + _list(["a"] * n)),
    "overlaps": _filter(lambda n: "tags=ov." + _list([f"z{at}" for at in range(n)])),
    "digits": _filter(lambda n: "price=eq." + "1" * n + "x"),
    "floats": _filter(lambda n: "weight=gt." + "1" * n + ".x"),
    "words": _filter(lambda n: "body=plfts(simple)." + "%20".join(f"w{at}" for at in range(n))),
    "alternatives": _filter(lambda n: "body=fts(english)." + "<->".join(["(x|y)"] * min(n, 50))),
    "alternative_words": _filters(lambda n: "body=fts(english)." + "<->".join(["(x|y)"] * 5 + [f"w{n}"])),
    "phrase": _filter(lambda n: "body=phfts." + "%20".join(["word"] * n)),
    "unequal": _filters(lambda n: f"body=neq.{n}"),
    "documents": _filters(lambda n: f"data=neq.{n}"),
    "keys": _filters(lambda n: f"data->k{n}=neq.{n}"),
    "moments": _filters(lambda n: f"made=neq.2024-01-01T00:00:{n % 60:02d}Z"),
    "logic": _filter(
        lambda n: "or=(" + ",".join(f"and(id.gt.{at},not.or(id.eq.{at},title.eq.x))" for at in range(n)) + ")"
    ),
    "nested_logic": _filter(lambda n: "and=(" * 1 + "not.or(" * min(n, 4) + "id.eq.1" + ")" * min(n, 4) + ")"),
    "order": _filter(lambda n: "order=" + ",".join(_COLUMNS[at % 9] for at in range(n))),
    "document_order": _filter(lambda n: "order=data,tags.desc"),
    "path_order": _filter(lambda n: "order=" + ",".join(f"data->k{at}" for at in range(n))),
    "unknown": _filters(lambda n: f"nobody{n}=eq.1"),
    "long_name": _selects(lambda n, _: "n" * 40),
    "cursor": _filter(lambda n: "cursor=" + "A" * n),
    "accept": _header("accept", lambda n: ",".join(f"a{at}/b;q=0.{at % 9}" for at in range(n))),
    "prefer": _header("prefer", lambda n: ",".join(f"a{at}=b" for at in range(n))),
    "counted": _header("prefer", lambda n: "count=exact"),
    "cookie": _header("cookie", lambda n: "; ".join(f"a{at}=b" for at in range(n))),
    "tags": _header("if-none-match", lambda n: ",".join(f'"{at}"' for at in range(n))),
    "range": _header("range", lambda n: "0-" + "9" * n),
    "bearer": _header("authorization", lambda n: "Bearer " + "a." * n),
    "csv": _header("accept", lambda n: "text/csv"),
}

WRITES: Final[Mapping[str, Part]] = {
    "strangers": _json(lambda n, s: [{f"k{at:02d}": 1 for at in range(99)} for _ in range(n)]),
    "stranger": _json(lambda n, s: {f"k{at}": 1 for at in range(n * 60)}),
    "rows": _json(lambda n, s: [_row(s, at) for at in range(n)], prefer="return=minimal"),
    "returned": _json(lambda n, s: [_row(s, at) for at in range(n)], prefer="return=representation"),
    "merged": _json(lambda n, s: [_row(0, at) for at in range(n)], prefer="resolution=merge-duplicates"),
    "twins": _json(lambda n, s: [_row(0, at % 2) for at in range(n)], prefer="resolution=merge-duplicates"),
    "family": _json(lambda n, s: [_row(s, 2 * at, children=[_row(s, 2 * at + 1)]) for at in range(n // 2)]),
    "faults": _json(lambda n, s: [_row(s, at, price="x", made="x", weight="x") for at in range(n)]),
    "documents": _json(lambda n, s: _row(s, data=[1.5] * n * 90), prefer="return=minimal"),
    "lists": _json(lambda n, s: _row(s, tags=["a"] * n * 90), prefer="return=minimal"),
    "digits": _json(lambda n, s: _row(s, price="1" * n * 900 + "x")),
    "spaces": _json(lambda n, s: _row(s, weight=" " * n * 900 + "1x", made=" " * n)),
    "braces": _json(lambda n, s: _row(s, tags="{" * n * 900)),
    "quotes": _json(lambda n, s: _row(s, tags="{" + '"a\\' * n * 200)),
    "text": _json(lambda n, s: _row(s, body="q" * n * 900), prefer="return=representation"),
    "deep": _text(lambda n: "[" * n * 900),
    "escapes": _text(lambda n: '{"body":"' + "\\u0041" * n * 150 + '"}'),
    "exponents": _text(lambda n: "[" + ",".join(['{"price":1e999}'] * n) + "]"),
    "bare": _text(lambda n: "{" * n * 450 + "}" * n * 450),
    "lines": _text(lambda n: "id,title,body\n" + "".join(f"{900_000 + at},t,b\n" for at in range(n)), "text/csv"),
    "long_line": _text(lambda n: ",".join(f"c{at}" for at in range(n)) + "\n", "text/csv"),
    "form": _text(lambda n: "&".join(f"k{at}=1" for at in range(n)), "application/x-www-form-urlencoded"),
}

#: As many values as a URL can list, none of which is there; and as many such lists as a batch may have.
_LISTS: Final = 30


def _absent(number: int, seed: int) -> str:
    return ",".join(str(2_000_000 + seed * 1000 + number * 7 + at) for at in range(999))


#: What stands for a whole body of ``POST batch``.
BATCHES: Final[Mapping[str, Callable[[int, int], list[Any]]]] = {
    "shapes": lambda n, s: [
        {"path": f"wide?select=id,{','.join(f'a{s}x{k}x{at}:c{at}' for at in range(40))}&limit=1"}
        for k in range(min(n, 100))
    ],
    "references": lambda n, s: [
        {
            "method": "POST",
            "path": "pages",
            "body": _row(s, body="z" * 100_000),
            "headers": {"prefer": "return=representation"},
        },
        {
            "method": "POST",
            "path": "pages",
            "body": [_row(s, 1 + at) | {"parent_id": {"$ref": "0.id"}} for at in range(min(n, 900))],
        },
    ],
    "patches": lambda n, s: [
        {"method": "PATCH", "path": f"pages?id=eq.{at}", "body": {_COLUMNS[at % 2]: "x"}}
        for at in range(6, min(n, 100))
    ],
    "lists": lambda n, s: [{"path": f"pages?select=id&id=in.({_absent(k, s)})"} for k in range(min(n, _LISTS))],
    "listed": lambda n, s: [
        {"method": "PATCH", "path": f"pages?id=in.({_absent(k, s)})", "body": {"title": "x"}}
        for k in range(min(n, _LISTS))
    ],
    "preconditions": lambda n, s: [{**one, "headers": {"if-match": "*"}} for one in BATCHES["listed"](n, s)],
    "pages": lambda n, s: [
        {"path": f"pages?select=id&id=in.({_absent(k, s)})", "headers": {"prefer": "page=keyset"}}
        for k in range(min(n, _LISTS))
    ],
    "families": lambda n, s: [
        {
            "method": "POST",
            "path": "pages",
            "body": _row(s, 20 * k, children=[_row(s, 20 * k + at) for at in range(1, 9)]),
        }
        for k in range(min(n, 100))
    ],
}

ROWS: Final = 1000


@dataclass(frozen=True)
class Hostile:
    """What is asked: *parts* are names and sizes."""

    method: str
    table: str
    parts: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return " ".join((self.method, self.table, *(f"{name}:{size}" for name, size in self.parts)))

    @classmethod
    def read(cls, text: str) -> Hostile:
        """The reverse of ``str``."""
        method, table, *parts = text.split()
        split = (part.partition(":") for part in parts)
        return cls(method, table, tuple((name, int(size)) for name, _, size in split))

    def draft(self, seed: int) -> Draft:
        draft = Draft()
        for name, size in self.parts:
            if self.table == "batch":
                draft.json(BATCHES[name](size, seed))
            else:
                (READS if self.method in ("GET", "DELETE") or (name in READS and name not in WRITES) else WRITES)[name](
                    draft, size, seed
                )
        return draft

    def request(self, seed: int) -> tuple[str, str, bytes, dict[str, str]]:
        """Method, path, body and headers."""
        draft = self.draft(seed)
        select = [f"select=id,{','.join(draft.select)}"] if draft.select else []
        if self.method == "PATCH":
            draft.pairs.append(f"id=eq.{6 + seed}")
        query = "&".join(quote(pair, safe=_SAFE + "%") for pair in (*select, *draft.pairs))
        headers = {**draft.headers, "content-type": draft.kind} if draft.body else draft.headers
        return self.method, self.table + ("?" + query if query else ""), draft.body, headers
