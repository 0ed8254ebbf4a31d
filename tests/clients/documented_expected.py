"""What the documented calls must answer, over the rows of ``harbour_app.py``.

Answers without an order are compared without one (see `ORDERED`).
"""

from __future__ import annotations

from typing import Any, Final

from tests.clients.expected import Expected
from tests.clients.harbour_app import ROWS, Boat, Fleet, Island, Port

Row = dict[str, Any]

PORTS: Final = ROWS[Port]
LERWICK, ULLAPOOL, HAMNAVOE = PORTS
ISLANDS: Final = ROWS[Island]
ALMA, BRISK, CYGNET = ROWS[Boat]
HERRING, MACKEREL = ROWS[Fleet]


def names(*rows: Row) -> Expected:
    return Expected([{"name": row["name"]} for row in rows])


def rows(*found: Row) -> Expected:
    return Expected(list(found))


def boats(fleet: Row, *found: Row) -> Row:
    return {"name": fleet["name"], "boats": [{"name": boat["name"]} for boat in found]}


def berths(*found: str) -> Expected:
    return Expected([{"berth": berth} for berth in found])


def words(*found: str) -> Expected:
    return Expected([{"words": text} for text in found])


IDS: Final = Expected([{"id": row["id"]} for row in PORTS])
LETTER: Final = {"content": "Fair winds", "from": {"name": "Ines"}, "to": {"name": "Jon"}}
BREAD, FAT_CAT = "Fresh bread and salted butter", "The fat cat sat on the salted rope"
RAT: Final = "A rat is no cat"
ADDRESS: Final = {"street": "Quay 3", "postcode": 4050}
NEW: Final = [(101, "Mousa"), (102, "Noss"), (103, "Yell"), (104, "Fetlar")]

