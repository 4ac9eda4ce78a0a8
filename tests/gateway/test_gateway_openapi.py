"""The OpenAPI document and the page made from it. That answers match it is checked wherever tests ask (running.py)."""

import re
from html.parser import HTMLParser

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.gateway.running import DOCUMENT, Gateway

from angarium_gateway.problems import BASE
from angarium_gateway.routes import ENDPOINTS, Endpoint


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_describes_every_route_and_names_each_operation_once() -> None:
    told = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert told == {(one.method, one.path) for one in ENDPOINTS} | {("GET", "/healthz"), ("GET", "/readyz")}
    ids = [operation["operationId"] for operations in DOCUMENT["paths"].values() for operation in operations.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    referred = set(re.findall(r"'#/components/schemas/(\w+)'", repr(DOCUMENT)))
    assert referred == set(DOCUMENT["components"]["schemas"])


def test_every_schema_and_member_that_callers_send_is_described() -> None:
    for one in ENDPOINTS:
        if one.body:
            schema = DOCUMENT["components"]["schemas"][one.body.__name__]
            assert schema["additionalProperties"] is False
            assert all("description" in member for member in schema["properties"].values())


def test_nothing_in_it_is_for_kubernetes_alone() -> None:
    assert "x-kubernetes" not in repr(DOCUMENT)


async def test_it_is_served(gateway: Gateway) -> None:
    async with gateway.session.get(gateway.url + "/openapi.json") as response:
        assert response.status == 200
        assert await response.json() == DOCUMENT


@pytest.mark.parametrize("one", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
async def test_each_route_is_there_and_asks_for_a_key(gateway: Gateway, one: Endpoint) -> None:
    path = re.sub(r"\{\w+\}", "x", one.path)
    async with gateway.session.request(one.method, gateway.url + path) as response:
        assert response.status == 401
    assert (await gateway.ask(one.method, path)).status not in {401, 405, 500}


class Page(HTMLParser):
    """What the page would load, and whether it runs anything."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag brings."""
        self.tags.add(tag)
        self.loads += [value or "" for name, value in attrs if name == "src" or (tag == "link" and name == "href")]
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]


async def test_the_page_asks_nobody_else(gateway: Gateway) -> None:
    async with gateway.session.get(gateway.url + "/docs") as response:
        text = await response.text()
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self';")
    page = Page()
    page.feed(text)
    assert page.loads == ["/docs.css"]
    assert "script" not in page.tags
    for one in ENDPOINTS:
        assert one.path in text
    async with gateway.session.get(gateway.url + "/docs.css") as response:
        assert (response.status, response.content_type) == (200, "text/css")
        assert "url(" not in await response.text()


async def test_problem_types_are_uris_of_ours(gateway: Gateway) -> None:
    answer = await gateway.ask("GET", "/nowhere")
    assert answer.json["type"] == BASE + "not-found" == "https://angarium.dev/problems/not-found"
