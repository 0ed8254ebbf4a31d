"""Texts of HTML that a parser would follow for minutes, or make a hundred times as long."""

from __future__ import annotations

from contextlib import suppress

import pytest

from backstay.catalog.html import Html
from backstay.catalog.nesting import MAX_DEPTH, MAX_TAGS, MAX_TANGLE, Tangled, check_nesting
from tests.auth.test_cbor import work

BOLD = "".join(f"<b title={number}>" for number in range(100))

#: What no parser is given.
TANGLED = {
    "nested": "<div>" * 200_000,
    "nested, and closed": "<div>" * 300 + "</div>" * 300,
    "nested with attributes": '<div title="a>b">' * 3000,
    "nested in capitals": "<DIV>" * 300,
    "nested with spaces": "<div >" * 300,
    "nested, self-closing as it seems": "<div/>" * 300,
    "nested, of two kinds": "<a><b>" * 200,
    "nested lists that close nothing": "<li><dd>" * 200,
    "end tags in comments": "<div><!-- </div> -->" * 3000,
    "end tags in attributes": '<div title="</div>">' * 3000,
    "end tags in single quotes": "<div title='</div>'>" * 3000,
    "end tags in text areas": "<div><textarea></div></textarea>" * 3000,
    "end tags in scripts": "<div><script></div></script>" * 3000,
    "end tags of others": "<div><b></div></b>" * 300,
    "end tags out of scope": "<div><table></div></table>" * 300,
    "a quote that quotes nothing": '<div a">' * 3000,
    "a comment that ends at once": "<!--><div>" * 3000,
    "a declaration": "<!x></div><div>" * 3000,
    "an instruction": "<?x?><div>" * 3000,
    "emphasis that goes on in each block": f"<div>{BOLD}</div>" + "<div>x</div>" * 9000,
    "emphasis that is never closed": "".join(f"<p><b title={number}>" for number in range(300)),
    "drawings": "<svg>" * 3000,
    "templates": "<template>" * 3000,
    "tags without an end": "<div" * 3000,
}

#: What people write, and what editors do.
GOOD = {
    "nothing": "",
    "text": "a < b && c > d <3 <= <",
    "an article": "<h1>A</h1><p>b <b>c</b> <a href=\"https://e.org/?a=1&amp;b=2\" title='x'>d</a><br><img src=x></p>"
    * 5000,
    "paragraphs without their ends": "<p>a" * 50_000,
    "lists without their ends": "<ul>" + "<li>a" * 20_000 + "</ul>",
    "tables without their ends": "<table>" + "<tr><td>a<td>b</tr>" * 5000 + "</table>",
    "comments of an editor": "<!--StartFragment--><p>a</p><!--EndFragment-->" * 3000,
    "end tags that close nothing": "</div></b>" * 50_000,
    "misnested here and there": "<b><i>x</b></i>" + "<p>y</p>" * 3000,
    "as deep as may be": "<div>" * 256 + "</div>" * 256,
    "a whole page": "<!doctype html><html><head><title>x</title><script>a<b</script></head><body>" + "<p>x</p>" * 900,
}


@pytest.mark.parametrize("name", TANGLED)
def test_what_no_parser_is_given(name: str) -> None:
    """A2: depth, and emphasis that goes on, in whatever way the end tags lie; the promise is in numbers."""
    assert (256, 2_000, 250_000) == (MAX_DEPTH, MAX_TAGS, MAX_TANGLE)
    with pytest.raises(Tangled):
        check_nesting(TANGLED[name])
    with pytest.raises(Tangled):
        Html().written(TANGLED[name])


@pytest.mark.parametrize("name", GOOD)
def test_what_people_write(name: str) -> None:
    """It is cleaned as before, and does not become much longer."""
    written = Html().written(GOOD[name])
    assert len(written) <= 4 * len(GOOD[name]) + 100


@pytest.mark.parametrize("name", [*TANGLED, *GOOD])
def test_looking_costs_what_the_size_is(name: str) -> None:
    """A2: twice the text is twice the work of looking, and no more."""
    text = {**TANGLED, **GOOD}[name][:40_000]

    def looked(text: str) -> int:
        def look() -> None:
            with suppress(Tangled):
                check_nesting(text)

        return work(look)

    assert looked(text + text) <= 2.5 * looked(text) + 2000
