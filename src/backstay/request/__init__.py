"""Text → values: PostgREST's grammar, complete, as pure functions.  Knows the grammar, never the tables."""

from backstay.request.body import Payload, parse_arguments, parse_body
from backstay.request.call import Sent, parse_call, sent_pairs
from backstay.request.limits import BodyLimits, QueryLimits
from backstay.request.media import media_type, negotiate
from backstay.request.page import narrow, parse_range
from backstay.request.prefer import applied, check_strict, parse_prefer
from backstay.request.query import ParsedQuery, parse_query
from backstay.request.render import canonical_query, render_query

__all__ = [
    "BodyLimits",
    "ParsedQuery",
    "Payload",
    "QueryLimits",
    "Sent",
    "applied",
    "canonical_query",
    "check_strict",
    "media_type",
    "narrow",
    "negotiate",
    "parse_arguments",
    "parse_body",
    "parse_call",
    "parse_prefer",
    "parse_query",
    "parse_range",
    "render_query",
    "sent_pairs",
]