_SELECT: Final = {
    "select_all": rows(*PORTS),
    "select_star": rows(*PORTS),
    "select_error": Expected(code="PGRST205", status=404),
    "select_columns": names(*PORTS),
    "select_referenced": rows(boats(HERRING, ALMA, BRISK), boats(MACKEREL, CYGNET)),
    "select_spaces": rows({"name": "lamps", "slow boats": [{"name": "Drift"}]}),
    "select_join_table": rows(
        {"name": "Ines", "crews": [{"name": "port watch"}, {"name": "starboard watch"}]},
        {"name": "Jon", "crews": [{"name": "starboard watch"}]},
        {"name": "Kari", "crews": []},
    ),
    "select_twice_by_column": rows(LETTER),
    "select_twice_by_constraint": rows(LETTER),
    "select_nested": rows(
        {"race_id": 7, "away_crew": {"sailors": [{"id": 1, "name": "Ines"}, {"id": 2, "name": "Jon"}]}}
    ),
    # A filter on what is embedded leaves the boat, without its fleet.
    "select_filtered_reference": rows(
        {"name": "Alma", "fleets": None}, {"name": "Brisk", "fleets": None}, {"name": "Cygnet", "fleets": MACKEREL}
    ),
    "select_referenced_count": rows({**HERRING, "boats": [{"count": 2}]}, {**MACKEREL, "boats": [{"count": 1}]}),
    "select_count": Expected(count=3),
    "select_json": rows(
        {"id": 1, "name": "Ines", "city": "Porto"},
        {"id": 2, "name": "Jon", "city": "Oban"},
        {"id": 3, "name": "Kari", "city": None},
    ),
    "select_inner": rows({"name": "Alma", "fleets": {"name": "herring"}}),
    "select_schema": Expected(code="PGRST106", status=406),
    "select_own_schema": IDS,
    "select_standalone": IDS,
    "openapi": Expected(["3.1.0", True]),
}
_FILTERS: Final = {
    "chain": names(ULLAPOOL),
    "chain_conditionally": names(HAMNAVOE),
    "json_value": rows({"name": "Ines"}),
    "referenced": rows(boats(MACKEREL, CYGNET)),
    "eq": rows(LERWICK),
    "neq": rows(ULLAPOOL, HAMNAVOE),
    "gt": rows(HAMNAVOE),
    "gte": rows(ULLAPOOL, HAMNAVOE),
    "lt": rows(LERWICK),
    "lte": rows(LERWICK, ULLAPOOL),
    "like": rows(LERWICK),
    "like_all": names(LERWICK),
    "like_any": names(LERWICK, HAMNAVOE),
    "ilike": rows(ULLAPOOL),
    "ilike_all": names(ULLAPOOL),
    "ilike_any": names(LERWICK, HAMNAVOE),
    "regex": names(LERWICK, HAMNAVOE),
    "iregex": names(ULLAPOOL),
    "is_null": rows(ISLANDS[1]),
    "is_distinct": rows({"id": 2}, {"id": 3}, {"id": 4}),
    "in": rows(LERWICK, ULLAPOOL),
    "not_in": names(HAMNAVOE),
    "contains_array": rows({"id": 2, "title": "Paint", "tags": ["is:open", "priority:low"]}),
    "contains_range": berths("north"),
    "contains_json": rows({"name": "Ines"}),
    "contained_array": rows({"name": "Knots"}),
    "contained_range": berths("north"),
    "contained_json": rows({"name": "Kari"}),
    "range_gt": berths("south"),
    "range_gte": berths("south"),
    "range_lt": berths("north"),
    "range_lte": berths("north"),
    "range_adjacent": berths("north"),
    "overlaps_array": rows({"title": "Leak"}, {"title": "Mast"}),
    "overlaps_range": berths("north"),
    "search": words(BREAD),
    "search_plain": words(FAT_CAT),
    "search_phrase": words(FAT_CAT),
    # The quotes of the documentation's example make it a phrase of two words and a stop word.
    "search_web": words(FAT_CAT, RAT),
    "match": names(ULLAPOOL),
    "not": rows(ISLANDS[0], *ISLANDS[2:]),
    "or": names(LERWICK, ULLAPOOL),
    "or_and": names(LERWICK, HAMNAVOE),
    "or_referenced": rows(boats(HERRING, ALMA, BRISK), boats(MACKEREL, CYGNET)),
    "filter": rows(LERWICK, HAMNAVOE),
    "filter_referenced": rows(boats(HERRING, ALMA)),
}
_MODIFIERS: Final = {
    "order": rows(HAMNAVOE, ULLAPOOL, LERWICK),
    "order_referenced": rows(boats(HERRING, BRISK, ALMA), boats(MACKEREL, CYGNET)),
    "order_by_referenced": rows(
        {"name": "Alma", "section": {"name": "herring"}},
        {"name": "Brisk", "section": {"name": "herring"}},
        {"name": "Cygnet", "section": {"name": "mackerel"}},
    ),
    "limit": names(LERWICK),
    "limit_referenced": rows(boats(HERRING, ALMA), boats(MACKEREL, CYGNET)),
    "range": names(LERWICK, ULLAPOOL),
    "aborted": Expected([None, True]),
    "aborted_in_time": IDS,
    "single": Expected({"name": "Lerwick"}),
    "maybe_single": Expected(None),
    "csv": Expected("id,name\n1,Lerwick\n2,Ullapool\n3,Hamnavoe"),
    "strip_nulls": rows(ISLANDS[0], {"id": 2}, *ISLANDS[2:]),
    # No table here has a geometry, and a plan is not for everybody.
    "geojson": Expected(code="PGRST107", status=406),
    "explain": Expected(code="PGRST107", status=406),
    "explain_analyze": Expected(code="PGRST107", status=406),
    "returns": IDS,
    "returns_one": Expected({"id": 1}),
    "override_types": IDS,
    "override_types_one": Expected({"id": 1}),
    "no_retry": IDS,
    "throws": Expected(code="PGRST205", status=404),
}
_WRITES: Final = {
    "insert": Expected(status=201),
    "insert_error": Expected(code="23505", status=409),
    "insert_returning": Expected([{"id": 102, "name": "Noss"}], status=201),
    "insert_bulk": Expected(status=201),
    "insert_bulk_error": Expected(code="23505", status=409),
    "inserted": Expected([{"id": id_, "name": name} for id_, name in NEW]),
    "rollback": Expected([{"id": 106, "name": "Papa Stour"}], status=201),
    "rolled_back": Expected([]),
    "upsert": Expected([{"id": 1, "fleet_id": 1, "name": "Albatross"}]),
    "upsert_error": Expected(code="PGRST204", status=400),
    "upsert_bulk": Expected([ALMA, {"id": 12, "fleet_id": None, "name": "Dawn"}], status=201),
    # The documentation shows this error: the handle is another row's.
    "upsert_constraint": Expected(code="23505", status=409),
    "upsert_on_conflict": Expected([{"id": 1, "name": "Ines of Porto"}]),
    "upsert_counted": Expected(status=201, count=1),
    "upsert_ignored": Expected([], status=201),
    "upsert_row": Expected([HERRING]),
    "update": Expected(status=204),
    "update_error": Expected(code="PGRST204", status=400),
    "update_returning": Expected([{"id": 12, "fleet_id": None, "name": "Dawn"}]),
    "update_json": Expected([{"id": 1, "address": ADDRESS}]),
    "update_max_affected": Expected(code="PGRST124", status=400),
    "delete": Expected(status=204),
    "delete_error": Expected(code="23503", status=409),
    "delete_returning": Expected([{"id": 102, "name": "Noss"}]),
    "delete_many": Expected(status=204),
    "deleted": Expected([]),
}
_FUNCTIONS: Final = {
    "rpc": Expected("Ahoy"),
    "rpc_arguments": Expected("👋"),
    "rpc_bulk": Expected([2, 3, 4]),
    "rpc_filtered": Expected(ISLANDS[0]),
    "rpc_read_only": Expected("Ahoy"),
    "rpc_count": Expected([{"id": row["id"]} for row in ISLANDS], count=4),
}

DOCUMENTED: Final[dict[str, Expected]] = {**_SELECT, **_FILTERS, **_MODIFIERS, **_WRITES, **_FUNCTIONS}
#: Calls that the JavaScript client alone has.
JAVASCRIPT_ONLY: Final = frozenset(
    (
        *("select_standalone", "openapi", "regex", "iregex", "is_distinct", "not_in", "aborted", "aborted_in_time"),
        *(
            "geojson",
            "returns",
            "returns_one",
            "override_types",
            "override_types_one",
            "throws",
            "rollback",
            "rolled_back",
        ),
    )
)
#: Calls whose answer has an order.
ORDERED: Final = frozenset(
    name for name in DOCUMENTED if name.startswith(("order", "range", "rpc_bulk", "aborted", "openapi"))
)
#: SQLite has no ranges.
RANGES: Final = frozenset(name for name in DOCUMENTED if name.endswith("_range") or name.startswith("range_"))
NO_RANGES: Final = Expected(code="PGRST127", status=400)
