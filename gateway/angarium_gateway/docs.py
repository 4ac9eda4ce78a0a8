"""The page at /docs: the OpenAPI document as plain HTML, made once at start. No script, nothing from elsewhere."""

import json
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any

POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def stylesheet() -> bytes:
    """What /docs.css serves."""
    return files("angarium_gateway").joinpath("static", "docs.css").read_bytes()


def page(document: dict[str, Any]) -> bytes:
    """All of the page."""
    return "\n".join(_page(document)).encode()


def _page(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<title>{escape(info["title"])} API</title><link rel="stylesheet" href="/docs.css"></head><body>'
    yield f"<header><h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{_prose(info['description'])}</p>"
    yield "<p>Send your API key as <code>Authorization: Bearer ang_…</code> or <code>X-API-Key: ang_…</code>."
    yield ' This page is made from <a href="/openapi.json">/openapi.json</a>;'
    yield ' <a href="/console">/console</a> is a page to send from.</p></header><main>'
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _operation(method.upper(), path, operation)
    yield "<h2>Schemas</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield from _schema(name, schema)
    yield "</main></body></html>"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f'<section id="{escape(operation["operationId"])}">'
    yield f'<h2><span class="method">{method}</span> <code>{escape(path)}</code></h2>'
    yield f"<p>{_prose(operation['summary'])}</p>"
    if parameters := operation.get("parameters"):
        rows = [(each["name"], each["in"], _prose(each["description"])) for each in parameters]
        yield from _table(("Parameter", "In", ""), rows)
    if body := operation.get("requestBody"):
        yield f"<p>Body: {_link(body['content'])}{'' if body['required'] else ' (may be left out)'}</p>"
    rows = [
        (status, _link(answer.get("content", {})), _prose(answer["description"]))
        for status, answer in operation["responses"].items()
    ]
    yield from _table(("Status", "Body", ""), rows, second_is_html=True)
    yield "</section>"


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f'<section id="{escape(name)}"><h3>{escape(name)}</h3><p>{_prose(schema.get("description", ""))}</p>'
    required = schema.get("required", [])
    rows = [
        (f"{field}{'' if field in required else '?'}", _type(one), _prose(one.get("description", "")))
        for field, one in schema.get("properties", {}).items()
    ]
    if rows:
        yield from _table(("Member", "Type", ""), rows, second_is_html=True)
    if "enum" in schema:
        yield f"<p><code>{escape(json.dumps(schema['enum']))}</code></p>"
    yield "</section>"


def _table(
    heads: tuple[str, str, str], rows: list[tuple[str, str, str]], *, second_is_html: bool = False
) -> Iterator[str]:
    yield "<table><thead><tr>" + "".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr></thead><tbody>"
    for first, second, third in rows:
        middle = second if second_is_html else escape(second)
        yield f"<tr><td><code>{escape(first)}</code></td><td>{middle}</td><td>{third}</td></tr>"
    yield "</tbody></table>"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(branch) for branch in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if "enum" in schema:
        return escape(" | ".join(map(str, schema["enum"])))
    return escape(" ".join(str(schema[name]) for name in ("type", "format") if name in schema) or "any")


def _link(content: dict[str, Any]) -> str:
    return ", ".join(dict.fromkeys(_type(one["schema"]) for one in content.values()))


def _prose(text: str) -> str:
    """Text with `code` in it."""
    parts = escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
