"""Random requests that pry: every surface through which rows are told, for the property of noninterference.

`asking` walks the grammar that both databases answer alike; here stands what only two runs of one database are compared
by: computed fields, search, aggregates, casts, two embeds of one table, pages by key, exports, items and batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final

from tests.http.asking import Request, Shapes, read, write

_JSON: Final = "application/json"
ACCEPTS: Final = ("text/csv", "application/x-ndjson", "application/vnd.pgrst.array+json;nulls=stripped")
PLAN: Final = "application/vnd.pgrst.plan+json"


def pry(r: Random, shapes: Shapes) -> Request:
    """One request that reads."""
    made: Callable[[Random, Shapes], Request] = r.choice(_KINDS)
    return made(r, shapes)


def _get(path: str, **more: Any) -> Request:
    return Request("GET", path, **more)


def _computed(r: Random, _: Shapes) -> Request:
    asked = r.choice(
        ["share=gt.1", "share=not.is.null", "loud=eq.A", "or=(share.lt.3,n.eq.0)", "loud=like.*B", "n=gt.0"]
    )
    order = r.choice(["share", "loud.desc", "n,share.desc.nullslast", "public", "id.desc"])
    select = r.choice(["id", "id,share", "loud,n", "public,share", "id,notes(id),share"])
    return _get(f"docs?select={select}&{asked}&order={order}{_page(r)}", prefer=_counted(r))


def _search(r: Random, _: Shapes) -> Request:
    asked = f"{r.choice(['fts', 'plfts', 'phfts', 'wfts'])}.{r.choice(['a', 'ab', 'x', 'y', 'x y', 'zzz'])}"
    where = r.choice(
        [
            f"notes?select=id&found={asked}&order=found.desc",
            f"notes?select=id,body&found={asked}",
            f"notes?select=id&body={asked}",
            f"notes?select=id&found=not.{asked}&order=owner_id",
            f"docs?select=id,notes(id)&notes.found={asked}&notes.order=found.desc",
            f"docs?select=id,notes!inner(id)&notes.found={asked}",
        ]
    )
    return _get(where + _page(r), prefer=_counted(r))


def _aggregates(r: Random, _: Shapes) -> Request:
    value = r.choice(["n", "secret", "owner_id", "id"])
    folded = r.choice(["sum()", "avg()", "min()", "max()", "count()", "sum()::text"])
    return _get(
        r.choice(
            [
                f"docs?select={value}.{folded}",
                f"docs?select=public,{value}.{folded}",
                f"docs?select=title,public,{value}.{folded}&order=title.desc.nullslast{_page(r)}",
                "docs?select=data->a,count()&order=data->a.desc",
                f"authors?select=id,docs!author_id({value}.{folded})",
                "authors?select=id,docs!author_id(public,count())",
                "notes?select=count(),...docs(title)&order=docs(title)",
                f"notes?select=public,docs({value}.{folded})",
                "notes?select=body,count()&order=owner_id",
                "docs?select=id,author:author_id(count)&order=author(name)",
                f"docs?select=share.{folded},n",
                "docs?select=count&share=gt.0",
                f"docs?select=title::int.{folded}",
                f"docs?select=public,data->>a::int.{folded}",
                f"authors?select=id,docs!author_id(title::int.{folded})",
                f"docs?select=title::int,{value}.{folded}{_page(r)}",
                f"docs?select=public,key:data->>a::int,{value}.{folded}&public=is.true",
                "docs?select=title.max()::int,public",
                f"authors?select=id,docs!author_id(title::int,{value}.{folded})",
                "notes?select=count(),...docs(title::int)",
            ]
        ),
        prefer=_counted(r),
    )


def _casts(r: Random, _: Shapes) -> Request:
    cast = r.choice(
        ["title::int", "n::text", "secret::text", "data->>a::int", "n::bool", "tags::text", "data->a::text"]
    )
    column = r.choice(["n", "secret", "title", "public", "data->>a", "share"])
    return _get(
        f"docs?select=id,{cast}&{r.choice(['n=gt.0', 'secret=gt.1', 'public=is.true'])}&order={column}{_page(r)}"
    )


def _twice(r: Random, _: Shapes) -> Request:
    order = r.choice(
        ["a(name)", "b(name).desc", "b(public),a(name)", "a(owner_id).nullsfirst", "author_id", "authors(name)"]
    )
    asked = r.choice(["", "&a.public=is.true", "&b.name=eq.a", "&a=not.is.null", "&b=is.null", "&a.owner_id=gt.1"])
    return _get(
        r.choice(
            [
                f"docs?select=id,a:author_id(name),b:author_id(id)&order={order}{asked}",
                f"docs?select=id,a:author_id(id,public),b:author_id!inner(name)&order={order}{asked}",
                f"docs?select=id,a:notes(id),b:notes(body)&b.order=body.desc&a.limit=1{asked.replace('name', 'body')}",
                f"docs?select=id,author_id(name),author_id(id)&order={order}",
                f"docs?select=id,a:author_id(name),...author_id(owner:owner_id)&order={order}",
                "authors?select=id,a:docs!author_id(id),b:docs!links(id)&b.order=n.desc&a.order=secret",
            ]
        )
        + _page(r)
    )


def _spread(r: Random, _: Shapes) -> Request:
    return _get(
        r.choice(
            [
                "docs?select=id,...author_id(name,public)&order=author_id(name)",
                "authors?select=id,...docs!author_id(title,n)&docs.order=n",
                "authors?select=id,...docs!links(numbers:id)",
                "notes?select=id,...docs(title,...author_id(name))",
                "docs?select=id,...notes(body)&notes.limit=2",
                "docs?select=id,...links(author_id)&order=public",
            ]
        )
        + _page(r)
    )


def _keyset(r: Random, shapes: Shapes) -> Request:
    table = r.choice(["docs", "authors", "notes"])
    column = r.choice(list(shapes[table].columns))
    order = r.choice([f"&order={column}", f"&order={column}.desc", ""])
    prefer = r.choice(["page=keyset", "page=keyset, count=exact"])
    return _get(f"{table}?select=id&limit={r.randint(0, 3)}{order}", prefer=prefer)


def _export(r: Random, shapes: Shapes) -> Request:
    return replace(read(r, shapes), method="GET", accept=r.choice(ACCEPTS), range=None)


def _item(r: Random, shapes: Shapes) -> Request:
    table = r.choice(["docs", "authors", "notes"])
    select = r.choice(["", "?select=id", f"?select={r.choice(list(shapes[table].columns))}", "?select=id,notes(id)"])
    return replace(_get(f"{table}/{r.randint(0, 12)}{select}"), method=r.choice(["GET", "GET", "HEAD"]))


def _batch(r: Random, shapes: Shapes) -> Request:
    asked = [pry(r, shapes) if r.random() < 0.5 else read(r, shapes) for _ in range(r.randint(1, 4))]
    operations = [
        {"method": "GET", "path": one.path, "headers": {} if one.prefer is None else {"prefer": one.prefer}}
        for one in asked
        if one.method == "GET" and not one.path.startswith("rpc")
    ]
    return Request("POST", "batch", operations or [{"method": "GET", "path": "docs"}], idle=True)


def _plan(r: Random, shapes: Shapes) -> Request:
    return replace(read(r, shapes), accept=PLAN)


def _bare(r: Random, shapes: Shapes) -> Request:
    table = r.choice(list(shapes))
    columns = r.sample(list(shapes[table].columns), r.randint(1, 2))
    return _get(
        f"{table}?select={','.join(columns)}{_page(r)}",
        prefer=r.choice([None, "count=exact", "count=planned", "count=estimated"]),
    )


def _rpc(r: Random, _: Shapes) -> Request:
    return _get(
        r.choice(
            [
                "rpc/all_docs?select=id,title",
                "rpc/all_docs?select=id,title&order=n.desc",
                f"rpc/one_doc?id={r.randint(0, 12)}",
                "rpc/all_docs?select=id&share=gt.0&order=id",
                "rpc/all_docs?select=public,count",
                f"rpc/all_docs?select=id,notes(id)&limit={r.randint(0, 3)}",
            ]
        ),
        prefer=_counted(r),
    )


def _page(r: Random) -> str:
    return r.choice(["", "", f"&limit={r.randint(0, 3)}", f"&limit={r.randint(1, 3)}&offset={r.randint(0, 2)}"])


def _counted(r: Random) -> str | None:
    return r.choice([None, "count=exact", "count=planned", "count=estimated"])


def write_batch(r: Random, shapes: Shapes) -> Request:
    """Writes and reads of one transaction."""
    operations = []
    for _ in range(r.randint(1, 3)):
        one = write(r, shapes) if r.random() < 0.6 else read(r, shapes)
        operation: dict[str, Any] = {"method": one.method, "path": one.path, "headers": {"prefer": one.prefer or ""}}
        operations.append(operation if one.value is None else {**operation, "body": one.value})
    return Request("POST", "batch", operations)


_KINDS: Final[Sequence[Callable[[Random, Shapes], Request]]] = (
    _computed,
    _computed,
    _search,
    _aggregates,
    _aggregates,
    _casts,
    _twice,
    _spread,
    _keyset,
    _export,
    _item,
    _batch,
    _plan,
    _bare,
    _bare,
    _rpc,
    read,
    read,
    read,
)
