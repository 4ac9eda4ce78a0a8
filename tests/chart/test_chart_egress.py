"""The NetworkPolicies and the egress guard agree: made from the same values, they open the same addresses."""

from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from itertools import chain
from typing import Any

import pytest
import yaml
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from tests.chart.objects import Objects, one

from angarium.egress import CARRIERS, CLOSED, METADATA, SIX_TO_FOUR, TEREDO, TRANSLATED, Address, EgressPolicy, Network

# Ways to carry IPv4 in IPv6 that nobody routes any more, or that leave the host as IPv4: the policy has them closed.
STRICTER = (*(each for each in CARRIERS if each != TRANSLATED), SIX_TO_FOUR, TEREDO)
KNOWN = tuple(each.network for each in CLOSED) + tuple(ip_network(each) for each in METADATA)
WIDE = ("0.0.0.0/0", "::/0", "2000::/3", "8.0.0.0/8", "2600::/16", "fd12:3456::/32", "10.1.0.0/16", "64:ff9b::/96")

Blocks = list[dict[str, Any]]
Policies = Callable[[list[str], list[str]], Objects]


def near(network: Network) -> Iterator[Network]:
    """Itself, wider, and within it."""
    yield network
    if network.prefixlen:
        yield network.supernet(prefixlen_diff=min(3, network.prefixlen))
    if network.prefixlen < network.max_prefixlen:
        within: list[Network] = list(network.subnets(new_prefix=min(network.prefixlen + 3, network.max_prefixlen)))
        yield from within[-2:]


def translated(address: Address) -> Address:
    """As NAT64 writes it."""
    return ip_address(int(TRANSLATED.network_address) | int(address)) if address.version == 4 else address


NETWORKS = sorted({str(each) for known in KNOWN for each in near(known)} | set(WIDE))
SOME = st.lists(st.sampled_from(NETWORKS), max_size=5, unique=True)
ANY = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), st.ip_addresses(network="64:ff9b::/96"))


def edges(networks: list[str]) -> set[Address]:
    """First and last addresses of all that is known, and their neighbours outside."""
    found = set[Address]()
    for network in chain(KNOWN, STRICTER, map(ip_network, networks)):
        first, last = int(network.network_address), int(network.broadcast_address)
        for number in (first - 1, first, (first + last) // 2, last, last + 1):
            if 0 <= number < 2**network.max_prefixlen:
                found.add(type(network.network_address)(number))
    return found | {translated(each) for each in found}


def blocks_of(objects: Objects, component: str, ports: Any) -> Blocks:
    """The blocks to which its rule with these ports leads."""
    rules = one(objects, "NetworkPolicy", f"angarium-{component}")["spec"]["egress"]
    return [
        peer["ipBlock"]
        for rule in rules
        if rule["ports"] == ports
        for peer in rule.get("to", [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}])
        if "ipBlock" in peer
    ]


def opens(blocks: Blocks, address: Address) -> bool:
    """What a cluster's network makes of them."""
    return any(
        address in ip_network(block["cidr"])
        and not any(address in ip_network(each) for each in block.get("except", []))
        for block in blocks
    )


@pytest.fixture(scope="module")
def policies(chart: Any) -> Policies:
    """The NetworkPolicies alone, for these values of `egress`."""

    def rendered(allowed: list[str], denied: list[str]) -> Objects:
        values = {
            "crds": {"enabled": False},
            "networkPolicy": {"enabled": True, "gateway": {"issuerPorts": [8443]}},
            "egress": {"allowedCIDRs": allowed, "deniedCIDRs": denied},
        }
        texts = chart.render(values, name="angarium", namespace="system")
        found = yaml.safe_load_all(texts["angarium/templates/networkpolicies.yaml"])
        return [each for each in found if each]

    return rendered


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])  # to shrink takes minutes
@given(allowed=SOME, denied=SOME, more=st.lists(ANY, max_size=50))
@example(allowed=[], denied=[], more=[])
@example(allowed=["0.0.0.0/0", "::/0"], denied=[], more=[])
@example(allowed=["10.0.0.0/8"], denied=["0.0.0.0/0", "::/0"], more=[])
@example(allowed=["169.254.169.254/32", "169.254.0.0/16"], denied=["169.254.169.0/24"], more=[])
def test_policy_and_guard_agree(policies: Policies, allowed: list[str], denied: list[str], more: list[Address]) -> None:
    """About each address, whatever is allowed and denied; for deliverers, probes and issuers alike."""
    objects = policies(allowed, denied)
    blocks = blocks_of(objects, "deliverer", [{"protocol": "TCP"}])
    assert blocks_of(objects, "operator", [{"protocol": "TCP"}]) == blocks
    assert blocks_of(objects, "gateway", [{"protocol": "TCP", "port": 8443}]) == blocks
    for block in blocks:  # Kubernetes wants what is excepted to lie strictly within its block
        outer, inner = ip_network(block["cidr"]), [ip_network(each) for each in block.get("except", [])]
        assert all(each != outer and each.subnet_of(outer) for each in inner)  # type: ignore[arg-type]
        assert len(set(inner)) == len(inner)
    guard = EgressPolicy(allowed, denied)
    for address in edges(allowed + denied) | set(more):
        closed = any(address in network for network in STRICTER)
        expected = guard.check(str(address)) is None and not closed
        assert opens(blocks, address) == expected, (address, guard.check(str(address)))
