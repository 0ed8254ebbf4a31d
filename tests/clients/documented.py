"""Every call that the Python client's reference documentation shows, with tables of our own.

A program like ``documented.mjs``, with the same names; what each must answer stands in ``documented_expected.py``.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

from postgrest.exceptions import APIError
from postgrest.types import CountMethod
from supabase import ClientOptions, create_client

facts: dict[str, Any] = json.loads(sys.argv[1])
supabase = create_client(facts["url"], facts["anonKey"], options=ClientOptions(auto_refresh_token=False))
EXACT = CountMethod.exact


def table(name: str) -> Any:
    return supabase.table(name)


def rows(name: str, *columns: str, **options: Any) -> Any:
    return supabase.table(name).select(*(columns or ("*",)), **options)


def ports(*columns: str, **options: Any) -> Any:
    return rows("ports", *columns, **options)


def may_1(start: str, end: str) -> str:
    return f"[2031-05-01 {start}, 2031-05-01 {end})"


def may_2(start: str, end: str) -> str:
    return f"[2031-05-02 {start}, 2031-05-02 {end})"


def berths() -> Any:
    return rows("moorings", "berth")


def conditionally() -> Any:
    name, least = "Hamnavoe", None
    query = ports("name")
    if name:
        query = query.eq("name", name)
    if least:
        query = query.gte("id", least)
    return query


def search(text: str, kind: str | None = None) -> Any:
    options = {"config": "english", **({"type": kind} if kind else {})}
    return rows("sayings", "words").text_search("words", text, options=options)


CALLS: dict[str, Callable[[], Any]] = {
    # select
    "select_all": lambda: ports(),
    "select_star": lambda: ports("*"),
    "select_error": lambda: rows("ports_of_call"),
    "select_columns": lambda: ports("name"),
    "select_referenced": lambda: rows("fleets", "name, boats(name)"),
    "select_spaces": lambda: rows("night fleets", 'name, "slow boats"(name)'),
    "select_join_table": lambda: rows("sailors", "name, crews(name)"),
    "select_twice_by_column": lambda: rows("letters", "content, from:sender_id(name), to:receiver_id(name)"),
    "select_twice_by_constraint": lambda: rows(
        "letters",
        "content, from:sailors!letters_sender_id_fkey(name), to:sailors!letters_receiver_id_fkey(name)",
    ),
    "select_nested": lambda: rows("races", "race_id:id, away_crew:crews!races_away_crew_fkey(sailors(id, name))"),
    "select_filtered_reference": lambda: rows("boats", "name, fleets(*)").eq("fleets.name", "mackerel"),
    "select_referenced_count": lambda: rows("fleets", "*, boats(count)"),
    "select_count": lambda: ports("*", count=EXACT, head=True),
    "select_json": lambda: rows("sailors", "id, name, address->city"),
    "select_inner": lambda: rows("boats", "name, fleets!inner(name)").eq("fleets.name", "herring").limit(1),
    "select_schema": lambda: supabase.schema("elsewhere").table("ports").select("*"),
    "select_own_schema": lambda: supabase.schema("public").table("ports").select("id"),
    # filters
    "chain": lambda: ports("name").gte("id", 2).lt("id", 3),
    "chain_conditionally": conditionally,
    "json_value": lambda: rows("sailors", "name").eq("address->postcode", 4050),
    "referenced": lambda: rows("fleets", "name, boats!inner(name)").eq("boats.name", "Cygnet"),
    "eq": lambda: ports().eq("name", "Lerwick"),
    "neq": lambda: ports().neq("name", "Lerwick"),
    "gt": lambda: ports().gt("id", 2),
    "gte": lambda: ports().gte("id", 2),
    "lt": lambda: ports().lt("id", 2),
    "lte": lambda: ports().lte("id", 2),
    "like": lambda: ports().like("name", "%er%"),
    "like_all": lambda: ports("name").like_all_of("name", "%er%,L%"),
    "like_any": lambda: ports("name").like_any_of("name", "%er%,Ham%"),
    "ilike": lambda: ports().ilike("name", "%ULL%"),
    "ilike_all": lambda: ports("name").ilike_all_of("name", "%A%,%POOL"),
    "ilike_any": lambda: ports("name").ilike_any_of("name", "ham%,LER%"),
    "is_null": lambda: rows("islands").is_("name", "null"),
    "in": lambda: ports().in_("name", ["Lerwick", "Ullapool"]),
    "contains_array": lambda: rows("repairs").contains("tags", ["is:open", "priority:low"]),
    "contains_range": lambda: berths().contains("during", may_1("13:00", "13:30")),
    "contains_json": lambda: rows("sailors", "name").contains("address", {"postcode": 4050}),
    "contained_array": lambda: rows("lessons", "name").contained_by(
        "days", ["monday", "tuesday", "wednesday", "friday"]
    ),
    "contained_range": lambda: berths().contained_by("during", may_1("00:00", "23:59")),
    "contained_json": lambda: rows("sailors", "name").contained_by("address", {}),
    "range_gt": lambda: berths().range_gt("during", ["2031-05-02 08:00", "2031-05-02 09:00"]),
    "range_gte": lambda: berths().range_gte("during", ["2031-05-02 08:30", "2031-05-02 09:30"]),
    "range_lt": lambda: berths().range_lt("during", ["2031-05-01 15:00", "2031-05-01 16:00"]),
    "range_lte": lambda: berths().range_lte("during", ["2031-05-01 14:00", "2031-05-01 16:00"]),
    "range_adjacent": lambda: berths().range_adjacent("during", ["2031-05-01 12:00", "2031-05-01 13:00"]),
    "overlaps_array": lambda: rows("repairs", "title").overlaps("tags", ["is:closed", "severity:high"]),
    "overlaps_range": lambda: berths().overlaps("during", may_1("12:45", "13:15")),
    "search": lambda: search("'bread' & 'butter'"),
    "search_plain": lambda: search("'fat' & 'cat'", "plain"),
    "search_phrase": lambda: search("'fat' & 'cat'", "phrase"),
    "search_web": lambda: search("'fat or cat'", "web_search"),
    "match": lambda: ports("name").match({"id": 2, "name": "Ullapool"}),
    "not": lambda: rows("islands").not_.is_("name", "null"),
    "or": lambda: ports("name").or_("id.eq.2,name.eq.Lerwick"),
    "or_and": lambda: ports("name").or_("id.gt.2,and(id.eq.1,name.eq.Lerwick)"),
    "or_referenced": lambda: rows("fleets", "name, boats!inner(name)").or_(
        "fleet_id.eq.1,name.eq.Cygnet", reference_table="boats"
    ),
    "filter": lambda: ports().filter("name", "in", '("Lerwick","Hamnavoe")'),
    "filter_referenced": lambda: rows("fleets", "name, boats!inner(name)").filter("boats.name", "eq", "Alma"),
    # modifiers
    "order": lambda: ports("id, name").order("id", desc=True),
    "order_referenced": lambda: rows("fleets", "name, boats(name)").order("name", desc=True, foreign_table="boats"),
    "order_by_referenced": lambda: rows("boats", "name, section:fleets(name)").order("section(name)").order("name"),
    "limit": lambda: ports("name").limit(1),
    "limit_referenced": lambda: rows("fleets", "name, boats(name)").limit(1, foreign_table="boats"),
    "range": lambda: ports("name").range(0, 1),
    "single": lambda: ports("name").limit(1).single(),
    "maybe_single": lambda: ports().eq("name", "Nowhere").maybe_single(),
    "csv": lambda: ports().csv(),
    "strip_nulls": lambda: rows("islands").strip_nulls(),
    "explain": lambda: ports().explain(),
    "explain_analyze": lambda: ports().explain(analyze=True, verbose=True),
    "no_retry": lambda: ports("id").retry(False),
    # insert
    "insert": lambda: table("islands").insert({"id": 101, "name": "Mousa"}, returning="minimal"),
    "insert_error": lambda: table("islands").insert({"id": 101, "name": "Mousa again"}),
    "insert_returning": lambda: table("islands").insert({"id": 102, "name": "Noss"}),
    "insert_bulk": lambda: table("islands").insert(
        [{"id": 103, "name": "Yell"}, {"id": 104, "name": "Fetlar"}], returning="minimal"
    ),
    "insert_bulk_error": lambda: table("islands").insert([{"id": 105, "name": "One"}, {"id": 105, "name": "same"}]),
    "inserted": lambda: rows("islands").gt("id", 100).order("id"),
    # upsert
    "upsert": lambda: table("boats").upsert({"id": 1, "name": "Albatross"}),
    "upsert_error": lambda: table("boats").upsert({"id": 1, "nickname": "Al"}),
    "upsert_bulk": lambda: table("boats").upsert([{"id": 1, "name": "Alma"}, {"id": 12, "name": "Dawn"}]),
    "upsert_constraint": lambda: table("sailors").upsert({"id": 42, "handle": "ines", "name": "Ines again"}),
    "upsert_on_conflict": lambda: (
        table("sailors").upsert({"handle": "ines", "name": "Ines of Porto"}, on_conflict="handle").select("id, name")
    ),
    "upsert_counted": lambda: table("sailors").upsert(
        {"id": 9, "handle": "lea", "name": "Lea"}, on_conflict="handle", count=EXACT, returning="minimal"
    ),
    "upsert_ignored": lambda: table("sailors").upsert(
        {"handle": "jon", "name": "Not Jon"}, on_conflict="handle", ignore_duplicates=True
    ),
    "upsert_row": lambda: table("fleets").upsert({"id": 1, "name": "herring"}),
    # update
    "update": lambda: table("boats").update({"name": "Dusk"}, returning="minimal").eq("id", 12),
    "update_error": lambda: table("boats").update({"nickname": "D"}).eq("id", 12),
    "update_returning": lambda: table("boats").update({"name": "Dawn"}).eq("id", 12),
    "update_json": lambda: (
        table("sailors")
        .update({"address": {"street": "Quay 3", "postcode": 4050}})
        .eq("address->postcode", 4050)
        .select("id, address")
    ),
    "update_max_affected": lambda: table("islands").update({"name": "Too many"}).gt("id", 0).max_affected(1),
    # delete
    "delete": lambda: table("islands").delete(returning="minimal").eq("id", 101),
    "delete_error": lambda: table("fleets").delete().eq("id", 2),
    "delete_returning": lambda: table("islands").delete().eq("id", 102),
    "delete_many": lambda: table("islands").delete(returning="minimal").in_("id", [103, 104, 105]),
    "deleted": lambda: rows("islands", "id").gt("id", 100),
    # rpc
    "rpc": lambda: supabase.rpc("hello_harbour"),
    "rpc_arguments": lambda: supabase.rpc("shout", {"say": "👋"}),
    "rpc_bulk": lambda: supabase.rpc("one_more_each", {"arr": [1, 2, 3]}),
    "rpc_filtered": lambda: supabase.rpc("charted_islands").eq("id", 1).single(),
    "rpc_read_only": lambda: supabase.rpc("hello_harbour", get=True),
    "rpc_count": lambda: supabase.rpc("charted_islands", {}, count=EXACT).select("id"),
}


def main() -> None:
    for name, call in CALLS.items():
        line: dict[str, Any] = {"name": name, "data": None, "count": None, "status": None, "error": None}
        try:
            answer = call().execute()
            # `maybe_single` answers None for no row; `explain` answers text.
            line["data"] = getattr(answer, "data", answer)
            line["count"] = getattr(answer, "count", None)
        except APIError as refusal:
            line["error"] = {key: getattr(refusal, key) for key in ("code", "message", "details", "hint")}
        except Exception:
            line["threw"] = traceback.format_exc()
        print(json.dumps(line), flush=True)


main()
