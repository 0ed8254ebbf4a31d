"""The Accept header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import RequestError
from backstay.request import media_type, negotiate
from backstay.request.media import Media, MediaKind

TABLE: frozenset[MediaKind] = frozenset(("array", "object", "csv", "geojson", "ndjson", "plan"))
ROOT: frozenset[MediaKind] = frozenset(("openapi",))
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, Media("array")),
        ("", Media("array")),
        (" , ", Media("array")),
        ("*/*", Media("array")),
        ("application/*", Media("array")),
        ("text/*", Media("csv")),
        ("application/json", Media("array")),
        ("Application/JSON", Media("array")),
        ("application/json; charset=utf-8", Media("array")),
        ("application/json;nulls=stripped", Media("array")),
        ("application/vnd.pgrst.array+json", Media("array")),
        ("application/vnd.pgrst.array+json;nulls=stripped", Media("array", True)),
        ("application/vnd.pgrst.array+json; nulls=stripped", Media("array", True)),
        ("application/vnd.pgrst.array;nulls=stripped", Media("array", True)),
        ("application/vnd.pgrst.object+json", Media("object")),
        ("application/vnd.pgrst.object", Media("object")),
        ("application/vnd.pgrst.object+json;nulls=stripped", Media("object", True)),
        ("application/vnd.pgrst.object+json;nulls=kept", Media("object")),
        ("text/csv", Media("csv")),
        ("application/geo+json", Media("geojson")),
        ("application/x-ndjson", Media("ndjson")),
        (BROWSER, Media("array")),
        ("text/csv, application/json", Media("csv")),
        ("application/json, text/csv", Media("array")),
        ("application/json;q=0.5, text/csv", Media("csv")),
        ("application/json;q=0.5, text/csv;q=0.8", Media("csv")),
        ("*/*, text/csv", Media("csv")),
        ("text/*, application/json", Media("array")),
        ("text/csv;q=0, */*", Media("array")),
        ("text/csv;q=2, application/json", Media("array")),
        ("text/csv;q=x, application/json;q=0.1", Media("array")),
        ("text/csv ; q = 0.2 , application/json; q=0.1", Media("csv")),
        ("unknown/unknown, text/csv;q=0.1", Media("csv")),
        ("application/json, application/vnd.pgrst.object+json;nulls=stripped", Media("object", True)),
        ("application/vnd.pgrst.plan", Media("plan")),
        ("application/vnd.pgrst.plan;", Media("plan")),
        ("application/vnd.pgrst.plan+text", Media("plan")),
        ("application/vnd.pgrst.plan+json", Media("plan", plan_format="json")),
        ('application/vnd.pgrst.plan+json;for="text/csv"', Media("plan", plan_format="json", plan_for="text/csv")),
        ("application/vnd.pgrst.plan;for=text/csv", Media("plan", plan_for="text/csv")),
        (
            "application/vnd.pgrst.plan+text; "
            'for="application/vnd.pgrst.object+json;nulls=stripped"; options=analyze|wal|x',
            Media(
                "plan",
                plan_for="application/vnd.pgrst.object+json;nulls=stripped",
                plan_options=frozenset(("analyze", "wal")),
            ),
        ),
        ('application/vnd.pgrst.plan; for="a,b", text/csv;q=0.1', Media("csv")),
        ('application/vnd.pgrst.plan; for="a/b\r\nX: y", text/csv;q=0.1', Media("csv")),
        ('text/csv; x="a,b;q=0"', Media("csv")),
        ('"broken, text/csv', Media("csv")),
    ],
)
def test_a_table_negotiates(accept: str | None, expected: Media) -> None:
    """The best of q, then the most specific, then the first; what is not understood is passed over."""
    assert expected == negotiate(accept, TABLE)


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/openapi+json", "application/*"])
def test_the_root_negotiates(accept: str | None) -> None:
    """The root offers its description, and that is its JSON."""
    assert Media("openapi") == negotiate(accept, ROOT)


@pytest.mark.parametrize(
    ("accept", "named"),
    [
        ("unknown/unknown", "unknown/unknown"),
        ("text/html, image/png;q=0.5", "text/html, image/png"),
        ("text/csv;q=0", "text/csv"),
        ("application/openapi+json", "application/openapi+json"),
        ("image/*", "image/*"),
        ("json", "json"),
    ],
)
def test_nothing_fits(accept: str, named: str) -> None:
    """The error names what was asked for, and hints at what there is."""
    with pytest.raises(RequestError) as caught:
        negotiate(accept, TABLE)
    assert ("PGRST107", 406, f"None of these media types are available: {named}") == (
        caught.value.code,
        caught.value.status,
        caught.value.message,
    )
    assert "application/json, application/vnd.pgrst.object+json" in str(caught.value.hint)


def test_geojson_is_refused_with_its_reason() -> None:
    """406 as for any unknown type, and why."""
    with pytest.raises(RequestError) as caught:
        negotiate("application/geo+json, image/png;q=0.5", TABLE - {"geojson"})
    assert ("PGRST107", 406) == (caught.value.code, caught.value.status)
    assert (
        "GeoJSON is for rows with a geometry column, and for neither single items nor pages by key."
        == caught.value.details
    )
    assert "csv" == negotiate("application/geo+json, text/csv;q=0.5", TABLE - {"geojson"}).kind


def test_a_plan_must_be_offered() -> None:
    """Plans show what a database holds: without the operator's word they do not exist."""
    with pytest.raises(RequestError):
        negotiate("application/vnd.pgrst.plan", TABLE - {"plan"})


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        (Media(), "application/json; charset=utf-8"),
        (Media("array", True), "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"),
        (Media("object"), "application/vnd.pgrst.object+json; charset=utf-8"),
        (Media("object", True), "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8"),
        (Media("csv"), "text/csv; charset=utf-8"),
        (Media("geojson"), "application/geo+json; charset=utf-8"),
        (Media("ndjson"), "application/x-ndjson; charset=utf-8"),
        (Media("openapi"), "application/openapi+json; charset=utf-8"),
        (Media("text"), "text/plain; charset=utf-8"),
        (Media("octet"), "application/octet-stream"),
        (Media("plan"), 'application/vnd.pgrst.plan+text; for="application/json"; charset=utf-8'),
        (
            Media("plan", plan_format="json", plan_for="text/csv", plan_options=frozenset(("wal", "analyze"))),
            'application/vnd.pgrst.plan+json; for="text/csv"; options=analyze|wal; charset=utf-8',
        ),
    ],
)
def test_content_types(media: Media, expected: str) -> None:
    """Content-Type is written as PostgREST writes it."""
    assert expected == media_type(media)


@given(st.text(st.one_of(st.sampled_from('*/,;="\\ q0.1textcsv'), st.characters()), max_size=60))
def test_any_header_is_answered(accept: str) -> None:
    """No header raises anything but 406, and none reaches Content-Type with control characters."""
    try:
        found = media_type(negotiate(f"{accept}, application/vnd.pgrst.plan;for={accept}", TABLE))
    except RequestError as error:
        found = error.code
    assert found == "PGRST107" or (found.isascii() and found.isprintable())


def test_long_headers_are_read_as_short_ones() -> None:
    """A header too long to be remembered means the same, in one pass."""
    assert Media("csv") == negotiate("text/html," * 3000 + "text/csv", TABLE)
    assert Media("array") == negotiate('";' * 10_000 + ", application/json", TABLE)
