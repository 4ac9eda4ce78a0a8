"""A trace from its caller by the gateway, the queue and a deliverer to the receiver, as a collector of OTLP sees it."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.deliverer.receivers import NO_CONTENT, Receiver, Request, reply
from tests.deliverer.world import World, callback, deliverer, settings, world
from tests.gateway.records import product
from tests.gateway.running import Gateway, running

from angarium import apikeys
from angarium.link import Link
from angarium.process import WrongSettingError
from angarium.settings import RedisSettings
from angarium.telemetry.traces import TraceSettings, tracing_of
from angarium_gateway.settings import GatewaySettings

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SOON = 20.0


class Collector:
    """What takes OTLP over HTTP, and reads it."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []  # with the service's name
        self.raw = b""
        self.port = 0

    async def __aenter__(self) -> "Collector":
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.spans += [(names["service.name"], span) for scope in resource.scope_spans for span in scope.spans]
        return web.Response(content_type="application/x-protobuf")

    def of(self, service: str) -> list[Span]:
        """Its spans, in the order in which they began."""
        return sorted(
            (span for name, span in self.spans if name == service), key=lambda span: span.start_time_unix_nano
        )


def attributes(span: Span) -> dict[str, Any]:
    """By name."""
    return {
        each.key: each.value.int_value if each.value.HasField("int_value") else each.value.string_value
        for each in span.attributes
    }


class Town:
    """A gateway and a deliverer with the same settings for traces, and who asks."""

    def __init__(self, gateway: Gateway, shop: World, link: Link) -> None:
        self.gateway, self.shop, self.link = gateway, shop, link

    async def post(self, **headers: str) -> str:
        """Accept and wait for the end; the notification's id."""
        posted = await self.gateway.post(data={"secret": "hunter2"}, headers=headers)
        assert posted.status == 202
        async with asyncio.timeout(SOON):
            while (await self.gateway.ask("GET", f"/v1/notifications/{posted.json['id']}")).json["status"] == "pending":
                await asyncio.sleep(0.02)
        return str(posted.json["id"])


@asynccontextmanager
async def town(redis: RedisSettings, url: str, **traces: Any) -> AsyncIterator[Town]:
    """While the body runs; all spans have been sent when it ends."""
    key = apikeys.mint()
    async with AsyncExitStack() as stack:
        shop = await stack.enter_async_context(world(redis))
        await shop.declare(product(key, id="prd_shop"), callback("warehouse", url, retry_schedule_s=(0.05,)))
        session, link = await stack.enter_async_context(ClientSession()), await stack.enter_async_context(Link(redis))
        gateway = await stack.enter_async_context(running(redis, session, link, **traces))
        gateway.key = key
        await stack.enter_async_context(deliverer(settings(redis, **traces)))
        yield Town(gateway, shop, link)


def failing_once() -> Any:
    """503, then 204."""
    answers = [reply(503), NO_CONTENT]

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop(0))

    return script


async def test_a_caller_s_trace_goes_on_to_the_receiver(redis_settings: RedisSettings) -> None:
    async with (
        Collector() as collector,
        Receiver(failing_once()) as receiver,
        town(redis_settings, receiver.url, traces_endpoint=collector.endpoint) as here,
    ):
        sent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=x"}
        id_ = await here.post(**sent)
    [accept] = [span for span in collector.of("angarium-gateway") if span.name == "POST /v1/notifications"]
    attempts = collector.of("angarium-deliverer")
    assert [span.trace_id.hex() for span in (accept, *attempts)] == [TRACE] * 3
    assert accept.parent_span_id.hex() == PARENT
    assert attributes(accept)["http.response.status_code"] == 202
    assert {span.parent_span_id for span in attempts} == {accept.span_id}
    assert [attributes(span)["angarium.reason"] for span in attempts] == ["http_503", ""]
    assert [attributes(span)["angarium.attempt"] for span in attempts] == [1, 2]
    assert {attributes(span)["angarium.notification"] for span in attempts} == {id_}
    told = [request.headers["traceparent"] for request in receiver.requests]
    assert told == [f"00-{TRACE}-{span.span_id.hex()}-01" for span in attempts]
    assert {request.headers["tracestate"] for request in receiver.requests} == {"vendor=x"}
    assert b"hunter2" not in collector.raw
    assert here.gateway.key.text.encode() not in collector.raw


async def test_who_brings_no_trace_begins_one_and_requests_do_not_mix(redis_settings: RedisSettings) -> None:
    async with (
        Collector() as collector,
        Receiver() as receiver,
        town(redis_settings, receiver.url, traces_endpoint=collector.endpoint) as here,
    ):
        for _ in range(3):
            await here.post()
    accepts = [span for span in collector.of("angarium-gateway") if span.name == "POST /v1/notifications"]
    attempts = collector.of("angarium-deliverer")
    assert len({span.trace_id for span in accepts}) == 3
    assert [span.trace_id for span in attempts] == [span.trace_id for span in accepts]
    assert not any(span.parent_span_id for span in accepts)


async def test_a_trace_that_nobody_records_goes_on_all_the_same(redis_settings: RedisSettings) -> None:
    async with (
        Collector() as collector,
        Receiver() as receiver,
        town(redis_settings, receiver.url, traces_endpoint=collector.endpoint, traces_ratio=0.0) as here,
    ):
        await here.post(traceparent=f"00-{TRACE}-{PARENT}-00")
        await here.post()
    assert collector.spans == []
    flags = [int(request.headers["traceparent"][-2:], 16) for request in receiver.requests]
    assert [each & 1 for each in flags] == [0, 0]
    assert TRACE in receiver.requests[0].headers["traceparent"]


@pytest.mark.parametrize("given", ["", "00-xyz", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", "\xe9" * 300])
async def test_what_is_no_trace_is_not_carried(redis_settings: RedisSettings, given: str) -> None:
    async with (
        Collector() as collector,
        Receiver() as receiver,
        town(redis_settings, receiver.url, traces_endpoint=collector.endpoint) as here,
    ):
        await here.post(traceparent=given)
    [request] = receiver.requests
    assert TRACE not in request.headers["traceparent"]
    assert len(collector.of("angarium-deliverer")) == 1


async def test_without_an_endpoint_nothing_is_kept_or_told(redis_settings: RedisSettings) -> None:
    async with Receiver() as receiver, town(redis_settings, receiver.url) as here:
        id_ = await here.post(traceparent=f"00-{TRACE}-{PARENT}-01")
        doc = await here.link.call("HGET", here.shop.queue.keys_of(id_).notification(id_), "doc")
    assert "w" not in orjson.loads(doc)
    assert "traceparent" not in receiver.requests[0].headers


async def test_a_collector_that_is_away_holds_up_nobody(redis_settings: RedisSettings) -> None:
    async with Receiver() as receiver, town(redis_settings, receiver.url, traces_endpoint="http://127.0.0.1:9") as here:
        await here.post()
    assert len(receiver.requests) == 1


def test_what_is_no_endpoint_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="must be an http or https URL"):
        GatewaySettings(traces_endpoint="collector:4318")


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "angarium.telemetry.tracing", None)
    with pytest.raises(WrongSettingError, match="ANGARIUM_TRACES_ENDPOINT"):
        tracing_of(TraceSettings(traces_endpoint="http://x"), "gateway", "pod")
