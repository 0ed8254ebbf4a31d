"""Settings: what the environment may say, and what it is told when it says something else."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from backstay.errors import ConfigError
from backstay.proxies import Proxies
from backstay.settings import Settings, redact_url, settings_reference

SECRET = "0123456789abcdef0123456789abcdef"


def load(folder: Path, **values: str) -> Settings:
    return Settings.load({f"BACKSTAY_{name}": value for name, value in values.items()}, folder=folder)


def public_key(kid: str = "a") -> dict[str, object]:
    return {**ECKey.generate_key("P-256").as_dict(private=False), "kid": kid, "alg": "ES256"}


def test_an_empty_environment_is_enough(tmp_path: Path) -> None:
    """The defaults serve a SQLite file on this machine only."""
    settings = load(tmp_path)
    assert ("sqlite:///backstay.db", "sqlite", "127.0.0.1", 8000, "granian", 1) == (
        settings.database,
        settings.dialect,
        settings.host,
        settings.port,
        settings.server,
        settings.workers,
    )
    assert (1000, 5.0, ("*",), "dev", "info") == (
        settings.max_rows,
        settings.statement_timeout,
        settings.cors_origins,
        settings.profile,
        settings.log_level,
    )


def test_every_setting_is_read_from_its_variable(tmp_path: Path) -> None:
    """Each variable reaches its field in the field's type."""
    settings = load(
        tmp_path,
        DATABASE="postgresql://ann@db/shop",
        JWT_SECRET=SECRET,
        JWKS=json.dumps({"keys": [public_key()]}),
        HOST="::1",
        PORT="9000",
        SERVER="uvicorn",
        WORKERS="3",
        MAX_ROWS="50",
        STATEMENT_TIMEOUT="0.5",
        CORS_ORIGINS="https://a.example, http://localhost:3000",
        PROFILE="prod",
        LOG_LEVEL="error",
        PLAN_ENABLED="on",
    )
    assert ("postgresql", SECRET, "::1", 9000, "uvicorn", 3, 50, 0.5, "prod", "error") == (
        settings.dialect,
        settings.jwt_secret,
        settings.host,
        settings.port,
        settings.server,
        settings.workers,
        settings.max_rows,
        settings.statement_timeout,
        settings.profile,
        settings.log_level,
    )
    assert ("https://a.example", "http://localhost:3000") == settings.cors_origins
    assert settings.plan_enabled
    assert settings.jwks is not None
    assert ["a"] == [key["kid"] for key in settings.jwks["keys"]]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("PORT", "0", "BST-E403"),
        ("PORT", "65536", "BST-E403"),
        ("PORT", "http", "BST-E403"),
        ("WORKERS", "0", "BST-E403"),
        ("WORKERS", "2", "BST-E408"),
        ("SERVER", "gunicorn", "BST-E403"),
        ("MAX_ROWS", "0", "BST-E403"),
        ("MAX_ROWS", "100001", "BST-E403"),
        ("STATEMENT_TIMEOUT", "0", "BST-E403"),
        ("STATEMENT_TIMEOUT", "nan", "BST-E403"),
        ("STATEMENT_TIMEOUT", "inf", "BST-E403"),
        ("CORS_ORIGINS", "null", "BST-E403"),
        ("CORS_ORIGINS", "https://a.example,*", "BST-E403"),
        ("CORS_ORIGINS", "https://a.example/path", "BST-E403"),
        ("DATABASE", "mysql://localhost/x", "BST-E403"),
        ("DATABASE", "backstay.db", "BST-E403"),
        ("DATABASE", "", "BST-E402"),
        ("HOST", "  ", "BST-E402"),
        ("PROFILE", "production", "BST-E403"),
        ("LOG_LEVEL", "trace", "BST-E403"),
        ("TX_END", "maybe", "BST-E403"),
        ("PLAN_ENABLED", "1", "BST-E403"),
        ("TRUSTED_PROXIES", "0.0.0.0/0", "BST-E403"),
        ("TRUSTED_PROXIES", "loopback", "BST-E403"),
        ("RATE_LIMITS", "on", "BST-E403"),
        ("RATE_LIMITS", '{"mails": "1/60"}', "BST-E403"),
        ("PASSWORD_MIN_LENGTH", "7", "BST-E403"),
        ("PASSWORD_COMPAT", "6", "BST-E403"),
        ("PASSWORD_HASH", "19456", "BST-E403"),
        ("JWT_SECRET", SECRET[:31], "BST-E406"),
        ("JWT_SECRET", "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZI", "BST-E406"),
        ("JWT_SECRET", '{"kty": "EC", "crv": "P-256", "x": "AAAA"}', "BST-E406"),
        ("JWT_SECRET_FILE", "/nonexistent/secret", "BST-E404"),
        ("JWKS", "/nonexistent/keys.json", "BST-E403"),
        ("JWKS", '{"keys": []}', "BST-E403"),
        ("JWKS", "{" * 5000, "BST-E403"),
    ],
)
def test_a_value_that_will_not_do_stops_the_start(tmp_path: Path, name: str, value: str, code: str) -> None:
    """Nothing is guessed: the error names the variable and says what it takes."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, **{name: value})
    assert code == caught.value.code
    assert f"BACKSTAY_{name}".removesuffix("_FILE") in caught.value.message or code == "BST-E404"
    assert caught.value.hint is not None or code == "BST-E404"


def test_production_keeps_what_it_writes(tmp_path: Path) -> None:
    """No end but a commit, and none that a client may choose, in the profile prod (BST-E414)."""
    assert "rollback-allow-override" == load(tmp_path, TX_END="rollback-allow-override").tx_end
    for end in ("commit-allow-override", "rollback", "rollback-allow-override"):
        with pytest.raises(ConfigError) as caught:
            load(tmp_path, TX_END=end, PROFILE="prod", JWT_SECRET=SECRET)
        assert "BST-E414" == caught.value.code
    assert "commit" == load(tmp_path, TX_END="commit", PROFILE="prod", JWT_SECRET=SECRET).tx_end


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("PUBLIC_URL", "http://api.example.org", False),
        ("PUBLIC_URL", "https://api.example.org", True),
        ("SITE_URL", "http://app.example.org", False),
        ("SITE_URL", "http://10.0.0.7:3000", False),
        ("SITE_URL", "http://localhost.example.org", False),
        ("SITE_URL", "http://127.0.0.1.example.org", False),
        ("SITE_URL", "http://localhost:3000", True),
        ("SITE_URL", "http://127.0.0.1:3000", True),
        ("SITE_URL", "http://[::1]:3000", True),
        ("REDIRECT_URLS", "https://app.example.org/**,http://*.example.org/**", False),
        ("REDIRECT_URLS", "http://localhost:3000/**,app.example://callback", True),
    ],
)
def test_production_sends_nobody_through_the_open(tmp_path: Path, name: str, value: str, taken: bool) -> None:
    """What mails and sign-ins lead to is encrypted on its way in the profile prod, or of the machine itself (BST-E415)."""
    assert getattr(load(tmp_path, **{name: value}), name.lower())
    given = {name: value, "PROFILE": "prod", "JWT_SECRET": SECRET}
    if taken:
        assert getattr(load(tmp_path, **given), name.lower())
        return
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, **given)
    assert "BST-E415" == caught.value.code
    assert f"BACKSTAY_{name} has " in str(caught.value)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"HOST": "0.0.0.0"}, "BST-E415"),
        ({"HOST": "::"}, "BST-E415"),
        ({"HOST": "10.0.0.7", "SITE_URL": "https://app.example.org"}, "BST-E415"),
        ({"HOST": "0.0.0.0", "PUBLIC_URL": "https://api.example.org"}, None),
        ({"HOST": "0.0.0.0", "ACCOUNTS": "off"}, None),
        ({"HOST": "::1"}, None),
        ({"SMTP_URL": "smtp://mail.example.org?starttls=off"}, "BST-E416"),
        ({"SMTP_URL": "smtp://10.0.0.7:25?starttls=off"}, "BST-E416"),
        ({"SMTP_URL": "smtp://127.0.0.1:25?starttls=off"}, None),
        ({"SMTP_URL": "smtp://mail.example.org"}, None),
        ({"SMTP_URL": "smtps://mail.example.org"}, None),
    ],
)
def test_production_mails_no_link_through_the_open(tmp_path: Path, given: dict[str, str], code: str | None) -> None:
    """What was left out counts as what it stands for (BST-E415), and a mail on its way is a link on its way (BST-E416)."""
    given = {"MAIL_FROM": "post@example.org", **given}
    load(tmp_path, **given)
    try:
        load(tmp_path, PROFILE="prod", JWT_SECRET=SECRET, **given)
        found = None
    except ConfigError as fault:
        found = fault.code
    assert code == found


@pytest.mark.parametrize(("name", "value"), [("PORT", "65535"), ("MAX_ROWS", "100000"), ("STATEMENT_TIMEOUT", "3600")])
def test_a_bound_itself_is_allowed(tmp_path: Path, name: str, value: str) -> None:
    """The largest value of a setting is a value of it."""
    assert float(value) == getattr(load(tmp_path, **{name: value}), name.lower())


def test_an_unknown_name_is_answered_with_the_near_one(tmp_path: Path) -> None:
    """A typing error would otherwise leave a default in force unseen."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, DATABSE="sqlite:///x.db")
    assert ("BST-E401", "Did you mean BACKSTAY_DATABASE?") == (caught.value.code, caught.value.hint)


