"""One form of an address: two ways of writing one mailbox are one account, and what no mail reaches is none."""

from __future__ import annotations

import pytest

from backstay.auth.address import normal_email
from backstay.auth.refusal import AuthError

#: 245 bytes of UTF-8, and 84 as a mail server reads it.
WIDE = f"{'日' * 40}.{'日' * 40}.org"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.org", "ann@example.org"),
        (" \tAnn@Example.ORG\n", "ann@example.org"),
        ("a\u0308nn@example.org", "änn@example.org"),
        ("ÄNN@EXAMPLE.ORG", "änn@example.org"),
        ("ann+shop_1.x@example.org", "ann+shop_1.x@example.org"),
        ("ann@BÜCHER.example", "ann@bücher.example"),
        ("ann@XN--BCHER-KVA.example", "ann@bücher.example"),
        ("ann@exa\u00admple.org", "ann@example.org"),
        ("ann@ab--cd.example", "ann@ab--cd.example"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
        (f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 61}", f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 61}"),
        (f"{'a' * 8}@{WIDE}", f"{'a' * 8}@{WIDE}"),
        ("ann@example.org".rjust(1000), "ann@example.org"),
    ],
)
def test_one_form(text: str, expected: str) -> None:
    """Spaces around it, case, composition and the two ways of writing a domain make no other account."""
    assert expected == normal_email(text)
    assert expected == normal_email(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "ann@",
        "@example.org",
        "ann@localhost",
        "ann@example..org",
        "ann@-example.org",
        ".ann@example.org",
        "an..n@example.org",
        "ann@bob@example.org",
        '"ann"@example.org',
        "an n@example.org",
        "an\u3000n@example.org",
        "an\u200bn@example.org",
        "an\u202en@example.org",
        "an\x00n@example.org",
        "an\ue000n@example.org",
        "an\ud800n@example.org",
        "ann@xn--.example",
        "ann@xn--zzzzzz-.example",
        # A letter that nobody sees, and that IDNA allows where Persian joins its words.
        "ann@نامه\u200cای.example",
        "a" * 65 + "@example.org",
        "ä" * 33 + "@example.org",
        f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 62}",
        f"{'a' * 9}@{WIDE}",
        "ann@example.org".rjust(1001),
        "a" * 1_000_000,
    ],
)
def test_what_no_mail_reaches(text: str) -> None:
    """Refused before any flow: other forms, what nobody sees, and a byte more than a mail server takes."""
    with pytest.raises(AuthError) as refused:
        normal_email(text)
    assert ("email_address_invalid", 400) == (refused.value.code, refused.value.status)
