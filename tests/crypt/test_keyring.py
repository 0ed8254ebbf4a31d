"""The keyring: the newest key writes, all read, and what is not a key is refused without being shown."""

from __future__ import annotations

import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from backstay.crypt import Key, Keyring, Unsealable, key_id_of, own_keyring
from backstay.errors import ConfigError

OLD = Key("2026-01", bytes(range(32)))
NEW = Key("2026-02", bytes(range(100, 132)))


def test_the_newest_key_writes_and_all_read() -> None:
    """EN2: after a key is added, old values open and new ones name the new key."""
    old = Keyring((OLD,)).seal(b"x", context="")
    ring = Keyring((NEW, OLD))
    new = ring.seal(b"x", context="")
    assert ("2026-01", "2026-02") == (key_id_of(old), key_id_of(new))
    assert (b"x", b"x") == (ring.open_sealed(old, context=""), ring.open_sealed(new, context=""))
    assert (False, True) == (ring.is_newest(old), ring.is_newest(new))


def test_a_value_of_a_dropped_key_says_which() -> None:
    """EN2: the error names the key to put back."""
    sealed = Keyring((OLD,)).seal(b"x", context="")
    with pytest.raises(Unsealable, match="not on the keyring") as caught:
        Keyring((NEW,)).open_sealed(sealed, context="")
    assert "2026-01" == caught.value.key_id


def test_another_key_under_the_same_id_does_not_open() -> None:
    """The id finds a key; it does not make it the right one."""
    sealed = Keyring((OLD,)).seal(b"x", context="")
    with pytest.raises(Unsealable, match="another one"):
        Keyring((Key("2026-01", NEW.material),)).open_sealed(sealed, context="")


def test_derived_keys_follow_the_ring() -> None:
    """EN3: an index is looked up under every key that may have written it, newest first."""
    ring = Keyring((NEW, OLD))
    assert (Keyring((NEW,)).derive("p"), Keyring((OLD,)).derive("p")) == ring.derive_all("p")
    assert ring.derive("p") == ring.derive_all("p")[0]


@pytest.mark.parametrize(
    "write",
    [
        lambda key: key.hex(),
        lambda key: key.hex().upper(),
        lambda key: base64.b64encode(key).decode(),
        lambda key: base64.urlsafe_b64encode(key).decode().rstrip("="),
    ],
)
@pytest.mark.parametrize("between", [",", ", ", "\n", " \n,\n"])
def test_keys_are_hexadecimal_or_base64(write: object, between: str) -> None:
    """A variable and a file, one key a line, are read the same."""
    assert callable(write)
    text = f"a:{write(NEW.material)}{between}b:{write(bytes(range(200, 232)))}\n"
    assert Keyring((Key("a", NEW.material), Key("b", bytes(range(200, 232))))) == Keyring.parse(text)


HEX = NEW.material.hex()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEX, "no id at place 1"),
        (f":{HEX}", "id at place 1"),
        (f"a b:{HEX}", "no id at place 1"),
        (f"ä:{HEX}", "id at place 1"),
        (f"{'a' * 33}:{HEX}", "id at place 1"),
        (f"a:{HEX[:62]}", "bytes for the key a"),
        (f"a:{HEX[:-2]}!!", "neither hexadecimal nor base64"),
        ("a:", "0 bytes"),
        (f"a:{'00' * 32}", "repeats a few bytes"),
        (f"a:{HEX},a:{OLD.material.hex()}", "two keys of one id"),
        (f"a:{HEX},b:{HEX}", "one key under two ids"),
    ],
)
def test_a_malformed_ring_is_refused_without_showing_it(text: str, says: str) -> None:
    """SE2, SE4: weak and mistyped keys stop the start, and no error repeats one."""
    with pytest.raises(ConfigError, match=says) as caught:
        Keyring.parse(text)
    assert "BST-E501" == caught.value.code
    assert HEX[:20] not in f"{caught.value} {caught.value.hint}"


def test_no_key_is_ever_shown() -> None:
    """SE4: neither a key nor a ring prints its bytes."""
    shown = f"{Keyring((NEW, OLD))!r} {NEW} {Keyring((NEW,))}"
    assert NEW.material.hex() not in shown
    assert repr(NEW.material) not in shown


def test_a_ring_has_a_key() -> None:
    """Nothing could be written without one."""
    with pytest.raises(ConfigError, match="has no key"):
        Keyring(())


def test_first_starts_at_one_moment_agree_on_one_ring(tmp_path: Path) -> None:
    """SE1: made once, 0600 in 0700, and the next start reads the same."""
    folder, gate = tmp_path / ".backstay", Barrier(12)

    def start(_: int) -> Keyring:
        gate.wait()
        return own_keyring(folder)

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(start, range(12)))
    assert all(ring == found[0] for ring in found)
    assert own_keyring(folder) == found[0] != own_keyring(tmp_path / "other")
    assert ["encryption_keys"] == os.listdir(folder)
    modes = (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE((folder / "encryption_keys").stat().st_mode))
    assert (0o700, 0o600) == modes


def test_a_ring_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """SE2: it may have been read already."""
    own_keyring(tmp_path)
    (tmp_path / "encryption_keys").chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others") as caught:
        own_keyring(tmp_path)
    assert "BST-E407" == caught.value.code
