"""Mails that are kept on a desk instead of sent."""

from __future__ import annotations

import logging

import pytest

from backstay.mail import Catcher, Mail
from backstay.mail.catcher import KEPT
from tests.mail.test_outbox import NOW

TEXT = "Click:\nhttps://example.org/verify?token=s3cret&type=signup\nor https://example.org/ or code 123456."


def mail(id: str) -> Mail:
    return Mail(id, "ann@example.org", "Confirm", TEXT, "<p/>", "confirmation", "en")


async def test_the_last_ones_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    """The newest first, a hundred of them, each once."""
    catcher = Catcher("http://localhost/_mail/", now=lambda: NOW)
    for number in range(KEPT + 1):
        await catcher.send(mail(str(number)))
    await catcher.send(mail("5"))
    assert (KEPT, ["5", "100", "99"]) == (len(catcher.caught), [one.mail.id for one in catcher.caught[:3]])
    assert (None, NOW) == (catcher.find("0"), getattr(catcher.find("1"), "at", None))


async def test_the_log_says_where_to_look_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    """LG2: neither link nor code, and of the address one letter."""
    caplog.set_level(logging.INFO)
    await Catcher("http://localhost:8000/_mail/", now=lambda: NOW).send(mail("7"))
    assert ["mail to a***@example.org (confirmation): see http://localhost:8000/_mail/7"] == caplog.messages


async def test_links_are_found() -> None:
    """Whole, and each once."""
    catcher = Catcher("", now=lambda: NOW)
    await catcher.send(mail("1"))
    assert ("https://example.org/verify?token=s3cret&type=signup", "https://example.org/") == catcher.caught[0].links
