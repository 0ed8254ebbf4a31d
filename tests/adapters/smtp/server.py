"""A real mail server in the loop of the test (aiosmtpd), which answers what the test says."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from backstay.adapters.smtp.message import parse_sender
from backstay.adapters.smtp.transport import SmtpTransport
from backstay.adapters.smtp.url import parse_smtp_url
from backstay.mail import Mail

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LINK = "https://shop.example.org/auth/v1/verify?token=pkce_" + "x" * 120 + "&type=signup"


def mail(to: str = "ann@example.org", **changed: Any) -> Mail:
    parts: dict[str, Any] = {
        "id": "0d4c",
        "subject": "Bestätigen Sie Ihre Adresse",
        "text": f"Grüße\n.\n{LINK}\n",
        "html": f"<p>Grüße</p><a href='{LINK}'>x</a>",
        "kind": "confirmation",
        "language": "de",
    }
    return Mail(to=to, **(parts | changed))


def _make(folder: Path, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.DNSName(name)] if name != "localhost" else [
        x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))
    ]  # fmt: skip
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A self-signed certificate, with its key, for a name."""
    folder, made = tmp_path_factory.mktemp("tls"), dict[str, Path]()

    def of(name: str) -> Path:
        if name not in made:
            made[name] = _make(folder, name)
        return made[name]

    return of


@dataclass
class Post:
    """What the server got, and what it answers where the test wants another answer."""

    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    on_mail: str | None = None
    on_rcpt: str | None = None
    on_data: str | None = None

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.on_mail is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.on_mail or "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.on_rcpt is None:
            envelope.rcpt_tos.append(address)
        return self.on_rcpt or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.on_data is None:
            self.envelopes.append(envelope)
            self.encrypted.append(session.ssl is not None)
        return self.on_data or "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == b"p@ss:word", handled=False)

    def message(self) -> EmailMessage:
        """The one message that came."""
        (envelope,) = self.envelopes
        assert isinstance(envelope.content, bytes)
        found = message_from_bytes(envelope.content, policy=default)
        assert isinstance(found, EmailMessage)
        return found

    def transport(self, url: str = "smtp://127.0.0.1:{port}?starttls=off", **options: Any) -> SmtpTransport:
        return SmtpTransport(
            parse_smtp_url(url.format(port=self.port)),
            parse_sender("Shop <post@shop.example.org>"),
            now=lambda: AT,
            **options,
        )


@asynccontextmanager
async def serving(*, starttls: Path | None = None, implicit: Path | None = None, **options: Any) -> AsyncIterator[Post]:
    """A server on a free port of this machine."""
    post = Post()
    loop = asyncio.get_running_loop()
    given: dict[str, Any] = {"hostname": "mail.example.org", "loop": loop, "enable_SMTPUTF8": True} | options
    if starttls is not None:
        given |= {"tls_context": _context(starttls)}
    if given.get("auth_required"):
        given |= {"authenticator": post.authenticate}
    connections: list[SMTP] = []

    def accept() -> SMTP:
        with warnings.catch_warnings():
            # It warns of what some tests are about: a server that takes passwords without TLS.
            warnings.simplefilter("ignore")
            connections.append(SMTP(post, **given))
        return connections[-1]

    server = await loop.create_server(accept, "127.0.0.1", 0, ssl=_context(implicit) if implicit is not None else None)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()
        for connection in connections:
            if connection.transport is not None:
                connection.transport.abort()
            if connection._handler_coroutine is not None:
                connection._handler_coroutine.cancel()
                await asyncio.gather(connection._handler_coroutine, return_exceptions=True)
        await server.wait_closed()


def _context(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
