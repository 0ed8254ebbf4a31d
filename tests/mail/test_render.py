"""Letters in words: every kind in every language, both twins, and nothing that a user writes as more than words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jinja2 import TemplateError

from backstay.errors import ConfigError
from backstay.mail import KINDS, Kind, Letter, Mail, Words
from backstay.mail.letter import PROOFS

LINK = "https://shop.example.org/auth/v1/verify?token=pkce_s3cret&type=signup&redirect_to=https://a.example/?x=%2F"
FULL = {
    "link": LINK,
    "code": "918273",
    "minutes": "10",
    "email": "ann@example.org",
    "new_email": "lee@example.org",
    "device": "Firefox 140 on Linux",
    "factor": "My phone",
    "provider": "Example ID",
}
LANGUAGES = ["en", "de", "fr", "es"]
WORDS = Words("Shop & Söhne")


def mail(kind: Kind, language: str = "en", words: Words = WORDS, **changed: str | None) -> Mail:
    data = {name: value for name, value in (FULL | changed).items() if value is not None}
    return words.render(Letter("ann@example.org", kind, language, data), "1")


def document(html: str) -> ElementTree.Element:
    """The HTML twin is written so that an XML parser takes it: what is not well-formed fails here."""
    return ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>"))


def words_of(element: ElementTree.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def test_four_languages_come_along() -> None:
    """And each has every kind, so that nobody gets half of them in English."""
    assert frozenset(LANGUAGES) == WORDS.languages
    for language in LANGUAGES:
        assert {language} == {mail(kind, language).language for kind in KINDS}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_in_every_language(kind: Kind, language: str) -> None:
    """Both twins say the same words, link and code; the page is accessible; the subject gives no code away."""
    made = mail(kind, language)
    page = document(made.html)
    main = page.find("body/main")
    assert main is not None
    assert (language, "ltr") == (page.get("lang"), page.get("dir"))
    assert [made.subject] == [words_of(heading) for heading in page.iter("h1")]
    assert made.subject == words_of(page.find("head/title") or page.findall("head/title")[0])
    assert (0, 0, 0) == tuple(len(list(page.iter(tag))) for tag in ("table", "img", "script"))
    assert {LINK} == {link.get("href") for link in page.iter("a")}
    assert all(words_of(link) for link in page.iter("a"))
    flat = " ".join(made.text.split())
    for paragraph in (*main.iter("h1"), *main.iter("p")):
        if paragraph.find("br") is None and paragraph.find("a") is None:
            assert words_of(paragraph) in flat
    assert LINK in made.text.splitlines()
    assert LINK in words_of(main)
    assert ("918273" in made.text, "918273" in words_of(main)) == (True, True)
    assert "918273" not in made.subject
    assert all(len(line) <= 72 or "://" in line for line in made.text.splitlines())
    assert not re.search(r"\{|\}|undefined|None", made.text + made.html.partition("</style>")[2])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_languages_differ(kind: Kind, language: str) -> None:
    """No template was left untranslated."""
    others = {mail(kind, other).text for other in LANGUAGES if other != language}
    assert mail(kind, language).text not in others
    assert 3 == len(others)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_barest_letter_can_be_written(kind: Kind, language: str) -> None:
    """What a letter need not have leaves no hole."""
    bare = mail(kind, language, link=None, minutes=None, factor=None, code="918273" if kind in PROOFS else None)
    document(bare.html)
    assert "http" not in bare.text
    assert "  " not in bare.text.replace("    918273", "")


@pytest.mark.parametrize(
    ("minutes", "span"),
    [("1", "1 minute"), ("10", "10 minutes"), ("60", "60 minutes"), ("121", "121 minutes"), ("1440", "24 hours"),
     ("1500", "25 hours"), ("10080", "7 days")],
)  # fmt: skip
def test_a_span_is_said_as_people_say_it(minutes: str, span: str) -> None:
    """Not 10080 minutes."""
    assert f"for {span}." in mail("invite", minutes=minutes).text


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("DE_at", "de"),
        ("pt-BR,fr;q=0.7,en;q=0.8", "en"),
        ("pt, es;q=0.1", "es"),
        ("de;q=0, fr;q=0.5", "fr"),
        ("", "en"),
        ("*", "en"),
        ("xx", "en"),
        ("../../etc/passwd", "en"),
        ("{{ 7*7 }}", "en"),
        ("de\r\nBcc: eve@example.org", "en"),
        ("x," * 5000 + "de", "en"),
    ],
)
def test_the_reader_chooses_the_language(locale: str, language: str) -> None:
    """A wish that nobody can read, or that is none, gets English."""
    assert language == mail("recovery", locale).language


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "{% include '/etc/passwd' %}",
    "{{ ''.__class__.__mro__ }}",
    "a\r\nBcc: eve@example.org",
    "a\n\n\nb\x00\x1b[31m\u202e",
    "Win a prize: https://evil.example/now",
    "www.evil.example",
    "mail eve@evil.example",
    "<!--",
    "]]>",
    "&lt;b&gt;",
    "=?utf-8?q?=0d=0aBcc:_x@y.z?=",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["device", "factor"])
def test_what_a_user_chose_is_words_only(name: str, value: str) -> None:
    """SQ7: no markup, no template, no header, no link of theirs in a mail of ours."""
    made = mail("new_device" if name == "device" else "factor_enrolled", **{name: value})
    page = document(made.html)
    assert {"html", "head", "meta", "title", "style", "body", "div", "main", "h1", "p", "a", "br"} >= {
        element.tag for element in page.iter()
    }
    assert {LINK} == {link.get("href") for link in page.iter("a")}
    assert not re.search(r"evil\.|//evil|@evil|www\.", made.text + made.html)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", made.text)
    assert "49" not in made.text
    assert ["ann@example.org"] == [made.to]


@pytest.mark.parametrize("value", HOSTILE)
def test_the_name_of_the_app_is_words_too(value: str) -> None:
    """SQ7: it stands in the subject, where a second line would be a second header."""
    made = mail("confirmation", words=Words(value))
    document(made.html)
    assert not re.search(r"[\x00-\x1f\u202e]", made.subject)
    assert "49" not in made.text


def test_a_long_name_is_cut() -> None:
    """A mail has room for a name, not for a sermon."""
    assert "x" * 101 not in mail("new_device", device="x" * 5000).text


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_told_apart() -> None:
    """WCAG 2.2 AA, 4.5 to 1, in the light and in the dark."""
    for style in mail("invite").html.partition("<style>")[2].partition("</style>")[0].split("@media"):
        rules = dict(re.findall(r"^(\S+) \{(.*)\}$", style, re.MULTILINE))
        colours = {
            name: dict(re.findall(r"(?<![\w-])(background|color): (#\w{6})", rule)) for name, rule in rules.items()
        }
        page = colours["body"]["background"]
        pairs = [(colours["body"]["color"], page), (colours["a"]["color"], page), tuple(colours[".action"].values())]
        assert [] == [pair for pair in pairs if contrast(*pair) < 4.5]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return folder


def test_operators_have_their_own_words(tmp_path: Path) -> None:
    """A file of the same name takes the place of ours; the others stay."""
    write(
        tmp_path,
        "en/invite.jinja",
        '{% extends "en/base.jinja" %}{% block subject %}Come to {{ site_name }}{% endblock %}{% block body %}Do!{% endblock %}',
    )
    words = Words("Shop", folder=tmp_path)
    assert ("Come to Shop", True) == (mail("invite", words=words).subject, "Do!" in mail("invite", words=words).text)
    assert "Sign in to Shop" == mail("magic_link", words=words).subject


def test_operators_have_their_own_layout(tmp_path: Path) -> None:
    """For all kinds and languages at once."""
    write(tmp_path, "layout.html", '<html lang="{{ language }}"><p>{% block body %}{% endblock %}</p></html>')
    made = mail("invite", "de", Words("Shop", folder=tmp_path))
    assert made.html.startswith('<html lang="de"><p>')


def test_operators_add_a_language(tmp_path: Path) -> None:
    """One kind is enough to begin with; the rest is in English, and says so."""
    write(tmp_path, "he/base.jinja", '{% extends "en/base.jinja" %}')
    write(tmp_path, "he/invite.jinja", '{% extends "he/base.jinja" %}{% block subject %}בוא{% endblock %}')
    words = Words("Shop", folder=tmp_path)
    made = mail("invite", "he-IL", words)
    assert ("he", "rtl", "בוא") == (made.language, document(made.html).get("dir"), made.subject)
    other = mail("recovery", "he-IL", words)
    assert ("en", "ltr") == (other.language, document(other.html).get("dir"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{% block subject %}", "en/invite.jinja, line 1"),
        ("{% extends layout %}{% block body %}{{ surname }}{% endblock %}", "'surname' is undefined"),
        ("{% extends layout %}{% block body %}{{ link }}{% endblock %}", "'link' is undefined"),
        ("{% extends layout %}{% block body %}{{ email.__class__.__mro__ }}{% endblock %}", "unsafe"),
        ("{% extends 'nothing.html' %}", "nothing.html"),
        ("{{ 1 // 'a' }}", "invite"),
    ],
)
def test_a_template_that_does_not_work_stops_the_start(tmp_path: Path, text: str, says: str) -> None:
    """Not the first invitation, weeks later."""
    with pytest.raises(ConfigError, match=re.escape(says)) as refused:
        Words("Shop", folder=write(tmp_path, "en/invite.jinja", text))
    assert "BST-E602" == refused.value.code


def test_a_folder_that_is_none_stops_the_start(tmp_path: Path) -> None:
    """A typing error would leave our words in force."""
    with pytest.raises(ConfigError, match="not a folder"):
        Words("Shop", folder=tmp_path / "nothing")


def test_values_of_a_template_are_safe_from_it() -> None:
    """SQ7: whatever the sandbox forbids is an error of rendering, which the outbox keeps the letter for."""
    environment: Any = WORDS._text
    with pytest.raises(TemplateError):
        environment.from_string("{{ ().__class__.__base__.__subclasses__() }}").render()
