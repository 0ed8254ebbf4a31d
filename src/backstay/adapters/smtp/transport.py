"""`SmtpTransport`: mails go to the operator's mail server, one connection each.

1. 4xx is for now, 5xx is for good; but only where it is about this mail: its reader (RCPT) or its content (DATA).
   A server that refuses us, our sender or our password is the operator's to mend, and the mail waits.
2. An encrypted connection is never traded for a plain one: a server without STARTTLS gets nothing.
3. Once the server has said 250 the mail is sent, whatever happens to the connection afterwards.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Final

import aiosmtplib

from backstay.adapters.smtp.message import Sender, message_of
from backstay.adapters.smtp.url import SmtpServer
from backstay.errors import ConfigError
from backstay.mail import Mail, TryLater, Undeliverable, parse_address

#: Seconds for each step: connecting, a command, the data.
_STEP_SECONDS: Final = 20.0


class SmtpTransport:
    """Sends by way of *server*, as *sender*.

    Args:
        server: see `parse_smtp_url`.
        sender: see `parse_sender`.
        now: the time, for the Date header.
        step_seconds: how long the server may take for one step.

    Raises:
        ConfigError: BST-E603, when the file of certificates cannot be read.
    """

    def __init__(
        self,
        server: SmtpServer,
        sender: Sender,
        *,
        now: Callable[[], datetime],
        step_seconds: float = _STEP_SECONDS,
    ) -> None:
        self._server = server
        self._sender = sender
        self._now = now
        self._step_seconds = step_seconds
        self._tls = None if server.tls == "none" else _context(server.ca)

    async def send(self, mail: Mail) -> None:
        """Hand *mail* over to the server.

        Raises:
            Undeliverable: the server refuses the reader or the content, for good.
            TryLater: it could not be reached, does not want us now, or is not set up for us.
        """
        try:
            message = message_of(mail, self._sender, self._now())
        except ValueError as fault:
            raise Undeliverable(str(fault)) from None
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.user,
            password=self._server.password,
            # The library asks the DNS for the name of this machine otherwise, and tells it to the server.
            local_hostname=self._sender.address.domain,
            timeout=self._step_seconds,
            use_tls=self._server.tls == "implicit",
            start_tls=self._server.tls == "starttls",
            tls_context=self._tls,
        )
        accepted = False
        try:
            async with client:
                await client.send_message(
                    message, sender=str(self._sender.address), recipients=[str(parse_address(mail.to))]
                )
                accepted = True
        except aiosmtplib.SMTPRecipientsRefused as fault:
            raise _judged(fault.recipients[0], "the reader") from None
        except aiosmtplib.SMTPDataError as fault:
            raise _judged(fault, "the content") from None
        except aiosmtplib.SMTPNotSupported:
            raise Undeliverable("the mail server does not take addresses beyond ASCII (SMTPUTF8)") from None
        except aiosmtplib.SMTPAuthenticationError as fault:
            raise TryLater(f"the mail server refuses our user or password: {_answer(fault)}") from None
        except aiosmtplib.SMTPSenderRefused as fault:
            raise TryLater(f"the mail server refuses our sender: {_answer(fault)}") from None
        except aiosmtplib.SMTPResponseException as fault:
            raise TryLater(f"the mail server refuses us: {_answer(fault)}") from None
        except (aiosmtplib.SMTPException, OSError) as fault:
            # ssl.SSLError and TimeoutError are OSErrors too.
            if not accepted:
                raise TryLater(f"{type(fault).__name__}: {fault}") from None


def _judged(fault: aiosmtplib.SMTPResponseException, what: str) -> Undeliverable | TryLater:
    if 500 <= fault.code < 600:
        return Undeliverable(f"the mail server refuses {what}: {_answer(fault)}")
    return TryLater(f"the mail server does not take {what} now: {_answer(fault)}")


def _answer(fault: aiosmtplib.SMTPResponseException) -> str:
    return f"{fault.code} {fault.message}"


def _context(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as fault:
        raise ConfigError(
            "BST-E603", f"BACKSTAY_SMTP_URL names a file of certificates that cannot be read: {fault}"
        ) from None
