"""What is sent: a `Letter` says what, a `Mail` is the words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args

from backstay.mail.address import parse_address

Kind: TypeAlias = Literal[
    "confirmation",
    "invite",
    "magic_link",
    "recovery",
    "email_change",
    "reauthentication",
    "password_changed",
    "email_changed",
    "factor_enrolled",
    "factor_removed",
    "recovery_code_used",
    "identity_linked",
    "new_device",
    "account_exists",
    "account_emptied",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

#: Every name that the data of a letter may have; ``docs/reference/mail.md`` says what each means.
DATA: Final = frozenset({"link", "code", "minutes", "email", "new_email", "device", "factor", "provider", "site_name"})

#: Letters that ask their reader to prove something.  Each carries a link or a code, or both.
PROOFS: Final[frozenset[Kind]] = frozenset(
    {"confirmation", "invite", "magic_link", "recovery", "email_change", "reauthentication"}
)

#: What a letter of a kind cannot be written without.
_NEEDED: Final[Mapping[Kind, frozenset[str]]] = {
    "email_change": frozenset({"email", "new_email"}),
    "reauthentication": frozenset({"code"}),
    "email_changed": frozenset({"email", "new_email"}),
    "identity_linked": frozenset({"provider"}),
    "new_device": frozenset({"device"}),
}

# The end of a mail client's patience with an address, and of ours.
_LINK: Final = re.compile(r"https?://[!-~]{1,4000}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True, repr=False)
class Letter:
    """What a flow wants sent.  It holds live codes: keep it out of logs, which its ``repr`` does by itself.

    Args:
        to: the address of one reader.
        kind: what it is about; the template of that name makes the words.
        locale: the reader's language, as a tag (``de-AT``) or a whole Accept-Language header; ``""``: not known.
        data: what stands in it, by the names in `DATA`.  ``minutes`` also says when sending it has become useless.

    Raises:
        ValueError: a mistake in the program: a malformed address, an unknown kind or name, a missing value.
    """

    to: str
    kind: Kind
    locale: str
    data: Mapping[str, str]

    def __post_init__(self) -> None:
        parse_address(self.to)
        if self.kind not in KINDS:
            raise ValueError(f"no letter is called {self.kind!r}")
        if unknown := self.data.keys() - DATA:
            raise ValueError(f"no letter says {', '.join(sorted(unknown))}")
        if missing := _NEEDED.get(self.kind, frozenset()) - self.data.keys():
            raise ValueError(f"a letter of {self.kind} needs {', '.join(sorted(missing))}")
        if self.kind in PROOFS and not self.data.keys() & {"link", "code"}:
            raise ValueError(f"a letter of {self.kind} needs a link or a code")
        if "link" in self.data and not _LINK.fullmatch(self.data["link"]):
            raise ValueError("a link is an http or https URL in ASCII")
        if "minutes" in self.data and not re.fullmatch(r"[1-9][0-9]{0,5}", self.data["minutes"]):
            raise ValueError("minutes are a whole number")

    @property
    def minutes(self) -> int | None:
        """How long its link or code is good for; ``None`` where it has no end."""
        return int(self.data["minutes"]) if "minutes" in self.data else None

    def __repr__(self) -> str:
        return f"Letter({self.kind!r}, ***)"


@dataclass(frozen=True, slots=True, repr=False)
class Mail:
    """A letter in words, ready for a `Transport`.

    Args:
        id: the same for each try of one letter, so that a reader's server can drop the second of two.
        to: the address of the reader.
        subject: one line.
        text: the plain twin.
        html: the HTML twin, a whole document.
        headers: further header lines.
        kind: the letter's.
        language: of both twins, as a tag.

    Raises:
        ValueError: for a line break, another control character or an encoded word in the subject or in a header.
    """

    id: str
    to: str
    subject: str
    text: str
    html: str
    kind: Kind
    language: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in (self.id, self.to, self.subject, *self.headers, *self.headers.values()):
            if _CONTROL.search(line):
                raise ValueError("a header line cannot have a line break or a control character")
            if "=?" in line:
                # The beginning of an encoded word (RFC 2047).  Python's email package decodes what others wrote, and
                # what it finds may be a line break and another header.
                raise ValueError("a header line cannot have an encoded word")

    def __repr__(self) -> str:
        return f"Mail({self.id!r}, {self.kind!r}, ***)"
