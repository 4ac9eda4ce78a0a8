"""Nothing is connected to before the guard has seen its address, however a URL or a name server spells it."""

import asyncio
import socket
from collections.abc import Sequence

import pytest
from tests.deliverer.conftest import LOCAL
from tests.deliverer.receivers import Receiver, Request

from angarium.egress import EgressPolicy
from angarium_deliverer import resolver as resolving
from angarium_deliverer.dialer import Dialer, DialError
from angarium_deliverer.resolver import Resolver

CLOSED = EgressPolicy()


class Zone:
    """Name servers that say what the test wants; `asked` is how often each name was looked up."""

    def __init__(self, **names: Sequence[str]) -> None:
        self.names = {name.replace("_", "."): list(addresses) for name, addresses in names.items()}
        self.asked: dict[str, int] = {}

    def __call__(self, host: str) -> Sequence[str]:
        self.asked[host] = self.asked.get(host, 0) + 1
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.names[host]


async def post(dialer: Dialer, url: str, *, in_cluster: bool = False) -> str:
    """The status, or why there is none."""
    try:
        answer = await dialer.post(url, [], b"{}", timeout=20, in_cluster=in_cluster)
    except DialError as error:
        return f"{error.reason.value}: {error.detail}"
    return str(answer.status)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "%31%32%37.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
        "[::127.0.0.1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "any.localhost",
        "0.0.0.0",  # noqa: S104 - Linux connects it to this machine
        "0",
        "[::]",
        "[::1]",
    ],
)
async def test_no_spelling_of_this_machine_gets_through(host: str) -> None:
    async with Receiver() as receiver, Dialer(CLOSED) as dialer:
        said = await post(dialer, f"http://{host}:{receiver.port}/hooks")
        unknown = host in ("localhost.", "any.localhost") and said.startswith("dns_error: ")  # systems differ
        assert said.startswith("address_refused: ") or unknown
        assert receiver.connections == 0


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]"]
)
async def test_the_metadata_service_is_closed_even_to_services_of_the_cluster(host: str) -> None:
    async with Dialer(EgressPolicy(["0.0.0.0/0", "::/0"])) as dialer:
        for in_cluster in (False, True):
            said = await post(dialer, f"http://{host}/latest/meta-data/", in_cluster=in_cluster)
            assert said.startswith("address_refused: ")
            assert "metadata" in said


async def test_a_name_is_judged_by_its_address() -> None:
    zone = Zone(hooks_example=["10.0.0.7"])
    async with Dialer(CLOSED, resolver=Resolver(zone)) as dialer:
        said = await post(dialer, "http://hooks.example/")
    assert said == "address_refused: 10.0.0.7 is a private address; use serviceRef, or allow it in egress.allowedCIDRs"


async def test_a_name_that_changes_its_address_is_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the first answer is harmless, the next is not."""
    monkeypatch.setattr(resolving, "FRESH_S", -1.0)

    async def hang_up(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        writer.close()

    zone = Zone(hooks_example=["127.0.0.2"])
    policy = EgressPolicy(["127.0.0.2/32"])
    async with Receiver(hang_up, host="127.0.0.2") as receiver, Dialer(policy, resolver=Resolver(zone)) as dialer:
        url = f"http://hooks.example:{receiver.port}/"
        assert await post(dialer, url) == "204"
        zone.names["hooks.example"] = ["127.0.0.1"]
        assert (await post(dialer, url)).startswith("address_refused: 127.0.0.1 ")
        zone.names["hooks.example"] = ["127.0.0.2"]
        assert await post(dialer, url) == "204"


async def test_each_of_several_addresses_is_judged() -> None:
    """The refused one is passed over, not dialled: first, last, or in the other family."""
    for addresses in (["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"], ["::1", "127.0.0.2"]):
        zone = Zone(hooks_example=addresses)
        policy = EgressPolicy(["127.0.0.2/32"])
        async with Receiver(host="127.0.0.2") as receiver, Dialer(policy, resolver=Resolver(zone)) as dialer:
            assert await post(dialer, f"http://hooks.example:{receiver.port}/") == "204"
    zone = Zone(hooks_example=["127.0.0.1", "::1", "10.0.0.7"])
    async with Dialer(CLOSED, resolver=Resolver(zone)) as dialer:
        assert (await post(dialer, "http://hooks.example/")).startswith("address_refused: ")


async def test_what_was_dialled_and_failed_is_not_called_refused() -> None:
    """A later attempt may succeed: only where nothing may be dialled at all is trying again useless."""
    async with Receiver(host="127.0.0.2") as receiver:
        port = receiver.port
    zone = Zone(hooks_example=["127.0.0.1", "127.0.0.2"])
    async with Dialer(EgressPolicy(["127.0.0.2/32"]), resolver=Resolver(zone)) as dialer:
        assert (await post(dialer, f"http://hooks.example:{port}/")).startswith("connect_refused: ")


class ClusterOnly(EgressPolicy):
    """Opens this machine to targets of the cluster alone, as the real one does private addresses."""

    def check(self, address: str, *, in_cluster: bool = False) -> str | None:
        """As above."""
        return None if in_cluster else f"{address} is not for you"


async def test_a_warm_connection_of_a_service_is_not_lent_to_others() -> None:
    async with Receiver() as receiver, Dialer(ClusterOnly()) as dialer:
        assert await post(dialer, receiver.url, in_cluster=True) == "204"
        assert await post(dialer, receiver.url) == "address_refused: 127.0.0.1 is not for you"
        assert await post(dialer, receiver.url, in_cluster=True) == "204"
        assert receiver.connections == 1


async def test_a_guard_that_fails_keeps_closed(capfd: pytest.CaptureFixture[str]) -> None:
    class Broken(EgressPolicy):
        def check(self, address: str, *, in_cluster: bool = False) -> str | None:
            raise RuntimeError(address)

    async with Receiver() as receiver, Dialer(Broken()) as dialer:
        assert not (await post(dialer, receiver.url)).startswith("204")
        assert receiver.connections == 0
    assert "RuntimeError" in capfd.readouterr().err


async def test_an_unknown_name_and_one_that_can_not_be() -> None:
    async with Dialer(LOCAL, resolver=Resolver(Zone())) as dialer:
        said = await post(dialer, "https://nowhere.example/")
        assert said == "dns_error: nowhere.example: Name or service not known"
    async with Dialer(LOCAL) as dialer:
        for host in ("a..b", "x" * 64 + ".example"):
            assert (await post(dialer, f"http://{host}/")).startswith("dns_error: ")


async def test_our_resolver_is_the_only_one_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """libcurl must never look up by itself: a name that only our zone knows is reached, in every letter case."""
    zone = Zone(hooks_example=["127.0.0.1"], HOOKS_Example=["127.0.0.1"], hooks_example_=["127.0.0.1"])
    async with Receiver() as receiver, Dialer(LOCAL, resolver=Resolver(zone)) as dialer:
        for host in ("hooks.example", "HOOKS.Example", "hooks.example.", "hooks.example"):
            assert await post(dialer, f"http://{host}:{receiver.port}/") == "204"
