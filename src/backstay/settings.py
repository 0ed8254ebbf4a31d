"""Everything an operator may set, as one frozen value.  Nobody else reads the environment.

1. A setting ``max_rows`` is the variable ``BACKSTAY_MAX_ROWS``; a secret one may stand in the file that
   ``BACKSTAY_…_FILE`` names.
2. A wrong name or value stops the start with a `ConfigError` that says what to write instead; nothing is guessed.
3. Secrets are shown nowhere: not by ``repr``, not in an error.
4. Rooms receive the value they use (``max_rows: int``), not `Settings`.
"""

from __future__ import annotations

import base64
import difflib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import unquote

from backstay.crypt import Keyring, own_keyring
from backstay.errors import ConfigError
from backstay.proxies import Proxies
from backstay.secret import own_secret, read_secret, secret_fault

Server: TypeAlias = Literal["granian", "uvicorn"]
LogFormat: TypeAlias = Literal["text", "json"]
Profile: TypeAlias = Literal["dev", "prod"]
TxEnd: TypeAlias = Literal["commit", "commit-allow-override", "rollback", "rollback-allow-override"]
PasswordCompat: TypeAlias = Literal["off", "gotrue"]
MailPage: TypeAlias = Literal["local", "open"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

PREFIX: Final = "BACKSTAY_"

#: Variables that clients and tests use under our prefix.  They are not settings, and not mistakes.
#: ``REFLECT`` is how ``backstay serve --reflect`` tells its workers.
FOREIGN: Final = re.compile(r"BACKSTAY_(URL|(ANON|SERVICE|SERVICE_ROLE)_KEY|\w+_TOKEN|TEST_\w+|REFLECT)")

_ORIGIN: Final = re.compile(r"https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?")
_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*")
_NAME: Final = re.compile(r"\.?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]{2,45}\]")
_ANDROID: Final = re.compile(r"android:apk-key-hash:[A-Za-z0-9_-]{43}")
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


def _parse_origins(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _parse_hosts(text: str) -> tuple[str, ...]:
    """Names in lower case, and IPv6 addresses in the one form in which they are compared."""
    names = (part.strip().lower().removesuffix(".") for part in text.split(","))
    return tuple(f"[{IPv6Address(name.strip('[]'))}]" if ":" in name else name for name in names)


def _parse_web_url(text: str) -> str:
    return text.strip().rstrip("/")


def _parse_on_off(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError(text)
    return text == "on"


def _parse_jwks(text: str) -> Mapping[str, Any]:
    """A JSON Web Key Set (RFC 7517), or the path of a file that holds one."""
    import msgspec  # here, because most apps have no key set and `backstay --help` is fast without it

    try:
        source = text if text.lstrip().startswith("{") else _read_public(Path(text))
        found: Mapping[str, Any] = msgspec.json.decode(source, type=dict[str, Any])
    except (OSError, UnicodeDecodeError, msgspec.DecodeError, RecursionError) as fault:
        raise ValueError(str(fault)) from None
    return found


def _read_public(path: Path) -> str:
    """The text of *path*, which anybody may read and nobody else may change: whoever adds a key signs tokens."""
    if os.name == "posix" and path.stat().st_mode & stat.S_IWOTH:
        raise ConfigError(
            "BST-E407",
            f"The file {path} of BACKSTAY_JWKS can be changed by others",
            hint=f"Run: chmod o-w {path}  and see that its keys are those of the issuer.",
        )
    return path.read_text(encoding="utf-8")


def _is_read(text: str, name: str) -> bool:
    """Whether the mail adapter understands *text*; it is imported only where mail is sent."""
    from backstay.adapters.smtp.url import parse_smtp_url

    try:
        if name == "smtp_url":
            parse_smtp_url(text)
        else:
            from backstay.adapters.smtp.message import parse_sender

            parse_sender(text)
    except ValueError:
        return False
    return True


def _are_public_keys(jwks: Any) -> bool:
    """At least one key that a token can be verified with; a private part (``d``) has no place at a verifier.

    A `ConfigError` says which key is wrong, and why.
    """
    from backstay.auth.keys import public_keys  # here, because most apps have no key set

    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) and "d" not in key for key in keys):
        return False
    try:
        public_keys(keys)
    except ConfigError as fault:
        raise ConfigError(
            "BST-E403", f"BACKSTAY_JWKS is not {_JWKS.words}. {fault.message}", hint=fault.hint
        ) from fault
    return True


def _is_hash_cost(text: str) -> bool:
    from backstay.auth.hashing import HashCost  # here, as in `_parse_jwks`: who leaves it alone does not load argon2

    try:
        HashCost.parse(text)
    except ValueError:
        return False
    return True


def _are_limits(text: str) -> bool:
    from backstay.auth.limits import parse_limits

    try:
        parse_limits(text)
    except ValueError:
        return False
    return True


def _are_providers(text: str) -> bool:
    """True, or a `ConfigError` that says which provider and which option is wrong, without its value."""
    from backstay.auth.oauth.provider import parse_providers

    parse_providers(text)
    return True


_TEXT: Final = Kind("text", str)
_PROVIDERS: Final = Kind('JSON like {"google": {"client_id": "…", "client_secret": "…"}}', str, _are_providers)
_HASH_COST: Final = Kind("like m=19456,t=2,p=1", str, _is_hash_cost)
_LIMITS: Final = Kind('`off`, or JSON like {"mail": "500/3600", "anonymous": "off"}', str, _are_limits)
_PROXIES: Final = Kind("a count, or addresses and networks separated by commas", Proxies.parse)
_DATABASE_URL: Final = Kind(
    "a URL like sqlite:///app.db or postgresql://user@host/name", str, lambda url: bool(_DATABASE.fullmatch(url))
)
#: A URL of this very machine, as `backstay serve` and apps on a desk have.
_HERE: Final = re.compile(r"http://([a-z0-9-]+\.)*(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/|$)", re.IGNORECASE)
_WEB_URL: Final = Kind("an http or https URL without a path", _parse_web_url, lambda url: bool(_ORIGIN.fullmatch(url)))
_PATTERNS: Final = Kind("URLs separated by commas", _parse_origins, lambda urls: all("://" in url for url in urls))
_DOMAIN: Final = Kind("a domain like example.org", str, lambda name: bool(_HOST.fullmatch(name)))
_PAGES: Final = Kind(
    "origins like https://app.example.org separated by commas",
    _parse_origins,
    lambda origins: all(_ORIGIN.fullmatch(origin) or _ANDROID.fullmatch(origin) for origin in origins),
)
_ON_OFF: Final = Kind("`on` or `off`", _parse_on_off, lambda value: isinstance(value, bool))
_SMTP_URL: Final = Kind(
    "a URL like smtp://user:password@host:587 or smtps://host", str, lambda url: _is_read(url, "smtp_url")
)
_SENDER: Final = Kind(
    "an address like `post@example.org` or `Shop <post@example.org>`", str, lambda text: _is_read(text, "mail_from")
)
_ORIGINS: Final = Kind(
    "`*`, or origins like https://app.example.org separated by commas",
    _parse_origins,
    lambda origins: origins == ("*",) or all(_ORIGIN.fullmatch(origin) for origin in origins),
)
_HOSTS: Final = Kind(
    "names like api.example.org, or .example.org for all under it, separated by commas, without ports",
    _parse_hosts,
    lambda hosts: all(_NAME.fullmatch(host) for host in hosts),
)
#: `Keyring.parse` says itself what is wrong, without the keys.
_KEYS: Final = Kind(
    "`ID:KEY`, newest first, separated by commas; a key is 32 bytes as hexadecimal or base64", Keyring.parse
)
_JWKS: Final = Kind("a key set of public keys, each with its own kid", _parse_jwks, _are_public_keys)


def _setting(
    kind: Kind, default: Any, meaning: str, *, secret: bool = False, shown: str | None = None, own_file: bool = False
) -> Any:
    """*shown* stands in the reference where the default is not a plain value.

    *own_file* says that in development the value stands in a file which is made where it is missing.
    """
    return field(
        default=default,
        metadata={"kind": kind, "meaning": meaning, "secret": secret, "shown": shown, "own_file": own_file},
    )


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """What an operator may set.  Made by `load`, or directly in tests.

    Raises:
        ConfigError: BST-E403 for a value out of bounds, BST-E406 for a weak secret,
            BST-E408 for several workers on SQLite, BST-E414 for writes that are rolled back in the profile prod,
            BST-E415 and BST-E416 for people and mails that are sent elsewhere without encryption there,
            BST-E221 and BST-E223 for passwords that could be guessed.
    """

    database: str = _setting(_DATABASE_URL, "sqlite:///backstay.db", "The database that holds the data.", secret=True)
    jwt_secret: str | None = _setting(
        _TEXT,
        None,
        "Signs and verifies HS256 tokens; at least 32 bytes.",
        secret=True,
        shown="made on the first start in `.backstay/secret` (profile `dev` only)",
        own_file=True,
    )
    jwks: Mapping[str, Any] | None = _setting(
        _JWKS,
        None,
        "Public keys that verify ES256, RS256 and EdDSA tokens of another issuer: a path, or the JSON itself.",
        shown="none",
    )
    jwt_audience: str | None = _setting(
        _TEXT, None, "The `aud` that tokens must name; those of the app's own accounts need not.", shown="any"
    )
    jwt_issuer: str | None = _setting(
        _TEXT,
        None,
        "The `iss` of tokens that speak for somebody; those of the app's own accounts have theirs.",
        shown="any",
    )
    endless_keys: bool = _setting(
        _ON_OFF,
        False,
        "Whether keys for `anon` and `service_role` that are JWTs may have no `exp`, as those of older projects.",
        shown="`off`",
    )
    encryption_keys: Keyring | None = _setting(
        _KEYS,
        None,
        "Encrypt what the database must not show; the first one writes, all read.",
        secret=True,
        shown="made on the first start in `.backstay/encryption_keys` (profile `dev` only)",
        own_file=True,
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
    max_answer_bytes: int = _setting(
        _between(65_536, 1 << 30), 8 << 20, "Most bytes of one whole answer; of an export, of each row."
    )
    caller_share: int = _setting(
        _between(0, 100),
        50,
        "The percentage of threads, connections, exports and places in a queue that one caller may have; `0`: all.",
    )
    sockets_per_address: int = _setting(
        _between(0, 1_000_000), 100, "Connections that one address may have; `0`: any number. uvicorn keeps it."
    )
    head_timeout: float = _setting(
        _between(0.1, 3600, whole=False), 10.0, "Seconds for the first byte and the head of a request."
    )
    idle_timeout: float = _setting(
        _between(0.1, 3600, whole=False),
        15.0,
        "Seconds between two requests of a connection; under Granian they are those of the head.",
    )
    body_timeout: float = _setting(_between(0.1, 3600, whole=False), 60.0, "Seconds for the body of a request.")
    send_timeout: float = _setting(
        _between(0.1, 3600, whole=False), 30.0, "Seconds in which a client must take something of its answer."
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
        _ON_OFF, False, "Whether the service role may ask for the database's plan of a request.", shown="`off`"
    )
    accounts: bool = _setting(_ON_OFF, True, "Whether the app has accounts, at `/auth/v1`.", shown="`on`")
    public_url: str | None = _setting(
        _WEB_URL, None, "Where the API is reached; links in mails begin with it.", shown="`http://` host and port"
    )
    site_url: str | None = _setting(
        _WEB_URL, None, "Where the app is reached; people are sent back there.", shown="the public URL"
    )
    redirect_urls: tuple[str, ...] = _setting(
        _PATTERNS, (), "Where people may be sent back to besides the site; `*` stands for a part.", shown="none"
    )
    webauthn_rp_id: str | None = _setting(
        _DOMAIN, None, "The domain that passkeys belong to; changing it makes all of them useless.", shown="the site's"
    )
    webauthn_origins: tuple[str, ...] = _setting(
        _PAGES,
        (),
        "The pages, and Android apps, that may use passkeys.",
        shown="the site, the API and the redirect URLs, as far as they are in that domain",
    )
    signup: bool = _setting(_ON_OFF, True, "Whether people may make accounts themselves.", shown="`on`")
    email_confirmation: bool | None = _setting(
        _ON_OFF,
        None,
        "Whether an account's address must be confirmed by mail before it can sign in.",
        shown="`on` in the profile `prod`, else `off`",
    )
    anonymous_sign_ins: bool = _setting(
        _ON_OFF, False, "Whether people may have accounts without address and password.", shown="`off`"
    )
    providers: str | None = _setting(
        _PROVIDERS,
        None,
        "Third parties that people sign in with, see [third-party sign-in](../how-to/third-party-sign-in.md).",
        secret=True,
        shown="none",
    )
    access_token_seconds: int = _setting(
        _between(600, 3600), 3600, "Seconds that an access token is good for; a session is carried on past them."
    )
    session_idle_days: int = _setting(_between(1, 30), 7, "Days after which an unused session ends.")
    session_days: int = _setting(_between(1, 365), 30, "Days after which a session ends, however it is used.")
    smtp_url: str | None = _setting(
        _SMTP_URL,
        None,
        "The server that sends mails; encrypted unless the URL ends in `?starttls=off`.",
        secret=True,
        shown="none: mails are kept at `/_mail/` (profile `dev`), or wait (profile `prod`)",
    )
    mail_from: str | None = _setting(_SENDER, None, "Whom mails are from.", shown="none; needed with a mail server")
    mail_templates: str | None = _setting(
        _TEXT, None, "A folder with mail templates of your own.", shown="those that come along"
    )
    mail_page: MailPage = _setting(
        _one_of("local", "open"),
        "local",
        "Who sees `/_mail/`: who has the secret that the start printed, on this machine; or everybody.",
    )
    cors_origins: tuple[str, ...] = _setting(
        _ORIGINS, ("*",), "Web origins that may call the API; cookies are never allowed across origins.", shown="`*`"
    )
    allowed_hosts: tuple[str, ...] | None = _setting(
        _HOSTS,
        None,
        "Names that a `Host` header may carry; the port does not matter, and `/health` answers to any.",
        shown="none: any well-formed name",
    )
    trusted_proxies: Proxies = _setting(
        _PROXIES,
        Proxies(),
        "Proxies in front whose `X-Forwarded-For` names the client: how many, or which; `unix` is one at a socket.",
        shown="`0`: none",
    )
    rate_limits: str | None = _setting(
        _LIMITS,
        None,
        "Changes single [limits](limits.md) of accounts; `off` switches all off, in the profile `dev` only.",
        shown="none",
    )
    password_min_length: int = _setting(_between(8, 128), 8, "Least characters of a password.")
    password_compat: PasswordCompat = _setting(
        _one_of("off", "gotrue"),
        "off",
        "`gotrue` takes passwords of 6 characters, which is too few, as GoTrue does by default.",
    )
    password_hash: str | None = _setting(
        _HASH_COST,
        None,
        "What one argon2id hash costs: memory in KiB, passes and lanes; there is a floor.",
        shown="`m=19456,t=2,p=1`",
    )
    password_blocklist: str | None = _setting(
        _TEXT,
        None,
        "A list of leaked passwords, made by `backstay passwords import-hibp`.",
        shown="none: the 30,000 most common ones",
    )
    profile: Profile = _setting(_one_of("dev", "prod"), "dev", "`prod` refuses what is only good enough on a desk.")
    log_level: LogLevel = _setting(
        _one_of("debug", "info", "warning", "error"), "info", "The least severe message logged."
    )
    log_format: LogFormat | None = _setting(
        _one_of("text", "json"),
        None,
        "How a line of the log is written.",
        shown="`text`, and `json` in the profile `prod`",
    )
    access_log: bool = _setting(
        _ON_OFF, False, "A line of the log for each request, with its status and time.", shown="`off`"
    )
    audit_anchor: str | None = _setting(
        _TEXT,
        None,
        "The file that keeps anchors of the audit log, best on another disk.",
        shown="`.backstay/audit-anchor`",
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
        if self.profile == "prod":
            self._refuse_to_be_overheard()
        if self.rate_limits is not None and self.rate_limits.strip() == "off" and self.profile == "prod":
            raise ConfigError(
                "BST-E223",
                "BACKSTAY_RATE_LIMITS is off, and passwords could be tried without end",
                hint="Change single limits, or unset it.",
            )
        if self.smtp_url is not None and self.mail_from is None:
            raise ConfigError(
                "BST-E601",
                "BACKSTAY_SMTP_URL is set, but not whom mails are from",
                hint="Set BACKSTAY_MAIL_FROM to an address that the mail server sends for.",
            )
        if self.providers is not None and self.profile == "prod" and not self.address.startswith("https://"):
            raise ConfigError(
                "BST-E228",
                "BACKSTAY_PROVIDERS is set, but BACKSTAY_PUBLIC_URL is not an https URL",
                hint="Set BACKSTAY_PUBLIC_URL to where browsers reach the API.",
            )
        if self.workers > 1 and self.dialect == "sqlite":
            raise ConfigError(
                "BST-E408",
                f"BACKSTAY_WORKERS is {self.workers}, but a SQLite file has one writer and so takes one worker",
                hint="Set BACKSTAY_WORKERS=1, or BACKSTAY_DATABASE to a postgresql:// URL.",
            )

    def _refuse_to_be_overheard(self) -> None:
        """Links and codes open accounts: neither people nor mails go to another machine without encryption."""
        for name, url in self._urls():
            if _is_overheard(url):
                raise ConfigError(
                    "BST-E415",
                    f"{variable(name)} has {url}, and who listens on the way there could use its links and codes",
                    hint="Begin it with https://.",
                )
        if self.accounts and _is_overheard(self.address):
            raise ConfigError(
                "BST-E415",
                f"BACKSTAY_PUBLIC_URL is not set, and links in mails would begin with {self.address}",
                hint="Set it to the https:// URL at which people reach the API.",
            )
        if self.smtp_url is not None and _is_mailed_in_the_open(self.smtp_url):
            raise ConfigError(
                "BST-E416",
                "BACKSTAY_SMTP_URL has starttls=off, and who listens on the way could use the links and codes of mails",
                hint="Leave it out, or begin the URL with smtps://.",
            )

    def _urls(self) -> Iterator[tuple[str, str]]:
        """The URLs that people are sent to, each with its setting's name."""
        for name in ("public_url", "site_url", "redirect_urls"):
            value: str | tuple[str, ...] | None = getattr(self, name)
            for url in (value,) if isinstance(value, str) else value or ():
                yield name, url

    @property
    def address(self) -> str:
        """Where the API is reached: *public_url*, else *host* and *port*."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def password_minimum(self) -> int:
        """Least characters of a password that is in force."""
        return 6 if self.password_compat == "gotrue" else self.password_min_length  # noqa: S105 - a word, no password

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """The kind of database that *database* names."""
        return "sqlite" if self.database.startswith("sqlite") else "postgresql"

    @property
    def logs_json(self) -> bool:
        """Whether lines of the log are JSON: as *log_format* says, else in production."""
        return (self.log_format or ("json" if self.profile == "prod" else "text")) == "json"

    def secrets(self) -> tuple[str, ...]:
        """Every secret among the values, as it may turn up in a text: for `Redactor`, and for nothing else."""
        found: list[str] = []
        for spec in fields(self):
            value = getattr(self, spec.name) if spec.metadata["secret"] else None
            if isinstance(value, Keyring):
                for key in value.keys:
                    codes = (base64.b64encode(key.material), base64.urlsafe_b64encode(key.material))
                    found += [key.material.hex(), *(code.decode().rstrip("=") for code in codes)]
            elif spec.name == "providers" and value is not None:
                from backstay.auth.oauth.provider import parse_providers

                found += [text for provider in parse_providers(value).values() for text in provider.secrets()]
            elif isinstance(value, str):
                found += [value] if "://" not in value else _passwords_of(value)
        return tuple(found)

    @classmethod
    def load(cls, environ: Mapping[str, str], *, folder: Path | None = None) -> Settings:
        """Settings from *environ*; *folder* is where ``.backstay/secret`` lives, by default the current one.

        Raises:
            ConfigError: BST-E401 to BST-E408, BST-E501; ``docs/reference/errors.md`` has a row for each.
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
        if "encryption_keys" not in values and values.get("profile", "dev") != "prod":
            # Production needs them only where something is encrypted, which the models tell and not the environment.
            values["encryption_keys"] = own_keyring((folder or Path.cwd()) / ".backstay")
        # Only here: settings made in code, as those of tests, write no file that they do not name.
        values.setdefault("audit_anchor", str((folder or Path.cwd()) / ".backstay" / "audit-anchor"))
        return cls(**values)

    def redacted(self) -> dict[str, Any]:
        """Every setting by name, with passwords and secrets replaced by ``***``."""
        return {spec.name: self._shown(spec) for spec in fields(self)}

    def _shown(self, spec: Field[Any]) -> Any:
        value = getattr(self, spec.name)
        if spec.name == "log_format":
            return "json" if self.logs_json else "text"
        if value is None or not spec.metadata["secret"]:
            return value
        if isinstance(value, Keyring):
            return ", ".join(f"{name}:***" for name in value.ids)
        return redact_url(value) if "://" in value and spec.name != "providers" else "***"

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.redacted().items())})"


