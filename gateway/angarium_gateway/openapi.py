"""The OpenAPI 3.1 document, made from the table of routes and the models. Served at /openapi.json."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from angarium import __version__
from angarium_gateway.problems import Kind
from angarium_gateway.requests import Request
from angarium_gateway.responses import HealthView, ProblemDocument
from angarium_gateway.routes import ENDPOINTS, Endpoint

Document = dict[str, Any]
REFERENCE = "#/components/schemas/{model}"
DESCRIPTION = (
    "Post a notification once; it arrives at every callback that subscribes to its event, or you can see exactly why"
    " not. Errors are problem documents (RFC 9457)."
)
BEARER = (
    "An API key (ang_…), which may do everything; or a token (JWT) that `angarium token create` made from the Secret,"
    " or the issuer in the Product's `spec.jwt`. A token may do what its scopes say."
)
COMMON_HEADERS = {
    "X-Request-Id": "The request's id: yours, where you sent a sane one.",
    "RateLimit": "What is left of the quota of requests, where there is one.",
    "RateLimit-Policy": "The quota of requests, where there is one.",
}


def document() -> Document:
    """All of it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Angarium",
            "version": __version__,
            "summary": "Notifications for Kubernetes",
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"apiKey": []}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": BEARER},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _paths() -> Document:
    paths: dict[str, Document] = defaultdict(dict)
    for endpoint in ENDPOINTS:
        paths[endpoint.path][endpoint.method.lower()] = _operation(endpoint)
    for path, summary in (("/healthz", "Whether the process lives"), ("/readyz", "Whether it can serve")):
        paths[path]["get"] = _probe(path, summary)
    return dict(paths)


def _operation(endpoint: Endpoint) -> Document:
    operation: Document = {
        "operationId": f"{endpoint.serve.__module__.rpartition('.')[2]}_{endpoint.serve.__name__}",
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "security": [{"bearer": [endpoint.permission.scope] if endpoint.permission.scope else []}, {"apiKey": []}],
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint.query), *_header_parameters(endpoint)],
        "responses": {
            str(endpoint.status): _answer(endpoint, _described(endpoint), endpoint.lines),
            **({"207": _answer(endpoint, endpoint.partly)} if endpoint.partly else {}),
            **({"304": {"description": "Nothing has changed."}} if "ETag" in endpoint.answer_headers else {}),
            **_refusals(endpoint.problems),
        },
    }
    if endpoint.body:
        operation["requestBody"] = {
            "required": endpoint.body_required,
            "content": {kind: {"schema": _body(endpoint.body, endpoint.or_body)} for kind in endpoint.media_types},
        }
    return operation


def _body(first: type[BaseModel], other: type[BaseModel] | None) -> Document:
    return {"anyOf": [_reference(first), _reference(other)]} if other else _reference(first)


def _described(endpoint: Endpoint) -> str:
    return (endpoint.answer.__doc__ or "") if endpoint.answer else "Done."


def _answer(endpoint: Endpoint, text: str, lines: type[BaseModel] | None = None) -> Document:
    headers = _headers(endpoint.answer_headers | COMMON_HEADERS)
    if endpoint.answer is None:
        return {"description": text, "headers": headers}
    content = {"application/json": {"schema": _reference(endpoint.answer)}}
    if lines:
        content["application/x-ndjson"] = {"schema": _reference(lines)}
    return {"description": text, "headers": headers, "content": content}


def _path_parameters(endpoint: Endpoint) -> list[Document]:
    names = re.findall(r"{(\w+)}", endpoint.path)
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": text,
            "schema": {"type": "string"},
        }
        for name, text in zip(names, endpoint.path_parameter.splitlines(), strict=True)
    ]


def _query_parameters(query: type[Request]) -> list[Document]:
    schema = query.model_json_schema(ref_template=REFERENCE)
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": one.get("description", ""),
            "schema": _plain(one),
        }
        for name, one in schema.get("properties", {}).items()
    ]


def _plain(schema: Document) -> Document:
    """A parameter is absent, never null; its description stands beside it."""
    branches = [branch for branch in schema.get("anyOf", []) if branch != {"type": "null"}]
    kept = {name: value for name, value in schema.items() if name not in {"anyOf", "description", "title"}}
    if kept.get("default", ...) is None:
        del kept["default"]
    return kept | (branches[0] if branches else {})


def _header_parameters(endpoint: Endpoint) -> list[Document]:
    own = endpoint.request_headers | {"X-Request-Id": "An id of your own for this request."}
    return [
        {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in own.items()
    ]


def _refusals(kinds: Iterable[Kind]) -> Document:
    by_status: dict[int, list[Kind]] = defaultdict(list)
    for kind in kinds:
        by_status[kind.status].append(kind)
    return {
        str(status): {
            "description": "; ".join(f"{kind.title} (`{kind.slug}`)" for kind in same),
            "headers": _headers(_refusal_headers(status)),
            "content": {"application/problem+json": {"schema": _reference(ProblemDocument)}},
        }
        for status, same in sorted(by_status.items())
    }


def _refusal_headers(status: int) -> dict[str, str]:
    headers = {"X-Request-Id": COMMON_HEADERS["X-Request-Id"]}
    if status in {401, 403}:
        headers["WWW-Authenticate"] = "How to authenticate."
    if status in {409, 429, 503}:
        headers["Retry-After"] = "Seconds after which trying again may help, where it may."
    return headers


def _headers(texts: dict[str, str]) -> Document:
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()}


def _probe(path: str, summary: str) -> Document:
    answer = {"content": {"application/json": {"schema": _reference(HealthView)}}}
    return {
        "operationId": path.strip("/"),
        "summary": summary,
        "tags": ["Probes"],
        "security": [],
        "responses": {"200": {"description": "Yes."} | answer, "503": {"description": "No."} | answer},
    }


def _reference(model: type[BaseModel]) -> Document:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _schemas() -> Document:
    answers: set[type[BaseModel]] = {ProblemDocument, HealthView}
    answers |= {answer for each in ENDPOINTS for answer in (each.answer, each.lines) if answer}
    bodies: set[type[BaseModel]] = {body for each in ENDPOINTS for body in (each.body, each.or_body) if body}
    queries: set[type[BaseModel]] = {endpoint.query for endpoint in ENDPOINTS}
    models = [(model, "validation") for model in sorted(answers | bodies | queries, key=lambda model: model.__name__)]
    _, schema = models_json_schema(models, ref_template=REFERENCE)  # type: ignore[arg-type]  # the mode is a literal
    unused = {model.__name__ for model in queries}
    return {name: _our_own(definition) for name, definition in schema["$defs"].items() if name not in unused}


def _our_own(schema: Any) -> Any:
    """Without what only the Kubernetes API makes of a resource's model."""
    match schema:
        case dict():
            return {name: _our_own(each) for name, each in schema.items() if not name.startswith("x-kubernetes-")}
        case list():
            return [_our_own(each) for each in schema]
        case _:
            return schema
