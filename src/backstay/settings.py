"""Everything an operator may set, as one frozen value.  Nobody else reads the environment.

1. A setting ``max_rows`` is the variable ``BACKSTAY_MAX_ROWS``; a secret one may stand in the file that
   ``BACKSTAY_…_FILE`` names.
2. A wrong name or value stops the start with a `ConfigError` that says what to write instead; nothing is guessed.
3. Secrets are shown nowhere: not by ``repr``, not in an error.
4. Rooms receive the value they use (``max_rows: int``), not `Settings`.
"""

from __future__ import annotations

import difflib
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from backstay.errors import ConfigError
from backstay.secret import own_secret, read_secret, secret_fault

Server: TypeAlias = Literal["granian", "uvicorn"]
Profile: TypeAlias = Literal["dev", "prod"]
TxEnd: TypeAlias = Literal["commit", "commit-allow-override", "rollback", "rollback-allow-override"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

PREFIX: Final = "BACKSTAY_"

#: Variables that clients and tests use under our prefix.  They are not settings, and not mistakes.
#: ``REFLECT`` is how ``backstay serve --reflect`` tells its workers.
FOREIGN: Final = re.compile(r"BACKSTAY_(URL|(ANON|SERVICE|SERVICE_ROLE)_KEY|\w+_TOKEN|TEST_\w+|REFLECT)")

_ORIGIN: Final = re.compile(r"https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?")
_DATABASE: Final = re.compile(r"sqlite(\+\w+)?:///.+|postgres(ql)?(\+\w+)?://.+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a setting accepts: *parse* raises ``ValueError``, *words* complete “which is not …”."""

    words: str
    parse: Callable[[str], Any]
    allows: Callable[[Any], bool] = lambda value: True


def _between(low: float, high: float, *, whole: bool = True) -> Kind:
    words = f"a {'whole number' if whole else 'number'} from {low} to {high}"
    return Kind(words, int if whole else float, lambda value: low <= value <= high)


def _one_of(*names: str) -> Kind:
    return Kind(f"one of {', '.join(names)}", str, lambda value: value in names)


def _parse_yes_or_no(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _parse_origins(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _parse_jwks(text: str) -> Mapping[str, Any]:
    """A JSON Web Key Set (RFC 7517), or the path of a file that holds one."""
    import msgspec  # here, because most apps have no key set and `backstay --help` is fast without it

    try:
        source = text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8")
        found: Mapping[str, Any] = msgspec.json.decode(source, type=dict[str, Any])
    except (OSError, UnicodeDecodeError, msgspec.DecodeError, RecursionError) as fault:
        raise ValueError(str(fault)) from None
    return found


def _are_es256_public_keys(jwks: Any) -> bool:
    """At least one key that a token can be verified with; a private part (``d``) has no place at a verifier."""
    from backstay.auth.keys import public_keys  # here, because most apps have no key set

    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) and "d" not in key for key in keys):
        return False
    try:
        public_keys(keys)
    except ConfigError:
        return False
    return True


_TEXT: Final = Kind("text", str)
_YES_OR_NO: Final = Kind("true or false", _parse_yes_or_no)
_DATABASE_URL: Final = Kind(
    "a URL like sqlite:///app.db or postgresql://user@host/name", str, lambda url: bool(_DATABASE.fullmatch(url))
)
_ORIGINS: Final = Kind(
    "`*`, or origins like https://app.example.org separated by commas",
    _parse_origins,
    lambda origins: origins == ("*",) or all(_ORIGIN.fullmatch(origin) for origin in origins),
)
_JWKS: Final = Kind("a key set of ES256 public keys, each with its own kid", _parse_jwks, _are_es256_public_keys)


def _setting(kind: Kind, default: Any, meaning: str, *, secret: bool = False, shown: str | None = None) -> Any:
    """*shown* stands in the reference where the default is not a plain value."""
    return field(default=default, metadata={"kind": kind, "meaning": meaning, "secret": secret, "shown": shown})


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """What an operator may set.  Made by `load`, or directly in tests.

    Raises:
        ConfigError: BST-E403 for a value out of bounds, BST-E406 for a weak secret,
            BST-E408 for several workers on SQLite, BST-E414 for writes that are rolled back in the profile prod.
    """

    database: str = _setting(_DATABASE_URL, "sqlite:///backstay.db", "The database that holds the data.", secret=True)
    jwt_secret: str | None = _setting(
        _TEXT,
        None,
        "Signs and verifies HS256 tokens; at least 32 bytes.",
        secret=True,
        shown="made on the first start in `.backstay/secret` (profile `dev` only)",
    )
    jwks: Mapping[str, Any] | None = _setting(
        _JWKS, None, "Public keys that verify ES256 tokens of another issuer: a path, or the JSON itself.", shown="none"
    )
    host: str = _setting(_TEXT, "127.0.0.1", "The address to listen on.")
    port: int = _setting(_between(1, 65535), 8000, "The port to listen on.")
    server: Server = _setting(_one_of("granian", "uvicorn"), "granian", "The ASGI server.")
    workers: int = _setting(_between(1, 256), 1, "Processes that serve; SQLite takes one, PostgreSQL any number.")
    max_rows: int = _setting(
        _between(1, 100_000), 1000, "Most rows in one answer, and how many where no limit is asked."
    )
    max_export_rows: int = _setting(
        _between(1, 2**31 - 1), 100_000, "Most rows in one NDJSON export, which is streamed."
    )
    statement_timeout: float = _setting(
        _between(0.01, 3600, whole=False), 5.0, "Seconds that one SQL statement may take before it is cancelled."
    )
    tx_end: TxEnd = _setting(
        _one_of("commit", "commit-allow-override", "rollback", "rollback-allow-override"),
        "commit",
        "How transactions end, and whether `Prefer: tx=` may choose otherwise; the profile `prod` takes `commit` only.",
    )
    plan_enabled: bool = _setting(
        _YES_OR_NO,
        False,
        "Whether the service role may ask for the database's plan of a request.",
        shown="`false`",
    )
    cors_origins: tuple[str, ...] = _setting(
        _ORIGINS, ("*",), "Web origins that may call the API; cookies are never allowed across origins.", shown="`*`"
    )
    profile: Profile = _setting(_one_of("dev", "prod"), "dev", "`prod` refuses what is only good enough on a desk.")
    log_level: LogLevel = _setting(
        _one_of("debug", "info", "warning", "error"), "info", "The least severe message logged."
    )

    def __post_init__(self) -> None:
        for spec in fields(self):
            kind, value = spec.metadata["kind"], getattr(self, spec.name)
            if value is not None and not kind.allows(value):
                raise _refused(spec, value)
        fault = secret_fault(self.jwt_secret, in_production=self.profile == "prod") if self.jwt_secret else None
        if fault:
            raise ConfigError("BST-E406", f"BACKSTAY_JWT_SECRET {fault}", hint="Make one with: openssl rand -hex 32")
        if self.profile == "prod" and self.tx_end != "commit":
            raise ConfigError(
                "BST-E414",
                f"BACKSTAY_TX_END is {self.tx_end}, but the profile prod keeps what it says it has written",
                hint="Leave it out, or use the profile dev.",
            )
        if self.workers > 1 and self.dialect == "sqlite":
            raise ConfigError(
                "BST-E408",
                f"BACKSTAY_WORKERS is {self.workers}, but a SQLite file has one writer and so takes one worker",
                hint="Set BACKSTAY_WORKERS=1, or BACKSTAY_DATABASE to a postgresql:// URL.",
            )

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """The kind of database that *database* names."""
        return "sqlite" if self.database.startswith("sqlite") else "postgresql"

    @classmethod
    def load(cls, environ: Mapping[str, str], *, folder: Path | None = None) -> Settings:
        """Settings from *environ*; *folder* is where ``.backstay/secret`` lives, by default the current one.

        Raises:
            ConfigError: BST-E401 to BST-E408; ``docs/reference/errors.md`` has a row for each.
        """
        refuse_unknown(environ)
        values = {spec.name: value for spec in fields(cls) if (value := _read(spec, environ)) is not None}
        if "jwt_secret" not in values:
            if values.get("profile", "dev") != "prod":
                values["jwt_secret"] = own_secret((folder or Path.cwd()) / ".backstay")
            elif "jwks" not in values:
                raise ConfigError(
                    "BST-E405",
                    "The profile prod needs BACKSTAY_JWT_SECRET, BACKSTAY_JWT_SECRET_FILE or BACKSTAY_JWKS",
                    hint="Make a secret with: openssl rand -hex 32",
                )
        return cls(**values)

    def redacted(self) -> dict[str, Any]:
        """Every setting by name, with passwords and secrets replaced by ``***``."""
        shown = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        return shown | {"database": redact_url(self.database), "jwt_secret": "***" if self.jwt_secret else None}

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.redacted().items())})"