def test_what_clients_export_is_not_a_setting_and_not_a_mistake(tmp_path: Path) -> None:
    """The lines that the demo prints for a shell do not stop the next start in that shell."""
    load(tmp_path, URL="http://127.0.0.1:8000", ANON_KEY="x", USER_TOKEN="x", TEST_POSTGRES="x")


def test_a_private_key_has_no_place_in_a_key_set(tmp_path: Path) -> None:
    """A verifier that holds a private key could sign; two keys of one id could not be told apart."""
    private = {**ECKey.generate_key("P-256").as_dict(private=True), "kid": "a"}
    nameless = {name: value for name, value in public_key().items() if name != "kid"}
    for keys in ([private], [nameless], [public_key(), public_key()], [{"kty": "oct", "k": "x", "kid": "a"}]):
        with pytest.raises(ConfigError, match="BACKSTAY_JWKS is not a key set") as caught:
            load(tmp_path, JWKS=json.dumps({"keys": keys}))
        assert "BST-E403" == caught.value.code


def test_a_key_set_may_stand_in_a_file(tmp_path: Path) -> None:
    """BACKSTAY_JWKS is a path where it is not JSON."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [public_key("k1"), public_key("k2")]}))
    jwks = load(tmp_path, JWKS=str(path)).jwks
    assert jwks is not None
    assert ["k1", "k2"] == [key["kid"] for key in jwks["keys"]]


def test_a_key_set_that_others_may_change_is_refused(tmp_path: Path) -> None:
    """SE2: whoever adds a key to it signs tokens; anybody may read it."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [public_key()]}))
    path.chmod(0o646)
    with pytest.raises(ConfigError, match="can be changed by others") as caught:
        load(tmp_path, JWKS=str(path))
    assert "BST-E407" == caught.value.code
    path.chmod(0o644)
    assert load(tmp_path, JWKS=str(path)).jwks is not None


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """The line end of the file is not part of the secret."""
    path = tmp_path / "jwt"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o640)
    assert SECRET == load(tmp_path, JWT_SECRET_FILE=str(path)).jwt_secret


