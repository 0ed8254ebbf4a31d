"""`Words`: from a letter to a mail, by templates.

1. Each kind has one template per language, and both twins are made of it: what the one says, the other says.
2. Templates are Jinja2 in its sandbox.  They are files of ours or of the operator; what users write is only ever a
   value in them (SQ7), escaped in the HTML twin.
3. A name that a letter does not have is an error, not an empty place.
4. Values that users choose are shortened to what a name needs, and cannot become a link: a mail of ours is not a
   vehicle for theirs.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from backstay.errors import ConfigError
from backstay.mail.language import FALLBACK, choose_language, direction
from backstay.mail.letter import DATA, KINDS, PROOFS, Kind, Letter, Mail

_OURS: Final = Path(__file__).parent / "templates"
_LANGUAGE: Final = re.compile(r"[a-z]{2,8}(-[A-Za-z0-9]{1,8})*")

_WIDTH: Final = 72
_NAME_LENGTH: Final = 100
#: Values that come from users, or from what their software says of itself.
_FOREIGN: Final = frozenset({"device", "factor"})
_NOT_A_NAME: Final = re.compile(r"[^\w .,;:()/+'&@#*!?-]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


class Words:
    """The templates of one app, compiled when they are first used and kept.

    Args:
        site_name: what the app calls itself.
        folder: the operator's own templates; a file there takes the place of ours of that name.

    Raises:
        ConfigError: BST-E602, for a folder that is none, or a template in it that does not work.
    """

    def __init__(self, site_name: str, *, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise ConfigError("BST-E602", f"BACKSTAY_MAIL_TEMPLATES names {folder}, which is not a folder")
        self._site_name = _one_line(site_name)
        loaders: list[BaseLoader] = [FileSystemLoader(path) for path in (folder, _OURS) if path is not None]
        self._text = _environment(ChoiceLoader(loaders), escape=False, paragraphs=_text_paragraphs)
        self._html = _environment(ChoiceLoader(loaders), escape=True, paragraphs=_html_paragraphs)
        names = {name.partition("/")[0] for name in self._text.list_templates() if name.endswith(".jinja")}
        #: Languages that have templates.
        self.languages = frozenset(name for name in names if _LANGUAGE.fullmatch(name))
        if folder is not None:
            self._try_all()

    def render(self, letter: Letter, id: str) -> Mail:
        """The mail *id* that says *letter*, in the reader's language or else in English.

        Raises:
            jinja2.TemplateError: a template of the operator's is wrong in a way that only this letter shows.
        """
        language = choose_language(letter.locale, self.languages)
        name = f"{language}/{letter.kind}.jinja"
        try:
            self._text.get_template(name)
        except TemplateNotFound:
            language, name = FALLBACK, f"{FALLBACK}/{letter.kind}.jinja"
        values = self._values(letter, language)

        def made(environment: ImmutableSandboxedEnvironment, layout: str) -> str:
            return environment.get_template(name).render(values, layout=layout)

        return Mail(
            id=id,
            to=letter.to,
            # ``=?`` would begin an encoded word, which a `Mail` refuses.
            subject=_one_line(made(self._text, "subject.txt")).replace("=?", "= ?"),
            text=re.sub(r"\n{3,}", "\n\n", made(self._text, "layout.txt")).strip("\n") + "\n",
            html=made(self._html, "layout.html"),
            kind=letter.kind,
            language=language,
        )

    def _values(self, letter: Letter, language: str) -> Mapping[str, Any]:
        plain = {name: _name(value) if name in _FOREIGN else _one_line(value) for name, value in letter.data.items()}
        given: dict[str, Any] = {"site_name": self._site_name, "email": letter.to} | plain
        if letter.minutes is not None:
            given["minutes"] = letter.minutes
        return given | {
            "kind": letter.kind,
            "asks": letter.kind in PROOFS,
            "language": language,
            "direction": direction(language),
        }

    def _try_all(self) -> None:
        for language in sorted(self.languages):
            for kind in KINDS:
                for letter in _samples(kind, language):
                    try:
                        self.render(letter, "sample")
                    except (TemplateError, ValueError, TypeError) as fault:
                        where = getattr(fault, "name", None) or f"{language}/{kind}.jinja"
                        if isinstance(fault, TemplateSyntaxError):
                            where = f"{where}, line {fault.lineno}"
                        raise ConfigError("BST-E602", f"The mail template {where} does not work: {fault}") from fault


def _samples(kind: Kind, language: str) -> tuple[Letter, ...]:
    """The fullest letter of *kind* and the barest one."""
    full = dict.fromkeys(DATA, "sample") | {"link": "https://example.org/", "code": "123456", "minutes": "10"}
    full |= {"email": "a@example.org", "new_email": "b@example.org"}
    bare = {name: full[name] for name in ("code", "email", "new_email", "provider", "device")}
    if kind not in PROOFS:
        del bare["code"]
    return (Letter("a@example.org", kind, language, full), Letter("a@example.org", kind, language, bare))


def _environment(
    loader: BaseLoader, *, escape: bool, paragraphs: Callable[[str], str]
) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=loader,
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["paragraphs"] = paragraphs
    return environment


def _split(text: str) -> list[str]:
    """Paragraphs: what blank lines separate, each on one line."""
    # ASCII white space only: a space that must not break stays one.
    parts = (re.sub(r"[ \t\r\n]+", " ", part).strip(" ") for part in re.split(r"\n[ \t\r]*\n", text))
    return [part for part in parts if part]


def _text_paragraphs(text: str) -> str:
    return "\n\n".join(
        textwrap.fill(part, _WIDTH, break_long_words=False, break_on_hyphens=False) for part in _split(text)
    )


def _html_paragraphs(text: str) -> Markup:
    # The block it filters is escaped already, and Markup; anything else is escaped here.
    return Markup("\n").join(Markup("<p>{}</p>").format(Markup(part)) for part in _split(Markup.escape(text)))  # noqa: S704


def _one_line(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())


def _name(text: str) -> str:
    """*text* as something that names a thing and links to nothing.

    >>> _name("Firefox 140 on Linux"), _name("https://evil.example/<b> now!")
    ('Firefox 140 on Linux', 'https: /evil example/b now!')
    """
    text = re.sub(r"\.(?=[^\W\d_])", " ", _NOT_A_NAME.sub("", _one_line(text)).replace("@", " "))
    return re.sub(r"(:)?/{2,}", r"\1 /", text)[:_NAME_LENGTH].strip()
