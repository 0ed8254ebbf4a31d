"""`Html`: what comes out of it runs nothing, whatever went in (HT1)."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from backstay import ConfigError, Html
from backstay.catalog.html import HTML_ATTRIBUTES, HTML_TAGS, HTML_URL_SCHEMES

#: Our own list: one trick a line.
PAYLOADS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x.example/a.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\t>alert(1)</script\n>",
    "<script/x>alert(1)</script>",
    "<<script>alert(1)//<</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=x:x onerror\n=\nalert(1)>",
    "<img/src=x/onerror=alert(1)>",
    "<img src='x' onerror='&#97;lert(1)'>",
    '<img """><script>alert(1)</script>">',
    "<img src=\"javascript:alert(1)\">",
    "<a href=javascript:alert(1)>x</a>",
    "<a href=JaVaScRiPt:alert(1)>x</a>",
    "<a href=' javascript:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href='\x01javascript:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='&#x6A;&#x61;vascript&colon;alert(1)'>x</a>",
    "<a href='javascript&Tab;:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD4='>x</a>",
    "<a href=vbscript:msgbox(1)>x</a>",
    "<a href='blob:https://x.example/1'>x</a>",
    "<a href=x onmouseover=alert(1)>x</a>",
    "<a href=x style='behavior:url(x)'>x</a>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text y=9>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x></svg>",
    "<svg><set attributeName=href to=javascript:alert(1)></svg>",
    "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<math href=javascript:alert(1)>x</math>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<form action=javascript:alert(1)><input type=submit></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<base href=//x.example/>",
    "<link rel=stylesheet href=//x.example/a.css>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<style>@import '//x.example/a.css'</style>",
    "<div style='background:url(javascript:alert(1))'>x</div>",
    "<div style='position:fixed;inset:0'>x</div>",
    "<p id=app class=btn-danger name=getElementById>x</p>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version=1?><script>alert(1)</script>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<title><img src=x onerror=alert(1)></title>",
    "<textarea><img src=x onerror=alert(1)></textarea>",
    "<xmp><p title=\"</xmp><img src=x onerror=alert(1)>\">",
    "<plaintext><img src=x onerror=alert(1)>",
    "<template><img src=x onerror=alert(1)></template>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<isindex type=image src=x onerror=alert(1)>",
    "<table background=javascript:alert(1)><td background=javascript:alert(1)>x",
    "<q cite=javascript:alert(1)>x</q>",
    "<x-custom onclick=alert(1) is=y>x</x-custom>",
    "\"><img src=x onerror=alert(1)>",
    "</p></div><script>alert(1)</script>",
    "<a href=\"https://ok.example\" target=_blank ping=//x.example>x</a>",
    "<img srcset='javascript:alert(1) 1x' src=ok.png>",
    "<b>unclosed <i>crossed</b></i><script",
]  # fmt: skip


#: As browsers read it (URL standard): white space and controls fall out first.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


class _Judge(HTMLParser):
    """Everything that a cleaned text consists of, with character references resolved."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in HTML_TAGS:
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            if name == "rel" and tag == "a" and value == "noopener noreferrer":
                continue
            if name not in HTML_ATTRIBUTES.get(tag, ()):
                self.faults.append(f"{tag} {name}")
            scheme = _SCHEME.match("".join(c for c in value or "" if c > " "))
            if name in ("href", "src", "cite") and scheme and scheme[1].lower() not in HTML_URL_SCHEMES:
                self.faults.append(f"{name}={value}")

    def handle_comment(self, data: str) -> None:
        self.faults.append("comment")

    def handle_decl(self, decl: str) -> None:
        self.faults.append("declaration")

    def handle_pi(self, data: str) -> None:
        self.faults.append("instruction")


def faults(text: str) -> list[str]:
    judge = _Judge()
    judge.feed(text)
    judge.close()
    return judge.faults


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_that_runs_is_kept(payload: str) -> None:
    """HT1: whatever is left is an element, an attribute and a scheme of the list."""
    cleaned = Html().written(payload)
    assert [] == faults(cleaned)
    assert cleaned == Html().written(cleaned)


def test_the_judge_finds_what_it_looks_for() -> None:
    """HT1: of the corpus as it is, before it was cleaned, the same judge refuses nearly everything."""
    assert len(PAYLOADS) >= 40
    assert len(PAYLOADS) - 6 <= sum(bool(faults(payload)) for payload in PAYLOADS)


@given(st.lists(st.sampled_from([*PAYLOADS, "text", "<p>", "</p>", "<a href='", "'>", "&lt;", "<!--", "-->"])))
def test_no_sequence_of_tricks_gets_through(parts: list[str]) -> None:
    """HT1: tricks that are glued together are no better than alone, and cleaning twice changes nothing more."""
    cleaned = Html().written("".join(parts))
    assert [] == faults(cleaned)
    assert cleaned == Html().written(cleaned)


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "<p>One <b>bold</b> <em>word</em><br>and <code>code</code></p>",
        '<a href="https://example.org/?a=1&amp;b=2" rel="noopener noreferrer">x</a>',
        '<a href="/relative" rel="noopener noreferrer">x</a>',
        '<a href="mailto:ann@example.org" rel="noopener noreferrer">x</a>',
        '<img src="https://example.org/a.png" alt="A" width="10">',
        "<ul><li>a</li><li>b</li></ul>",
        '<table><thead><tr><th scope="col">a</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>',
        "1 &lt; 2 &amp; 3",
    ],
)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    """The list is that of written text: headings, lists, tables, links, images."""
    assert text == Html().written(text)


def test_lists_of_ones_own() -> None:
    """A narrower type keeps less, and a wider one what it names."""
    assert "<b>a</b>b" == Html(tags=["b"]).written("<b>a</b><i>b</i>")
    assert "a" == Html(tags=[]).written("<b>a</b>")
    wider = Html(tags=["video"], attributes={"video": ["controls"]})
    assert '<video controls=""></video>' == wider.written("<video controls onplay=x()></video>")
    assert 'href="sip:x"' in Html(url_schemes=["sip"]).written("<a href=sip:x>x</a>")


@pytest.mark.parametrize(
    "options",
    [
        {"tags": ["script"]},
        {"tags": ["B", "IFRAME"]},
        {"tags": ["svg"]},
        {"attributes": {"a": ["onclick"]}},
        {"attributes": {"a": ["STYLE"]}},
        {"attributes": {"img": ["srcset"]}},
        {"url_schemes": ["javascript"]},
        {"url_schemes": ["Data"]},
    ],
)
def test_what_is_never_safe_cannot_be_allowed(options: dict[str, object]) -> None:
    """HT1: a list of one's own is not a way to run code."""
    with pytest.raises(ConfigError) as caught:
        Html(**options)  # type: ignore[arg-type]
    assert "BST-E506" == caught.value.code


def test_a_session_cleans_too() -> None:
    """HT1: SQLAlchemy's own writes pass through the same function, and read what is stored."""
    dialect = sa.create_mock_engine("sqlite+apsw://", lambda *_: None).dialect
    bind = Html().dialect_impl(dialect).bind_processor(dialect)
    assert bind is not None
    assert ("<b>a</b>", None) == (bind("<b onclick=x>a</b>"), bind(None))


def test_equal_types_are_one_key_of_the_cache() -> None:
    """SQLAlchemy may reuse a compiled statement only for a type that cleans alike."""
    assert Html()._static_cache_key == Html()._static_cache_key
    assert Html()._static_cache_key != Html(tags=["b"])._static_cache_key
