"""Passwords that attackers try first: too short, known to everybody, or taken from where they are used (PW4–PW6).

No composition rules: a password without digits is not weaker for it, and rules make people choose ``Password1!``.
Nothing is asked over the network.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container, Iterable
from functools import lru_cache
from typing import Final

from backstay.auth.refusal import AuthError

#: Least characters of a password.
MINIMUM: Final = 8

#: Shorter words of the surroundings stand in too many good passwords by chance.
_LEAST_WORD: Final = 3
#: Letters that must be left when the words of the surroundings are taken out.
_LEAST_REST: Final = 4

_NOT_LETTERS: Final = re.compile(r"[\W\d_]+")


@lru_cache(maxsize=1)
def common_passwords() -> frozenset[str]:
    """30,000 passwords by how often they were found, in lower case.  The first call takes about 50 ms."""
    # Imported here: zxcvbn brings all its word lists, and the command line needs none.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])


def weaknesses(
    password: str, *, minimum: int = MINIMUM, context: Iterable[str] = (), pwned: Container[bytes] = ()
) -> tuple[str, ...]:
    """Why *password* is refused, in GoTrue's words; empty when it is not.

    Args:
        minimum: least characters (Unicode code points).
        context: what is known about the account and the site, see `surroundings`.
        pwned: SHA-1 hashes of passwords, see `PwnedFile`.

    Returns:
        ``length`` when it is too short, ``pwned`` when it is a common one, or in *pwned*, or made of *context*.
        ``characters``, GoTrue's third reason, is never given (PW6).

    >>> weaknesses("short"), weaknesses("Password1"), weaknesses("correct horse battery")
    (('length',), ('pwned',), ())
    >>> weaknesses("Chirp2026!", context=surroundings("Chirp", "chirp.example.org", "ann.lee@example.com"))
    ('pwned',)
    """
    found = []
    if len(password) < minimum:
        found.append("length")
    folded = _folded(password)
    if folded in common_passwords() or _made_of(folded, context) or _is_pwned(password, pwned):
        found.append("pwned")
    return tuple(found)


def refuse_weak(reasons: tuple[str, ...], *, minimum: int = MINIMUM) -> None:
    """Raise what *reasons* of `weaknesses` mean to a client; nothing for none.

    Raises:
        AuthError: 422 ``weak_password`` with the *reasons*.
    """
    if not reasons:
        return
    said = []
    if "length" in reasons:
        said.append(f"Password should be at least {minimum} characters.")
    if "pwned" in reasons:
        said.append("Password is known to be weak and easy to guess, please choose a different one.")
    raise AuthError("weak_password", " ".join(said), reasons=reasons)


def surroundings(*texts: str) -> frozenset[str]:
    """The words of a product's title, the site's host and an account's address or name.

    Of a host the first label that is its own, of an address also what stands before the at sign.

    >>> sorted(surroundings("Chirp: Feed", "www.chirp.co.uk", "ann.lee@example.com"))
    ['ann', 'ann.lee', 'ann.lee@example.com', 'chirp', 'chirp: feed', 'example', 'feed', 'lee', 'www.chirp.co.uk']
    """
    words: set[str] = set()
    for text in texts:
        folded = _folded(text).strip()
        local, at, host = folded.rpartition("@")
        words.update((folded, local))
        words.update(re.split(r"[\W_]+", local if at else "" if "." in folded else folded))
        if at or "." in folded:
            # The last label says nothing, and www, co and com are parts of all names.
            labels = host.rstrip(".").split(":")[0].split(".")[:-1]
            words.update(label for label in labels if label not in ("www", "co", "com", "org", "net", "app"))
    return frozenset(word for word in words if len(word) >= _LEAST_WORD)


def sha1(password: str) -> bytes:
    """The hash by which lists of leaked passwords name them; it protects nothing."""
    return hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()


def _is_pwned(password: str, pwned: Container[bytes]) -> bool:
    return sha1(password) in pwned


def _made_of(folded: str, context: Iterable[str]) -> bool:
    """Whether nearly nothing but digits and signs is left of *folded* without the words of *context*."""
    # The longest first: what is left of one must not hide in another.
    words = sorted(
        (word for word in map(_folded, context) if len(word) >= _LEAST_WORD), key=lambda word: (-len(word), word)
    )
    rest = folded
    for word in words:
        rest = rest.replace(word, " ")
    return rest != folded and len(_NOT_LETTERS.sub("", rest)) < _LEAST_REST


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