def _is_overheard(url: str) -> bool:
    return url.lower().startswith("http://") and not _HERE.match(url)


def _is_mailed_in_the_open(smtp_url: str) -> bool:
    from backstay.adapters.smtp.url import parse_smtp_url  # here, as in `_is_read`

    return parse_smtp_url(smtp_url).is_overheard


def redact_url(url: str) -> str:
    """*url* without its password.

    >>> redact_url("postgresql://ann:pa:ss@db/app?sslmode=require&password=x")
    'postgresql://ann:***@db/app?sslmode=require&password=***'
    """
    url = re.sub(r"(://[^:/@?#]*):.*@", r"\1:***@", url, count=1)
    return re.sub(r"([?&]\w*password=)[^&#]*", r"\1***", url)


def _passwords_of(url: str) -> list[str]:
    """The passwords in *url*, as they are written there and as they are meant.

    >>> _passwords_of("postgresql://ann:p%40ss@db/app?password=x"), _passwords_of("sqlite:///app.db")
    (['p%40ss', 'x', 'p@ss'], [])
    """
    found = re.findall(r"://[^:/@?#]*:(.*)@", url) + re.findall(r"[?&]\w*password=([^&#]*)", url)
    return found + [unquote(text) for text in found if unquote(text) != text]


def variable(name: str) -> str:
    """The environment variable of the setting *name*."""
    return PREFIX + name.upper()


def sources(environ: Mapping[str, str]) -> dict[str, str]:
    """Where `Settings.load` takes each setting from: ``environment``, ``file`` or ``default``."""
    found = {}
    for spec in fields(Settings):
        name = variable(spec.name)
        made = spec.metadata["own_file"] and environ.get(variable("profile"), "dev") != "prod"
        file = spec.metadata["secret"] and f"{name}_FILE" in environ
        found[spec.name] = "environment" if name in environ else "file" if file or made else "default"
    return found


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
