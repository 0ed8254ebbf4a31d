"""Mails that go to a real server, over TLS, and every answer that it may give."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backstay.adapters.smtp.transport import SmtpTransport
from backstay.errors import ConfigError
from backstay.mail import TryLater, Undeliverable
from tests.adapters.smtp.server import LINK, mail, serving

Certificate = Callable[[str], Path]


async def test_a_mail_arrives_whole() -> None:
    """Both twins, byte for byte, with a dot alone on a line, umlauts and a long link."""
    async with serving() as post:
        await post.transport().send(mail(headers={"X-Shop": "yes"}))
    message = post.message()
    (envelope,) = post.envelopes
    assert ("post@shop.example.org", ["ann@example.org"]) == (envelope.mail_from, envelope.rcpt_tos)
    heads = {
        "From": "Shop <post@shop.example.org>",
        "To": "ann@example.org",
        "Subject": "Bestätigen Sie Ihre Adresse",
        "Date": "Sat, 21 Nov 2026 12:00:00 +0000",
        "Message-ID": "<0d4c@shop.example.org>",
        "Auto-Submitted": "auto-generated",
        "Content-Language": "de",
        "X-Shop": "yes",
    }
    assert heads == {name: message[name] for name in heads}
    assert {*heads, "MIME-Version", "Content-Type", "X-Peer"} >= set(message.keys())
    text, html = message.iter_parts()
    assert ["text/plain", "text/html"] == [text.get_content_type(), html.get_content_type()]
    assert f"Grüße\n.\n{LINK}\n" == text.get_content().replace("\r\n", "\n")  # type: ignore[attr-defined]
    assert LINK in html.get_content()  # type: ignore[attr-defined]
    content = envelope.content
    assert isinstance(content, bytes)
    assert content.isascii()
    assert max(len(line) for line in content.splitlines()) <= 998


async def test_the_connection_is_encrypted_and_the_password_right(certificate: Certificate) -> None:
    """STARTTLS first, then the password, decoded from the URL."""
    path = certificate("localhost")
    async with serving(starttls=path, require_starttls=True, auth_required=True) as post:
        await post.transport(f"smtp://shop:p%40ss%3Aword@localhost:{{port}}?ca={path}").send(mail())
    assert ([True], [("shop", "p@ss:word")]) == (post.encrypted, post.logins)


async def test_smtps_is_encrypted_from_the_start(certificate: Certificate) -> None:
    """As port 465 is meant."""
    path = certificate("localhost")
    async with serving(implicit=path) as post:
        await post.transport(f"smtps://localhost:{{port}}?ca={path}").send(mail())
    assert 1 == len(post.envelopes)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("trust", ["system", "other name"])
async def test_a_certificate_is_checked(certificate: Certificate, scheme: str, trust: str) -> None:
    """One that nobody vouches for, or of another name, gets neither password nor mail."""
    path = certificate("localhost" if trust == "system" else "other.example.org")
    way: dict[str, Any] = {"starttls" if scheme == "smtp" else "implicit": path}
    ca = "" if trust == "system" else f"?ca={path}"
    async with serving(**way, auth_required=True, auth_require_tls=False) as post:
        with pytest.raises(TryLater, match=r"(?i)certificate|ssl|tls|disconnect|connect"):
            await post.transport(f"{scheme}://shop:p%40ss%3Aword@localhost:{{port}}{ca}").send(mail())
    assert ([], []) == (post.envelopes, post.logins)


async def test_no_encryption_no_mail() -> None:
    """A server, or somebody in between, that does not offer STARTTLS gets neither password nor mail."""
    async with serving(auth_required=True, auth_require_tls=False) as post:
        with pytest.raises(TryLater, match="STARTTLS"):
            await post.transport("smtp://shop:p%40ss%3Aword@localhost:{port}").send(mail())
    assert ([], []) == (post.envelopes, post.logins)


async def test_a_wrong_password_is_no_fault_of_the_mail(certificate: Certificate) -> None:
    """It waits until the operator has mended it; the reason does not hold the password."""
    path = certificate("localhost")
    async with serving(starttls=path, auth_required=True) as post:
        with pytest.raises(TryLater, match="refuses our user or password: 535") as refused:
            await post.transport(f"smtp://shop:wr0ng@localhost:{{port}}?ca={path}").send(mail())
    assert "wr0ng" not in str(refused.value)


@pytest.mark.parametrize(
    ("answers", "outcome", "says"),
    [
        ({"on_rcpt": "550 5.1.1 No such user"}, Undeliverable, "refuses the reader: 550 5.1.1 No such user"),
        ({"on_rcpt": "553 5.1.3 Bad address"}, Undeliverable, "553"),
        ({"on_rcpt": "450 4.2.1 Greylisted"}, TryLater, "does not take the reader now: 450"),
        ({"on_rcpt": "452 4.2.2 Mailbox full"}, TryLater, "452"),
        ({"on_data": "554 5.7.1 Spam"}, Undeliverable, "refuses the content: 554 5.7.1 Spam"),
        ({"on_data": "451 4.3.0 Try later"}, TryLater, "does not take the content now: 451"),
        ({"on_data": "552 5.3.4 Too large"}, Undeliverable, "552"),
        ({"on_mail": "550 5.7.1 Not your domain"}, TryLater, "refuses our sender: 550"),
        ({"on_mail": "421 4.3.2 Closing"}, TryLater, "421"),
        ({"on_rcpt": "421 4.3.2 Closing"}, TryLater, "421"),
    ],
)
async def test_an_answer_decides(answers: dict[str, str], outcome: type[Exception], says: str) -> None:
    """Refused for good is what is about this mail; the rest is tried again."""
    async with serving() as post:
        for name, answer in answers.items():
            setattr(post, name, answer)
        with pytest.raises(outcome, match=says):
            await post.transport().send(mail())
    assert [] == post.envelopes


async def test_nobody_there() -> None:
    """A refused connection is tried again."""
    async with serving() as post:
        transport = post.transport()
    with pytest.raises(TryLater, match="Error connecting"):
        await transport.send(mail())


async def test_a_server_that_says_nothing() -> None:
    """It does not hold a mail for ever."""
    done = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()
        await writer.wait_closed()

    silent = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with serving() as post:
        post.port = silent.sockets[0].getsockname()[1]
        with pytest.raises(TryLater, match="Timed out"):
            await post.transport(step_seconds=0.05).send(mail())
    done.set()
    silent.close()
    await silent.wait_closed()


@pytest.mark.parametrize("greeting", [b"554 No SMTP here\r\n", b"\xff\xfe\r\n", b"250-\r\n250-\r\n", b""])
async def test_a_server_that_is_none(greeting: bytes) -> None:
    """Whatever it says, the answer is one of the two."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()
        await writer.wait_closed()

    odd = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with serving() as post:
        post.port = odd.sockets[0].getsockname()[1]
        with pytest.raises(TryLater):
            await post.transport().send(mail())
    odd.close()
    await odd.wait_closed()


