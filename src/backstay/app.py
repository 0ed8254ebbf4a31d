"""`Backstay`: the only file that knows every room.  It wires them and is the ASGI app."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Never, Self

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from backstay.accounts import open_office
from backstay.adapters.load import mail_transport, open_database, opened, sql_dialect
from backstay.adapters.reflect import reflect
from backstay.arguments import listed, refuse, refuse_unknown
from backstay.audit import Anchors, UnreadableValues, audit_keys, note_policy
from backstay.auth.credentials import Credentials
from backstay.auth.moment import utc_now
from backstay.auth.naming import roles_asked
from backstay.auth.office import Office
from backstay.auth.rights import permission_table
from backstay.auth.rolebook import Rolebook, note_roles
from backstay.auth.token import TokenVerifier
from backstay.auth.vaults import VAULTS
from backstay.budget import RequestBudget
from backstay.catalog import Catalog, Function, build_catalog, metadata_of
from backstay.catalog.inheritance import whole_model
from backstay.catalog.instances import KEYRING, NOTICE
from backstay.catalog.reflect import reflect_catalog
from backstay.catalog.routine import routines_of
from backstay.crypt import Keyring, Unsealable
from backstay.db.own import Own
from backstay.db.statement import Database
from backstay.db.store import Store
from backstay.errors import ConfigError
from backstay.http import CorsPolicy, HttpLimits, Kernel
from backstay.http.auth import auth_problem
from backstay.http.client import addressing
from backstay.http.headers import allowed_hosts
from backstay.http.health import health_of
from backstay.http.kernel import Beside
from backstay.http.lifespan import MountedLifespan
from backstay.http.mail import address_of, mail_routes
from backstay.http.nowhere import refused
from backstay.http.root import welcome
from backstay.mail import Catcher, Deliverer, Words
from backstay.pipeline import DataPlane, Described, Plane, Profiles, Surface, Terse, idempotency
from backstay.pipeline.keysinuse import note_keys
from backstay.pipeline.planner import Planner
from backstay.pipeline.rehearsal import rehearse
from backstay.pipeline.surface import representations
from backstay.pipeline.workers import Workers
from backstay.place import place_of
from backstay.policy import (
    ANON,
    AUTHENTICATED,
    SERVICE,
    Policy,
    Principal,
    Rule,
    compile_rules,
    findings_of,
    open_rules,
)
from backstay.settings import Settings
from backstay.upkeep import Recleaning, Rotation, reclean, rotate

_LOG: Final = logging.getLogger("backstay")


@dataclass(frozen=True, slots=True)
class _Reflection:
    """What `Backstay.reflect` was asked for."""

    url: str | None
    schemas: tuple[str, ...]
    policies: tuple[Policy, ...]
    open_to: str | None
    allow_aggregates: bool
    max_rows: int | None
    functions: tuple[str, ...]


class Backstay:
    """The whole backend of an app, as one ASGI callable.

    ::

        app = Backstay(models=Model, policies=[public_posts, own_posts], functions=[follow])

    Args:
        models: a declarative base, several mapped classes, or a ``MetaData``.
        policies: functions decorated with `allow`.  Without any, only the service role sees anything.
        functions: functions decorated with `function`.
        settings: by default those of the environment (``BACKSTAY_…``), read when the app starts.
        title: what the API calls itself in its OpenAPI description.
        version: the app's own version, which that description tells; nothing depends on it.
        permissions: what roles may administer beside ``admin``, which may everything: ``{"support": ["users:read"]}``.

    Models and policies are checked at once; the database is opened when the server starts the app (ASGI lifespan), or
    with the first request where it does not.

    Raises:
        ConfigError: ``BST-E…``, when models, policies or functions cannot be served.
    """

    def __init__(
        self,
        *,
        models: Any,
        policies: Iterable[Policy] = (),
        functions: Iterable[Function] = (),
        settings: Settings | None = None,
        title: str = "Backstay",
        version: str = "1.0.0",
        permissions: Mapping[str, Iterable[str]] | None = None,
        **unknown: Never,
    ) -> None:
        known = ("models", "policies", "functions", "settings", "title", "version", "permissions")
        refuse_unknown("Backstay()", unknown, *known)
        _refuse_no_settings(settings)
        self.title = title
        self.version = version
        self.metadata: MetaData = metadata_of(models)
        self._catalog = build_catalog(models)
        ruling = listed("Backstay()", "policies", policies)
        self._rules = compile_rules(ruling, self._catalog)
        self._functions = _by_name(listed("Backstay()", "functions", functions), self._catalog)
        self._permissions = permission_table(permissions or {})
        modules = [table.model.__module__ for table in self._catalog.tables.values() if table.model is not None]
        modules += [item.call.__module__ for item in self._functions.values()]
        named = {
            f"{place_of(item.call)}: the function {item.name}": item.to for item in self._functions.values() if item.to
        }
        _tell(self._catalog.findings)
        _tell(findings_of(ruling, self._rules, (self._catalog,), named, modules))
        self._reflection: _Reflection | None = None
        self._given = settings
        self._mounts: list[Mount] = []
        self._lifespans: list[MountedLifespan] = []
        #: One opens or closes at a time.
        self._starting = asyncio.Lock()
        #: Servers and blocks of code that use the open app; the last one closes it.
        self._users = 0
        self._unused = asyncio.Event()
        #: How all that is open is closed; ``None`` before all is open, and from when it begins to close.
        self._closing: AsyncExitStack | None = None
        self._kernel: Kernel | None = None
        self._database: Database | None = None
        #: What values are sealed with, where there is anything to seal.
        self._keyring: Keyring | None = None
        self._office: Office | None = None
        #: Records encrypted values that do not open, where there is an audit log.
        self._unreadable: UnreadableValues | None = None
        self._anchors: Anchors | None = None
        self._anchoring: asyncio.Task[None] | None = None
        self._deliverer: Deliverer | None = None
        #: Mails that were not sent: only on a desk without a mail server.
        self._catcher: Catcher | None = None
        #: Who has it may read them; another one at each start.
        self._mail_secret = ""
        #: The time of day, which tests turn.
        self._now: Callable[[], datetime] = utc_now

    @classmethod
    def reflect(
        cls,
        url: str | None = None,
        *,
        schema: str | Sequence[str] = "public",
        policies: Iterable[Policy] = (),
        functions: Iterable[Function | str] = (),
        open_to: str | None = None,
        allow_aggregates: bool = False,
        max_rows: int | None = None,
        settings: Settings | None = None,
        title: str = "Backstay",
        **unknown: Never,
    ) -> Self:
        """Serve an existing database without models: its tables, views, keys and comments as they are.

        ::

            app = Backstay.reflect("postgresql://localhost/shop", policies=[public_products])

        Nothing is ever created or changed in it but rows.  It is read when the app starts, not before.

        Args:
            url: the database; by default that of the settings.
            schema: one or several schemas of PostgreSQL; the first is the one without a profile header.  SQLite has
                none, and the name is only what errors say.
            policies: as for models, with the names of tables: ``@allow("read", "products")``.  Without any, only the
                service role sees anything.
            functions: Python functions as for models, and names of functions of PostgreSQL.  Whoever reaches the API
                may call those: they run as the role that connects.
            open_to: a role that may read and write everything.  For trying out, and for tests.
            allow_aggregates: whether ``sum()`` and its like may be asked of every table.
            max_rows: most rows in one answer; unbounded by default.
        """
        known = (
            "url",
            "schema",
            "policies",
            "functions",
            "open_to",
            "allow_aggregates",
            "max_rows",
            "settings",
            "title",
        )
        call = "Backstay.reflect()"
        refuse_unknown(call, unknown, *known)
        called = listed(call, "functions", functions)
        ruling = listed(call, "policies", policies)
        schemas = (schema,) if isinstance(schema, str) else listed(call, "schema", schema)
        if not schemas:
            refuse(call, "reads no schema: schema= is empty", "Name one, or leave schema= out.")
        if open_to is not None and not isinstance(open_to, str):
            refuse(call, "takes open_to= as the name of one role", 'For example open_to="anon".')
        own = [item for item in called if not isinstance(item, str)]
        app = cls(models=MetaData(), functions=own, settings=settings, title=title)
        names = tuple(item for item in called if isinstance(item, str))
        app._reflection = _Reflection(url, schemas, ruling, open_to, allow_aggregates, max_rows, names)
        return app

    def mount(self, path: str, app: ASGIApp) -> None:
        """Serve another ASGI app under *path*, beside the API: FastAPI, Django, Starlette, any.

        Its lifespan begins after the database is open, and ends before it closes.  Call it before the app starts.

        Raises:
            ConfigError: BST-E096, where *path* does not begin with ``/``.
        """
        if not path.startswith("/"):
            refuse("mount()", f"takes a path that begins with /, and got {path!r}", f"Write {f'/{path}'!r}.")
        self._mounts.append(Mount(path, app=app))
        self._lifespans.append(MountedLifespan(app))

    @property
    def database(self) -> Database:
        """The open database.

        Raises:
            ConfigError: BST-E040, before the app has started.
        """
        if self._database is None:
            raise ConfigError("BST-E040", "the app has not started", hint="Use `async with app.started():` around it.")
        return self._database

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        """An ``AsyncSession`` in one transaction: for the app's own code, past all policies."""
        async with self.started(), self.database.session(read_only=read_only) as session:
            yield session

    async def rotate_encryption(self) -> Rotation:
        """Encrypt every value with the newest key, so that older ones may be dropped; see `Rotation`.

        It works in batches beside the app's other writers, and may be stopped and begun again.  Run it when every
        process of the app has the newest key.
        """
        async with self.started():
            keyring, accounts = self._keyring, self._office is not None
            if keyring is None:
                return Rotation(0)
            return await rotate(
                self.database,
                sql_dialect(self.database.name),
                self._catalog,
                keyring,
                vaults=VAULTS if accounts else (),
                audited=accounts,
            )

    async def reclean_html(self) -> Recleaning:
        """Clean every text of HTML again, after the list of what is kept has changed.

        The outcome says how many rows did, and which texts are too tangled to be read; those are left as they are.
        It works in batches beside the app's other writers, and may be stopped and begun again.
        """
        async with self.started():
            return await reclean(self.database, self._catalog)

    @asynccontextmanager
    async def started(self) -> AsyncIterator[Backstay]:
        """Open the app for a block of code (a script, a test); a server does it by itself.

        Blocks may overlap, each other and a server: the app is open until the last of them has ended.
        """
        await self._start()
        try:
            yield self
        finally:
            await self._stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        kernel = self._kernel
        if kernel is None:
            await self._start()
            self._show_mail_page()
            kernel = self._kernel
            assert kernel is not None  # noqa: S101 - _start has made it
        await kernel(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._start()
            self._show_mail_page()
        except Exception as fault:
            hint = getattr(fault, "hint", None)
            await send({"type": "lifespan.startup.failed", "message": f"{fault}\n  {hint}" if hint else str(fault)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        """Open the app for one user more, who must `_stop` it."""
        self._users += 1
        self._unused.clear()
        if self._kernel is not None:
            # Without the lock: a mounted app may use a session while it starts, and while it stops.
            return
        try:
            async with self._starting:
                if self._kernel is None:
                    async with AsyncExitStack() as closing:
                        await self._open(closing)
                        self._closing = closing.pop_all()
        except BaseException:
            self._leave()
            raise

    async def _open(self, closing: AsyncExitStack) -> None:
        """Open everything, and put on *closing* how it is closed."""
        settings = self._given or Settings.load(os.environ)
        database, surfaces = await self._opened(settings, closing)
        for close in (self._settle, self._end_anchoring, self._close_office):
            closing.push_async_callback(close)
        closing.callback(self._forget)
        self._database = database
        self._kernel = await self._wired(settings, surfaces, database)
        for lifespan in self._lifespans:
            await lifespan.start()
            closing.push_async_callback(lifespan.stop)

    def _forget(self) -> None:
        self._database = self._kernel = None

    async def _opened(self, settings: Settings, closing: AsyncExitStack) -> tuple[Database, list[Surface]]:
        """The database, open, with every table and each rule tried on it; how it is closed is put on *closing*."""
        if self._reflection is None:
            database, surfaces = self._modelled(settings)
        else:
            database, surfaces = await _reflected(self._reflection, settings)
        closing.push_async_callback(database.close)
        await opened(database, (self._reflection and self._reflection.url) or settings.database)
        for surface in surfaces:
            closing.push_async_callback(surface.planner.close)
        if self._reflection is None:
            await database.create_tables(self.metadata)
            await database.create_tables(idempotency.TABLES)
            if settings.encryption_keys is not None and (self._catalog.seals or settings.accounts):
                self._keyring = settings.encryption_keys
                await note_keys(database, surfaces[0].dialect, settings.encryption_keys)
        for surface in surfaces:
            await rehearse(database, surface)
        return database, surfaces

    async def check_database(self) -> None:
        """Do with the database what a start does, and close it again: ``backstay serve`` does, before a server runs.

        Raises:
            ConfigError: what is wrong with the database, or between it and the models and policies.
        """
        async with AsyncExitStack() as closing:
            await self._opened(self._given or Settings.load(os.environ), closing)

    def _modelled(self, settings: Settings) -> tuple[Database, list[Surface]]:
        if self._catalog.seals:
            if settings.encryption_keys is None:
                raise ConfigError(
                    "BST-E502",
                    "There are encrypted columns, and no BACKSTAY_ENCRYPTION_KEYS",
                    hint='Make a key with: echo "$(date +%Y-%m):$(openssl rand -hex 32)"',
                )
            self.metadata.info[KEYRING] = settings.encryption_keys
            self.metadata.info[NOTICE] = self._notice
        budget = RequestBudget(database_seconds=settings.statement_timeout, answer_bytes=settings.max_answer_bytes)
        share = settings.caller_share
        database = open_database(settings.database, metadata=self.metadata, budget=budget, share=share)
        dialect = sql_dialect(database.name, budget=budget)
        surface = Surface(
            self._catalog,
            self._rules,
            dialect,
            max_rows=settings.max_rows,
            max_export_rows=settings.max_export_rows,
            tx_end=settings.tx_end,
            plans=settings.plan_enabled,
            keyring=settings.encryption_keys,
            notice=self._notice,
            offered=representations(self._catalog, dialect),
            budget=budget,
            planner=Planner(share),
            workers=Workers(share),
        )
        return database, [surface]

    async def _stop(self) -> None:
        self._leave()
        if self._users or self._closing is None:
            return
        async with self._starting:
            if self._users or self._closing is None:
                return
            closing, self._closing = self._closing, None
            async with closing:
                for lifespan in reversed(self._lifespans):
                    await lifespan.stop()
                # Whoever came while those stopped, or one of them, may still need the database.
                await self._unused.wait()

    def _leave(self) -> None:
        self._users -= 1
        if not self._users:
            self._unused.set()

    async def _settle(self) -> None:
        unreadable, self._unreadable = self._unreadable, None
        if unreadable is not None:
            await unreadable.settle()

    async def _close_office(self) -> None:
        deliverer, self._deliverer, self._catcher = self._deliverer, None, None
        office, self._office = self._office, None
        if deliverer is not None:
            await deliverer.stop()
        if office is not None:
            await office.close()

    def _opened_mail(self, settings: Settings, store: Store, keyring: Keyring) -> Callable[[], None]:
        """Begin to send what is in the outbox, or on a desk to keep it; what to call after letters were put there."""
        words = Words(self.title, folder=Path(settings.mail_templates) if settings.mail_templates else None)
        if settings.smtp_url is not None and settings.mail_from is not None:
            transport = mail_transport(settings.smtp_url, settings.mail_from, now=self._now)
        elif settings.profile == "dev":
            transport = self._catcher = Catcher(f"{settings.address}/_mail/", now=self._now)
            self._mail_secret = secrets.token_urlsafe(32)
        else:
            _LOG.warning("BACKSTAY_SMTP_URL is not set: mails wait in the outbox, and nobody gets them")
            return lambda: None
        self._deliverer = Deliverer(
            store,
            transport,
            words.render,
            open_sealed=lambda sealed: keyring.open_sealed(sealed, purpose="mail", context=""),
            now=self._now,
            chance=secrets.SystemRandom().random,
        )
        self._deliverer.start()
        return self._deliverer.wake

    def _show_mail_page(self) -> None:
        """Say to whoever started the server where mails are; not by the log, which others may read."""
        if self._catcher is not None:
            address = address_of(self._catcher.page, self._mail_secret)
            print(f"Mails are not sent, but kept at {address}", file=sys.stderr, flush=True)

    def _mail_fault(self) -> str | None:
        return None if self._deliverer is None else self._deliverer.failing

    def _anchor_fault(self) -> str | None:
        return None if self._anchors is None else self._anchors.failing

    async def _opened_office(
        self,
        settings: Settings,
        database: Database,
        verifier: TokenVerifier,
        credentials: Credentials,
        rules: Sequence[Rule],
        roles: frozenset[str],
    ) -> Office | None:
        """The accounts: of an app with models, an operator's keyring, and no wish to be without."""
        if self._reflection is not None or not settings.accounts or settings.encryption_keys is None:
            return None
        if settings.password_minimum < settings.password_min_length:
            _tell(["BACKSTAY_PASSWORD_COMPAT is gotrue: passwords of 6 characters are taken, which can be guessed"])
        await database.create_tables(Own.metadata)
        store = Store(database, sql_dialect(database.name).compiler)
        keys = audit_keys(settings.encryption_keys)
        await note_policy(store, keys, self._rules, self._now())
        self._unreadable = UnreadableValues(store, keys, self._now)
        if settings.audit_anchor is not None:
            self._anchors = Anchors(Path(settings.audit_anchor), keys)
            self._anchoring = asyncio.create_task(self._anchors.run(store))
        book = Rolebook(roles, roles_asked(rules, self._functions.values()), self._permissions)
        await note_roles(store, book)
        return await open_office(
            store,
            settings,
            verifier,
            title=self.title,
            credentials=credentials,
            book=book,
            posted=self._opened_mail(settings, store, settings.encryption_keys),
            now=self._now,
        )

    def _notice(self, faults: Sequence[Unsealable]) -> None:
        """Values that do not open are recorded, where there is an audit log."""
        if self._unreadable is not None:
            self._unreadable.notice(faults)

    async def _end_anchoring(self) -> None:
        anchoring, self._anchoring, self._anchors = self._anchoring, None, None
        if anchoring is not None:
            anchoring.cancel()
            await asyncio.gather(anchoring, return_exceptions=True)

    async def _wired(self, settings: Settings, surfaces: Sequence[Surface], database: Database) -> Kernel:
        rules = [rule for surface in surfaces for rule in surface.rules]
        roles = _roles(rules, self._functions.values())
        verifier = TokenVerifier(
            secret=settings.jwt_secret,
            jwks=settings.jwks["keys"] if settings.jwks else (),
            roles=roles,
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            endless=settings.endless_keys,
            clock=lambda: self._now().timestamp(),
        )
        planes: dict[str, DataPlane] = {
            surface.catalog.schema: Plane(
                surface,
                database,
                self._functions,
                Described(self.title, self.version, to_anonymous=settings.profile != "prod"),
                keeps_keys=self._reflection is None,
            )
            for surface in surfaces
        }
        if self._reflection is not None:
            planes = {name: Terse(plane) for name, plane in planes.items()}
        keys = Credentials(verifier.verify, clock=lambda: self._now().timestamp())
        credentials: Callable[[Mapping[bytes, bytes]], Principal] = keys
        office = self._office = await self._opened_office(settings, database, verifier, keys, rules, roles)
        beside: tuple[Beside, ...] = ()
        address = addressing(settings.trusted_proxies)
        if office is not None:
            beside = (Beside("/auth/v1/", office.plane(credentials, address), auth_problem),)
            credentials = office.believing(credentials)
        shown: Sequence[Route] = ()
        if self._catcher is not None:
            is_open = settings.mail_page == "open"
            shown = mail_routes(self._catcher, secret=self._mail_secret, open_to_all=is_open)
        behind = Starlette(
            routes=[Route("/", welcome(self.title)), *shown, *self._mounts],
            exception_handlers={404: refused, 405: refused},
        )
        return Kernel(
            Profiles(planes) if len(planes) > 1 else next(iter(planes.values())),
            credentials,
            behind,
            hosts=allowed_hosts(settings.allowed_hosts, settings.public_url),
            cors=CorsPolicy(settings.cors_origins, plain=self._reflection is not None),
            guard=None if office is None else office.trust,
            beside=beside,
            tls=settings.address.startswith("https://"),
            access_log=settings.access_log,
            health=health_of({"mail": self._mail_fault, "audit_anchor": self._anchor_fault}),
            address=address,
            share=settings.caller_share,
            limits=HttpLimits(
                body_seconds=settings.body_timeout,
                send_seconds=settings.send_timeout,
                answer_bytes=settings.max_answer_bytes,
            ),
        )


async def _reflected(reflection: _Reflection, settings: Settings) -> tuple[Database, list[Surface]]:
    url = reflection.url or settings.database
    facts = await reflect(url, reflection.schemas, reflection.functions)
    is_file = not url.startswith(("postgresql", "postgres"))
    schemas = reflection.schemas[:1] if is_file else reflection.schemas
    catalogs = [reflect_catalog(facts, schema, qualified=not is_file) for schema in schemas]
    # A file that was here before may be shared on purpose: its mode is not ours to change.
    options: dict[str, Any] = {"narrows": False} if is_file else {"search_path": schemas}
    options["share"] = settings.caller_share
    budget = RequestBudget(database_seconds=settings.statement_timeout, answer_bytes=settings.max_answer_bytes)
    planner, workers = Planner(settings.caller_share), Workers(settings.caller_share)
    database = open_database(url, metadata=catalogs[0].metadata, budget=budget, **options)
    dialect = sql_dialect(database.name, budget=budget)
    rules = compile_rules(reflection.policies, *catalogs)
    if reflection.open_to is None:
        _tell(findings_of(reflection.policies, rules, catalogs, {}, ()))
    if reflection.open_to is not None:
        _LOG.warning(
            "EVERYTHING IS OPEN: %s may read and write all %d tables and views of %s",
            reflection.open_to,
            sum(len(catalog.tables) for catalog in catalogs),
            ", ".join(schemas),
        )
    return database, [
        Surface(
            catalog,
            _reflected_rules(reflection, rules, catalog),
            dialect,
            offered=representations(catalog, dialect, routines),
            max_rows=reflection.max_rows,
            max_export_rows=settings.max_export_rows,
            max_offset=None,
            tx_end=settings.tx_end,
            plans=settings.plan_enabled,
            aggregates=None if reflection.allow_aggregates else frozenset(),
            exposed=schemas,
            timezones=facts.timezones,
            tells_nulls=not is_file,
            stands_in=True,
            routines=routines,
            budget=budget,
            planner=planner,
            workers=workers,
        )
        for catalog, routines in ((catalog, routines_of(facts, catalog)) for catalog in catalogs)
    ]


def _reflected_rules(reflection: _Reflection, rules: tuple[Rule, ...], catalog: Catalog) -> tuple[Rule, ...]:
    own = frozenset(table.sql for table in catalog.tables.values())
    rules = tuple(rule for rule in rules if rule.source in own)
    return rules if reflection.open_to is None else rules + open_rules(reflection.open_to, catalog)


def reflected_app() -> Backstay:
    """The app of ``backstay serve --reflect``, as the command left it in ``BACKSTAY_REFLECT`` for its workers."""
    asked = json.loads(os.environ.get("BACKSTAY_REFLECT", "{}"))
    return Backstay.reflect(
        schema=asked.get("schema") or "public",
        open_to=asked.get("open_to"),
        allow_aggregates=bool(asked.get("allow_aggregates")),
        max_rows=asked.get("max_rows"),
        functions=asked.get("functions") or (),
    )


def _refuse_no_settings(settings: Any) -> None:
    if settings is not None and not isinstance(settings, Settings):
        refuse(
            "Backstay()",
            f"takes settings= as a Settings, and got a {type(settings).__name__}",
            "Write settings=Settings(…), or leave it out for those of the environment.",
        )


def _tell(findings: Iterable[str]) -> None:
    for finding in findings:
        _LOG.warning("%s", finding)


def _by_name(functions: Iterable[Function], catalog: Catalog) -> Mapping[str, Function]:
    found: dict[str, Function] = {}
    served = {table.model for table in catalog.tables.values()}
    for item in functions:
        if not isinstance(item, Function):
            raise ConfigError("BST-E031", f"functions must be decorated with @function; got {item!r}")
        if item.name in found:
            raise ConfigError("BST-E032", f"two functions are called {item.name}", hint="Give one of them name=….")
        if item.model is not None and whole_model(item.model) not in served:
            raise ConfigError(
                "BST-E033",
                f"{place_of(item.call)}: {item.name} returns rows of {item.model.__name__}, which is not served",
                hint="Add it to models=, or return a dataclass of your own.",
            )
        found[item.name] = item
    return found


def _roles(rules: Iterable[Rule], functions: Iterable[Function]) -> frozenset[str]:
    """Every role that a token may ask for: the three of every app, and those its rules and functions name."""
    named = [to for to in (*(rule.to for rule in rules), *(f.to for f in functions)) if to is not None]
    return frozenset((ANON, AUTHENTICATED, SERVICE)).union(*named)