def test_a_secret_file_open_to_the_world_is_refused(tmp_path: Path) -> None:
    """SE2: everybody on the machine may have read it."""
    path = tmp_path / "jwt"
    path.write_text(SECRET)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others") as caught:
        load(tmp_path, JWT_SECRET_FILE=str(path))
    assert "BST-E407" == caught.value.code


def test_a_secret_and_its_file_are_not_both_given(tmp_path: Path) -> None:
    """Which one wins would be a guess."""
    with pytest.raises(ConfigError, match="both set"):
        load(tmp_path, JWT_SECRET=SECRET, JWT_SECRET_FILE="x")


def test_a_first_start_makes_its_own_secret(tmp_path: Path) -> None:
    """SE1: no default secret, 32 random bytes, 0600 in 0700, and the second start reads the same."""
    first = load(tmp_path).jwt_secret
    folder = tmp_path / ".backstay"
    assert first is not None
    assert (64, 0o700, 0o600) == (
        len(first),
        stat.S_IMODE(folder.stat().st_mode),
        stat.S_IMODE((folder / "secret").stat().st_mode),
    )
    assert first == load(tmp_path).jwt_secret
    assert first != load(tmp_path.joinpath("other").resolve().parent, JWT_SECRET=SECRET).jwt_secret


def test_production_makes_no_secret_of_its_own(tmp_path: Path) -> None:
    """A secret made in a container without a volume would be another one after every deployment."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, PROFILE="prod")
    assert ("BST-E405", False) == (caught.value.code, (tmp_path / ".backstay").exists())
    assert load(tmp_path, PROFILE="prod", JWKS=json.dumps({"keys": [public_key()]})).jwt_secret is None


@pytest.mark.parametrize("secret", ["reallyreallyreallyreallyverysafe", "a" * 64])
def test_production_refuses_secrets_that_everybody_knows(tmp_path: Path, secret: str) -> None:
    """SE2: a sample from documentation is as good as no secret."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, PROFILE="prod", JWT_SECRET=secret)
    assert "BST-E406" == caught.value.code
    assert secret == load(tmp_path, JWT_SECRET=secret).jwt_secret