async def test_accepted_is_accepted() -> None:
    """A server that hangs up instead of saying goodbye has the mail, and gets no second one."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        async for line in reader:
            command = line[:4].upper()
            if command == b"DATA":
                writer.write(b"354 go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
            if command == b"QUIT":
                break
            writer.write(b"250 OK\r\n")
        writer.transport.abort()

    rude = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with serving() as post:
        post.port = rude.sockets[0].getsockname()[1]
        await post.transport().send(mail())
    rude.close()
    await rude.wait_closed()


async def test_addresses_of_all_scripts() -> None:
    """The domain goes in ASCII; a name beyond it needs SMTPUTF8, which this server has."""
    async with serving() as post:
        await post.transport().send(mail("用户@例え.jp"))
    (envelope,) = post.envelopes
    assert (["用户@xn--r8jz45g.jp"], True) == (envelope.rcpt_tos, "SMTPUTF8" in envelope.mail_options)


async def test_a_server_that_knows_ascii_only() -> None:
    """A name beyond it cannot be reached, a domain can."""
    async with serving(enable_SMTPUTF8=False) as post:
        with pytest.raises(Undeliverable, match="SMTPUTF8"):
            await post.transport().send(mail("用户@例え.jp"))
        await post.transport().send(mail("ann@bücher.example"))
    assert ["ann@xn--bcher-kva.example"] == post.envelopes[0].rcpt_tos


async def test_a_header_that_is_more_is_not_sent() -> None:
    """SQ7: the transport looks again, whatever came before it."""
    async with serving() as post:
        for headers in ({"Bcc: eve@example.org\r\nX": "y"}, {"X Y": "z"}, {"From": "eve@example.org"}, {"": "x"}):
            with pytest.raises((Undeliverable, ValueError)):
                await post.transport().send(mail(headers=headers if isinstance(headers, dict) else {}))
    assert [] == [envelope for envelope in post.envelopes if envelope.rcpt_tos != ["ann@example.org"]]


def test_certificates_that_cannot_be_read_stop_the_start(tmp_path: Path) -> None:
    """And not the first mail."""
    from backstay.adapters.smtp.message import parse_sender
    from backstay.adapters.smtp.url import parse_smtp_url

    (tmp_path / "empty.pem").touch()
    for name in ("nothing.pem", "empty.pem"):
        server = parse_smtp_url(f"smtp://mail.example.org?ca={tmp_path / name}")
        with pytest.raises(ConfigError) as refused:
            SmtpTransport(server, parse_sender("post@shop.example.org"), now=lambda: None)  # type: ignore[arg-type,return-value]
        assert "BST-E603" == refused.value.code
