"""`Html`: text that browsers will show, made harmless when it is written.

1. What is stored is clean: every reader gets the same text, and none has to remember to clean it.
2. The lists below are what is kept; they are the whole of it, and a change to them is a change of behaviour: rows that
   were written before are cleaned again by `reclean`.
3. What a type allows of its own can widen the lists, never to what runs code.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, Final

import sqlalchemy as sa

from backstay.catalog.nesting import check_nesting
from backstay.catalog.onwrite import OnWrite
from backstay.errors import ConfigError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Elements that are kept; of any other the text stays, and of `_EMPTIED` not even that.
HTML_TAGS: Final = _words(
    "a abbr b blockquote br caption cite code dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4 h5 "
    "h6 hr i img ins kbd li mark ol p pre q rp rt ruby s samp small span strong sub summary sup table tbody td "
    "tfoot th thead time tr u ul var wbr"
)
#: Attributes that are kept, by element.  Links get ``rel="noopener noreferrer"`` besides.
HTML_ATTRIBUTES: Final[Mapping[str, frozenset[str]]] = {
    "a": frozenset(("href", "hreflang", "title")),
    "abbr": frozenset(("title",)),
    "del": frozenset(("datetime",)),
    "img": frozenset(("src", "alt", "width", "height", "title")),
    "ins": frozenset(("datetime",)),
    "ol": frozenset(("start", "reversed")),
    "td": frozenset(("colspan", "rowspan", "headers")),
    "th": frozenset(("colspan", "rowspan", "headers", "scope")),
    "time": frozenset(("datetime",)),
}
#: Where links and images may point; a relative URL is kept too.
HTML_URL_SCHEMES: Final = frozenset(("http", "https", "mailto", "tel"))

#: Elements that go with all that is in them.
_EMPTIED: Final = frozenset(("script", "style"))
#: Elements that run code, load documents, draw over the page, or change how the parser reads what follows.
_NEVER_TAGS: Final = _words(
    "applet base body button embed form frame frameset head html iframe input link listing math meta noembed "
    "noframes noscript object option param plaintext portal script select slot style svg template textarea title "
    "xmp"
)
_NEVER_ATTRIBUTES: Final = _words(
    "action background class data formaction http-equiv id is manifest name ping poster slot srcdoc srcset style "
    "target xlink:href xmlns"
)
_NEVER_SCHEMES: Final = frozenset(("blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"))


class Html(OnWrite, sa.types.TypeDecorator[str]):
    """A column of HTML that is cleaned on every write, by the API and by the app's own sessions.

    ::

        bio: Mapped[str] = mapped_column(Html())
        note: Mapped[str | None] = mapped_column(Html(tags=["b", "i", "a"], length=2000))

    Args:
        tags: the elements to keep, instead of `HTML_TAGS`.
        attributes: the attributes to keep by element, instead of `HTML_ATTRIBUTES`.
        url_schemes: the schemes to keep, instead of `HTML_URL_SCHEMES`.
        length: most characters, counted after cleaning.

    Raises:
        ConfigError: BST-E506, for an element, an attribute or a scheme that is never safe.
    """

    impl: type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any] = sa.String
    cache_ok: bool | None = True

    def __init__(
        self,
        tags: Collection[str] = HTML_TAGS,
        attributes: Mapping[str, Collection[str]] | None = None,
        url_schemes: Collection[str] = HTML_URL_SCHEMES,
        length: int | None = None,
    ) -> None:
        # All by position too: SQLAlchemy's cache key leaves out what is by keyword only.
        super().__init__(length)
        chosen = HTML_ATTRIBUTES if attributes is None else attributes
        self.tags: tuple[str, ...] = tuple(sorted(tags))
        self.attributes: tuple[tuple[str, tuple[str, ...]], ...] = tuple(
            (tag, tuple(sorted(names)))
            for tag, names in sorted(chosen.items())
            if attributes is not None or tag in tags
        )
        self.url_schemes: tuple[str, ...] = tuple(sorted(url_schemes))
        self.length = length
        named = {name for _, names in self.attributes for name in names}
        wrong = {tag for tag in self.tags if tag.lower() in _NEVER_TAGS}
        wrong |= {name for name in named if name.lower() in _NEVER_ATTRIBUTES or name.lower().startswith("on")}
        wrong |= {scheme for scheme in self.url_schemes if scheme.lower() in _NEVER_SCHEMES}
        if wrong:
            raise ConfigError(
                "BST-E506",
                f"Html cannot allow {', '.join(sorted(wrong))}: they are never safe in text that others wrote",
                hint="Leave them out; see docs/how-to/html.md for what is kept by default.",
            )

    def written(self, text: str) -> str:
        """*text* as it is stored.

        Raises:
            Tangled: it would take long to read; see `check_nesting`.

        >>> Html().written('<b onclick="x()">a</b><script>b</script> <a href="javascript:c">c</a>')
        '<b>a</b> <a rel="noopener noreferrer">c</a>'
        """
        check_nesting(text)
        return str(self._cleaner.clean(text))

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """What a session writes is cleaned too."""
        return None if value is None else self.written(value)

    @cached_property
    def _cleaner(self) -> Any:
        # Imported when the first text is cleaned: most apps have none.
        import nh3

        return nh3.Cleaner(
            tags=set(self.tags),
            clean_content_tags=set(_EMPTIED),
            # ``*`` are those of every element: unless it is told that there are none, it keeps lang and title.
            attributes={"*": set(), **{tag: set(names) for tag, names in self.attributes}},
            url_schemes=set(self.url_schemes),
            strip_comments=True,
            link_rel="noopener noreferrer",
            generic_attribute_prefixes=set(),
        )