KEYS = "new:" + "0123456789abcdef" * 4 + ",old:" + "fedcba9876543210" * 4


def test_encryption_keys_stand_in_a_variable_or_a_file(tmp_path: Path) -> None:
    """EN2: newest first, and SE4: shown by their ids only."""
    path = tmp_path / "keys"
    path.write_text(KEYS.replace(",", "\n") + "\n")
    path.chmod(0o640)
    given, read = load(tmp_path, ENCRYPTION_KEYS=KEYS), load(tmp_path, ENCRYPTION_KEYS_FILE=str(path))
    assert given.encryption_keys is not None
    assert ("new", "old") == given.encryption_keys.ids
    assert given.encryption_keys == read.encryption_keys
    assert "new:***, old:***" == given.redacted()["encryption_keys"]
    assert "0123456789abcdef" not in repr(given)


def test_a_desk_makes_its_own_encryption_key_and_production_does_not(tmp_path: Path) -> None:
    """SE1: two installations never share one; production needs one only where a model encrypts."""
    made = load(tmp_path).encryption_keys
    assert made is not None
    assert made == load(tmp_path).encryption_keys
    other = tmp_path / "other"
    other.mkdir()
    assert made != load(other).encryption_keys
    assert load(tmp_path, PROFILE="prod", JWT_SECRET=SECRET).encryption_keys is None


