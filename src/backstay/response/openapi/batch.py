"""``POST /batch``: several requests in one transaction."""

from __future__ import annotations

from typing import Final

from backstay.response.openapi.about import About
from backstay.response.openapi.answer import refused, success
from backstay.response.openapi.name import Json, reference
from backstay.response.openapi.parameter import references

OPERATION: Final = "rest.operation"
RESULT: Final = "rest.result"


def batch_path(about: About) -> Json:
    """The path item of the batch, the same for everybody: each operation in it is judged as if it came alone."""
    results: Json = {"type": "array", "items": reference("schemas", RESULT)}
    return {
        "post": {
            "tags": ["batch"],
            "operationId": "batch",
            "summary": "Do several things, or none",
            "description": (
                "The operations are done one after the other in one transaction. When one is refused, nothing is done, "
                'and the `details` of its error say which one it was: `{"operation": 1, "details": …}`. '
                "Operations and rows are limited."
            ),
            "parameters": references("idempotencyKey") if about.keeps_keys else [],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {"type": "array", "items": reference("schemas", OPERATION), "maxItems": 100}
                    }
                },
            },
            "responses": {
                "200": success(
                    "What each operation answered, in their order.", (), {"application/json": {"schema": results}}
                ),
                **refused(403, 404, 409, 412, 413, 422),
            },
        }
    }


def batch_schemas() -> dict[str, Json]:
    """An operation of a batch, and its result."""
    text: Json = {"type": "string"}
    headers = ("Accept", "Accept-Profile", "Content-Profile", "If-Match", "If-None-Match", "Prefer", "Range")
    operation: Json = {
        "title": "Operation",
        "type": "object",
        "properties": {
            "method": {
                "type": "string",
                "enum": ["GET", "POST", "PATCH", "PUT", "DELETE"],
                "description": "Left out, it is `GET`.",
            },
            "path": {
                "type": "string",
                "minLength": 1,
                "description": "A table, a row, or a function: `posts`, `posts/7`, `rpc/follow`. A query may follow.",
            },
            "query": {
                "description": "More of the query: as text, or by parameter.",
                "anyOf": [
                    text,
                    {
                        "type": "object",
                        "additionalProperties": {
                            "anyOf": [text, {"type": "integer"}, {"type": "array", "items": text}]
                        },
                    },
                ],
            },
            "headers": {
                "type": "object",
                "properties": dict.fromkeys(headers, text),
                "description": "In any case. Whoever asks is whoever sends the batch.",
            },
            "body": {
                "description": (
                    'A row, or an array of rows. A value `{"$ref": "0.id"}` is what operation 0 answered as `id` of '
                    "its first row."
                )
            },
        },
        "required": ["path"],
        "additionalProperties": False,
    }
    result: Json = {
        "title": "Result",
        "type": "object",
        "properties": {
            "status": {"type": "integer"},
            "headers": {"type": "object", "additionalProperties": text},
            "body": {"description": "As the operation alone would answer; null for none."},
        },
        "required": ["status", "headers", "body"],
    }
    return {OPERATION: operation, RESULT: result}
