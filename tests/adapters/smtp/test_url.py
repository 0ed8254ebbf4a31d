"""The URL of a mail server, and those that are refused."""

from __future__ import annotations

import pytest

from backstay.adapters.smtp.url import SmtpServer, parse_smtp_url


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", SmtpServer("mail.example.org", 587, "starttls")),
        ("smtp://mail.example.org:2525/", SmtpServer("mail.example.org", 2525, "starttls")),
        ("smtp://mail.example.org?starttls=required", SmtpServer("mail.example.org", 587, "starttls")),
        ("smtps://mail.example.org", SmtpServer("mail.example.org", 465, "implicit")),
        ("smtp://u%40x:p%3A%2F@h.example", SmtpServer("h.example", 587, "starttls", "u@x", "p:/")),
        ("smtp://[::1]:25?starttls=off", SmtpServer("::1", 25, "none")),
        ("smtp://u:p@localhost:25?starttls=off", SmtpServer("localhost", 25, "none", "u", "p")),
        ("smtps://h.example?ca=/etc/ca.pem", SmtpServer("h.example", 465, "implicit", None, None, "/etc/ca.pem")),
    ],
)
def test_a_server_is_read(url: str, server: SmtpServer) -> None:
    """Encrypted unless it says otherwise."""
    assert server == parse_smtp_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp:///x",
        "smtp://h/path",
        "smtp://h#x",
        "smtp://h:0",
        "smtp://h:99999",
        "smtp://h:x",
        "smtp://u@h",
        "smtp://:p@h",
        "smtp://h?starttls=maybe",
        "smtp://h?verify=no",
        "smtp://h?starttls",
        "smtp://h?ca=",
        "smtps://h?starttls=off",
        "smtp://s3cret:s3cret@mail.example.org?starttls=off",
        "smtp://h\r\nx",
        "smtp://h x",
        "smtp://hö",
    ],
)
def test_what_is_no_server_is_refused(url: str) -> None:
    """Without showing it: there is a password in it."""
    with pytest.raises(ValueError, match=r".") as refused:
        parse_smtp_url(url)
    assert "s3cret" not in str(refused.value)


def test_a_server_does_not_show_its_password() -> None:
    """LG2: neither do logs."""
    assert "s3cret" not in repr(parse_smtp_url("smtp://s3cret:s3cret@mail.example.org"))