def test_a_malformed_encryption_key_stops_the_start(tmp_path: Path) -> None:
    """The message says which entry, and shows nothing of it."""
    with pytest.raises(ConfigError, match="bytes for the key new") as caught:
        load(tmp_path, ENCRYPTION_KEYS="new:0123456789abcdef")
    assert ("BST-E501", False) == (caught.value.code, "0123456789abcdef" in str(caught.value))


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    """SE4: neither the dump of the settings nor an error repeats a secret."""
    settings = load(tmp_path, DATABASE="postgresql://ann:hunter2@db/shop", JWT_SECRET=SECRET)
    assert "hunter2" not in repr(settings)
    assert SECRET not in repr(settings)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, DATABASE="mysql://ann:hunter2@db/shop")
    assert "hunter2" not in f"{caught.value} {caught.value.hint} {caught.value.details}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///app.db", "sqlite:///app.db"),
        ("postgresql://ann@db/x", "postgresql://ann@db/x"),
        ("postgresql://ann:p@ss:w/rd@db/x", "postgresql://ann:***@db/x"),
        ("postgresql:///x?user=ann&password=secret&host=db", "postgresql:///x?user=ann&password=***&host=db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """Everything but the password helps to find a mistake."""
    assert shown == redact_url(url)


def test_the_reference_page_has_the_table_of_the_code() -> None:
    """docs/reference/settings.md is this table, word for word."""
    page = Path(__file__).parent.parent / "docs" / "reference" / "settings.md"
    assert settings_reference() in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("url", "dialect"),
    [
        ("sqlite:///app.db", "sqlite"),
        ("sqlite+apsw:////srv/app.db", "sqlite"),
        ("postgres://db/shop", "postgresql"),
        ("postgresql+asyncpg://ann@db/shop", "postgresql"),
    ],
)
def test_a_url_may_name_the_driver(tmp_path: Path, url: str, dialect: str) -> None:
    """URLs as SQLAlchemy writes them are taken too; the driver is ours either way."""
    assert dialect == load(tmp_path, DATABASE=url, JWT_SECRET=SECRET).dialect


def test_secrets_are_known_by_value(tmp_path: Path) -> None:
    """LG2: what the log must not show wherever it turns up, in each form that it may have."""
    hex = "fedcba9876543210" * 4
    found = load(
        tmp_path, DATABASE="postgresql://ann:p%40ss@db/shop", JWT_SECRET=SECRET, ENCRYPTION_KEYS=f"k1:{hex}"
    ).secrets()
    assert {"p%40ss", "p@ss", SECRET, hex} <= set(found)
    assert {"ann", "db", "k1"}.isdisjoint(found)


def test_passwords_may_be_as_short_as_gotrue_s_only_by_name(tmp_path: Path) -> None:
    """PW4: 8 by default, more by a number, 6 by a word that says what it is."""
    assert [8, 15, 6, 6] == [
        load(tmp_path).password_minimum,
        load(tmp_path, PASSWORD_MIN_LENGTH="15").password_minimum,
        load(tmp_path, PASSWORD_COMPAT="gotrue").password_minimum,
        load(tmp_path, PASSWORD_COMPAT="gotrue", PASSWORD_MIN_LENGTH="15").password_minimum,
    ]


@pytest.mark.parametrize("value", ["m=19455,t=2,p=1", "m=9999999,t=2,p=1"])
def test_a_hash_below_the_floor_stops_the_start(tmp_path: Path, value: str) -> None:
    """PW1: enforced before anything is served."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, PASSWORD_HASH=value)
    assert "BST-E221" == caught.value.code
    assert "m=47104,t=1,p=1" == load(tmp_path, PASSWORD_HASH="m=47104,t=1,p=1").password_hash


def test_production_does_not_go_without_limits(tmp_path: Path) -> None:
    """TH2: a desk may."""
    assert "off" == load(tmp_path, RATE_LIMITS="off").rate_limits
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, RATE_LIMITS=" off", PROFILE="prod", JWT_SECRET=SECRET)
    assert "BST-E223" == caught.value.code
    changed = load(tmp_path, RATE_LIMITS='{"mail": "500/3600"}', PROFILE="prod", JWT_SECRET=SECRET)
    assert '{"mail": "500/3600"}' == changed.rate_limits


def test_proxies_are_a_count_or_networks(tmp_path: Path) -> None:
    """TH7: none by default."""
    assert Proxies() == load(tmp_path).trusted_proxies
    assert Proxies(count=1) == load(tmp_path, TRUSTED_PROXIES="1").trusted_proxies
    assert load(tmp_path, TRUSTED_PROXIES="10.0.0.0/8,unix").trusted_proxies.unix


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("api.example.org", ("api.example.org",)),
        (" API.example.org. , .Example.net ", ("api.example.org", ".example.net")),
        ("127.0.0.1,[0:0::1],2001:DB8::1", ("127.0.0.1", "[::1]", "[2001:db8::1]")),
        ("api.example.org:8000", None),
        ("https://api.example.org", None),
        ("*", None),
        ("*.example.org", None),
        ("a,,b", None),
        ("a b", None),
        (".", None),
        ("a..b", None),
        ("[::1]:80", None),
        ("[::::]", None),
    ],
)
def test_allowed_hosts(text: str, hosts: tuple[str, ...] | None, tmp_path: Path) -> None:
    """S12: names and suffixes in the form in which they are compared; what could match nothing is refused."""
    if hosts is None:
        with pytest.raises(ConfigError) as caught:
            load(tmp_path, ALLOWED_HOSTS=text)
        assert "BST-E403" == caught.value.code
    else:
        assert hosts == load(tmp_path, ALLOWED_HOSTS=text).allowed_hosts
