"""What the data plane serves: the catalog, the rules and the bounds, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from backstay.budget import DEFAULT_BUDGET, RequestBudget
from backstay.catalog import Catalog
from backstay.catalog.geometry import spatial_of
from backstay.catalog.routine import Routine
from backstay.catalog.sealing import Notice
from backstay.crypt import Keyring
from backstay.errors import RequestError
from backstay.pipeline.planner import Planner
from backstay.pipeline.request import DataRequest
from backstay.pipeline.workers import Workers
from backstay.plan.scope import Scope, find_table
from backstay.policy import Kind, Principal, Rule
from backstay.request import QueryLimits, check_strict, parse_prefer, parse_query
from backstay.request.media import MediaKind
from backstay.request.prefer import Preferences, TxEnd, settle_end, undoes
from backstay.request.read import Query
from backstay.sql.dialect import SqlDialect

_ROWS: Final[frozenset[MediaKind]] = frozenset(("array", "object", "csv"))
_PLAN: Final[frozenset[MediaKind]] = frozenset(("plan",))
#: The names of the only time zone that can be had where the database has no other.
_UTC: Final = frozenset(("UTC", "Etc/UTC", "GMT", "Z"))


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Everything a request is judged against.

    *max_rows* bounds every page and is what a request without a limit gets (``None``: unbounded); *max_offset* bounds
    offsets; *max_export_rows* bounds NDJSON.
    """

    catalog: Catalog
    rules: tuple[Rule, ...]
    dialect: SqlDialect
    max_rows: int | None = 1000
    max_export_rows: int = 100_000
    max_offset: int | None = 100_000
    aggregates: frozenset[str] | None = frozenset()
    limits: QueryLimits = field(default_factory=QueryLimits)
    #: What one request may cost.
    budget: RequestBudget = DEFAULT_BUDGET
    offered: frozenset[MediaKind] = _ROWS
    #: Whether the service role may ask how the database answers.
    plans: bool = False
    #: All schemas that are served, this one's among them; with several, answers say which one they are about.
    exposed: tuple[str, ...] = ()
    #: The time zones that the database knows and requests may ask for; ``None``: all is UTC.
    timezones: frozenset[str] | None = None
    #: How transactions end.
    tx_end: TxEnd = "commit"
    #: Whether a NULL that may not be is left to the database, which says which row it stands in.
    tells_nulls: bool = False
    #: Whether it stands in PostgREST's place: what only we have is off where PostgREST has an answer of its own.
    stands_in: bool = False
    #: What encrypted columns are sealed with; there is one wherever there are such columns.
    keyring: Keyring | None = None
    #: Is told of values that do not open.
    notice: Notice | None = None
    #: Functions of the database that may be called; ``None`` where the database is not served as it is.
    routines: Mapping[str, tuple[Routine, ...]] | None = None
    #: Makes plans of new shapes, off the event loop.
    planner: Planner = field(default_factory=Planner)
    #: Runs functions that are not async.
    workers: Workers = field(default_factory=Workers)
    _scopes: dict[Kind, Scope] = field(default_factory=dict)

    @property
    def seals(self) -> bool:
        """Whether any column is encrypted."""
        return self.catalog.seals

    def scope(self, principal: Principal) -> Scope:
        """What may be planned for *principal*: the same value for every principal of its kind."""
        kind = principal.kind
        found = self._scopes.get(kind)
        if found is None:
            found = Scope(self.catalog, self.rules, kind, self.aggregates)
            # Kinds come from verified tokens, but an app may have many roles, and each remembers its grants: forget
            # rather than grow.
            if len(self._scopes) >= 200:
                self._scopes.clear()
            self._scopes[kind] = found
        return found

    def preferences(self, request: DataRequest) -> Preferences:
        """What *request* prefers, as far as it can be had.

        Where only one time zone can be had, none is reported as applied, and a strict request for another is refused;
        so it is with an end that nobody may choose.

        Raises:
            RequestError: PGRST122, with ``handling=strict`` and a preference that nobody knows or that cannot be had.
        """
        known = _UTC if self.timezones is None else self.timezones
        preferences = parse_prefer(request.header(b"prefer"), timezones=known)
        check_strict(preferences)
        zone = preferences.timezone if self.timezones is not None else None
        return replace(settle_end(preferences, self.tx_end), timezone=zone, page=None)

    def query(self, request: DataRequest) -> Query:
        """What the query string of *request* says about rows."""
        return parse_query(request.query_text, limits=self.limits).query

    def offers(self, principal: Principal) -> frozenset[MediaKind]:
        """The representations that *principal* may ask of a table or a function of the database."""
        return self.offered | _PLAN if self.plans and principal.is_service else self.offered

    def undoes(self, request: DataRequest) -> bool:
        """Whether everything that *request* does is rolled back at its end."""
        return self.tx_end != "commit" and undoes(parse_prefer(request.header(b"prefer")), self.tx_end)

    def require_table(self, scope: Scope, name: str) -> None:
        """Raises PGRST205 when there is no such table for the caller, PGRST125 for a deeper path."""
        if "/" in name:
            raise RequestError("PGRST125", "Invalid path specified in request URL")
        find_table(scope, name)

    def check_profile(self, asked: str | None) -> str | None:
        """The schema that was asked for, when it is ours; where several are served, ours if none was asked for.

        Raises:
            RequestError: PGRST106, for any other.
        """
        if asked is None:
            return self.catalog.schema if len(self.exposed) > 1 else None
        if asked == self.catalog.schema:
            return asked
        raise RequestError(
            "PGRST106",
            f"Invalid schema: {asked}",
            hint=f"Only the following schemas are exposed: {', '.join(self.exposed) or self.catalog.schema}",
        )


def representations(
    catalog: Catalog, dialect: SqlDialect, routines: Mapping[str, tuple[Routine, ...]] | None = None
) -> frozenset[MediaKind]:
    """What `Surface.offered` is for these: GeoJSON only where some table, or rows of a function, have a geometry."""
    called = [routine.rows for known in (routines or {}).values() for routine in known if routine.rows is not None]
    columns = [column for table in (*catalog.tables.values(), *called) for column in table.columns.values()]
    found = {spatial.kind for column in columns if (spatial := spatial_of(column.type)) is not None}
    return _ROWS | {"geojson"} if found & dialect.geometries else _ROWS