def redact_url(url: str) -> str:
    """*url* without its password.

    >>> redact_url("postgresql://ann:pa:ss@db/app?sslmode=require&password=x")
    'postgresql://ann:***@db/app?sslmode=require&password=***'
    """
    url = re.sub(r"(://[^:/@?#]*):.*@", r"\1:***@", url, count=1)
    return re.sub(r"([?&]\w*password=)[^&#]*", r"\1***", url)


def variable(name: str) -> str:
    """The environment variable of the setting *name*."""
    return PREFIX + name.upper()


def refuse_unknown(environ: Mapping[str, str]) -> None:
    """Raise `ConfigError` BST-E401 for a ``BACKSTAY_`` name that no setting has: a typing error would stay unseen."""
    known = [variable(spec.name) for spec in fields(Settings)]
    known += [f"{variable(spec.name)}_FILE" for spec in fields(Settings) if spec.metadata["secret"]]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and not FOREIGN.fullmatch(name):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Settings are {', '.join(known)}."
            raise ConfigError("BST-E401", f"{name} is not a setting", hint=hint)


def _read(spec: Field[Any], environ: Mapping[str, str]) -> Any:
    """The value of one setting, ``None`` where the environment does not say."""
    name = variable(spec.name)
    text = environ.get(name)
    path = environ.get(f"{name}_FILE") if spec.metadata["secret"] else None
    if text is not None and path is not None:
        raise ConfigError("BST-E404", f"{name} and {name}_FILE are both set", hint="Unset one of them.")
    for given, at in ((text, name), (path, f"{name}_FILE")):
        if given is not None and not given.strip():
            raise ConfigError("BST-E402", f"{at} is set but empty", hint=f"Unset {at} to have its default.")
    if path is not None:
        # Files mounted by container platforms belong to a group of their own, so only the rest of the world counts.
        text = read_secret(Path(path), forbid=stat.S_IRWXO)
    if text is None:
        return None
    try:
        value = spec.metadata["kind"].parse(text)
    except ValueError:
        raise _refused(spec, text) from None
    return value


def _refused(spec: Field[Any], value: Any) -> ConfigError:
    name, words = variable(spec.name), spec.metadata["kind"].words
    said = "" if spec.metadata["secret"] or spec.name == "jwks" else f" {value!r}, which is"
    return ConfigError("BST-E403", f"{name} is{said} not {words}", hint="See docs/reference/settings.md.")


def settings_reference() -> str:
    """The table of ``docs/reference/settings.md``, in Markdown."""
    lines = ["| Variable | Value | Default | Meaning |", "|---|---|---|---|"]
    for spec in fields(Settings):
        about = spec.metadata
        default = about["shown"] or f"`{spec.default}`"
        name = f"`{variable(spec.name)}`" + (f", `{variable(spec.name)}_FILE`" if about["secret"] else "")
        lines.append(f"| {name} | {about['kind'].words} | {default} | {about['meaning']} |")
    return "\n".join(lines) + "\n"
