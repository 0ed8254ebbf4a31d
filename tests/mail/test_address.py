"""Addresses that are written to, and those that are refused."""

from __future__ import annotations

import pytest

from backstay.mail import masked, parse_address

REFUSED = [
    "",
    "@",
    "ann",
    "ann@",
    "@example.org",
    "ann@example.org\r\nBcc: eve@example.org",
    "ann@example.org\nBcc: eve@example.org",
    "ann@example.org\r",
    "ann\r\n@example.org",
    "ann\x00@example.org",
    "ann@exam\x00ple.org",
    "ann\t@example.org",
    " ann@example.org",
    "ann@example.org ",
    "ann lee@example.org",
    "ann@example.org,eve@example.org",
    "ann@example.org;eve@example.org",
    "ann@example.org>",
    "<ann@example.org>",
    "Ann <ann@example.org>",
    "ann@example.org> SIZE=1",
    '"ann lee"@example.org',
    '"ann\r\nRCPT TO:<eve@example.org>"@example.org',
    "ann(comment)@example.org",
    "ann@[127.0.0.1]",
    "ann@[IPv6:::1]",
    "ann@eve@example.org",
    ".ann@example.org",
    "ann.@example.org",
    "an..n@example.org",
    "ann@example..org",
    "ann@.example.org",
    "ann@example.org.",
    "ann@-example.org",
    "ann@example-.org",
    "ann@exa_mple.org",
    "ann@exam ple.org",
    "ann@example.org\u2028",
    "ann\u2028Bcc:x@example.org",
    "ann\u0085x@example.org",
    "ann\u202egro@example.org",
    "ann\u200b@example.org",
    "ann\u00a0lee@example.org",
    "ann\ud800@example.org",
    "ann@exa\ud800mple.org",
    "ann@\u202eexample.org",
    "ann@ex\u2028ample.org",
    "ann=?utf-8?q?=0d=0a?=\r@example.org",
    "a" * 65 + "@example.org",
    "é" * 33 + "@example.org",
    "ann@" + "a" * 64 + ".org",
    "ann@" + ".".join(["a" * 60] * 5),
    "a" * 64 + "@" + ".".join(["b" * 47] * 4),
    "ann%0d%0a@",
    "=?utf-8?q?=0d=0aBcc=3aeve=40example.org?=@example.org",
    "=?@example.org",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_could_be_more_than_an_address_is_refused(text: str) -> None:
    """SQ7: nothing that passes can end a header line, or add a recipient or a command."""
    with pytest.raises(ValueError, match=r"\A(it|the) ") as refused:
        parse_address(text)
    assert text == "" or len(text) < 3 or text not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("ann@example.org", "ann@example.org"),
        ("Ann.Lee+x@Example.ORG", "Ann.Lee+x@example.org"),
        ("o'hara@example.org", "o'hara@example.org"),
        ("ann@localhost", "ann@localhost"),
        ("ann%0d%0a@example.org", "ann%0d%0a@example.org"),
        ("-f/etc/passwd@example.org", "-f/etc/passwd@example.org"),
        ("jörg@example.org", "jörg@example.org"),
        ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
        ("ann@straße.example", "ann@xn--strae-oqa.example"),
        ("ann@STRASSE.example", "ann@strasse.example"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_an_address_goes_out_with_its_domain_in_ascii(text: str, sent: str) -> None:
    """IDNA 2008: straße and strasse are two domains, and a letter goes to the one that was written."""
    assert sent == str(parse_address(text))


def test_a_name_beyond_ascii_is_told_apart() -> None:
    """It needs a server that knows SMTPUTF8."""
    assert (True, False) == (parse_address("a@bücher.example").is_ascii, parse_address("ä@example.org").is_ascii)


@pytest.mark.parametrize(("text", "shown"), [("ann@example.org", "a***@example.org"), ("a\r\nb", "***"), ("", "***")])
def test_a_log_shows_too_little_to_write_to(text: str, shown: str) -> None:
    """LG2: the first letter and the domain."""
    assert shown == masked(text)
