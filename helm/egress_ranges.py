"""What the NetworkPolicies must know of the egress guard: its closed ranges, from the guard itself.

Templates of Helm can't reckon with addresses. So each network goes with its bits as text: `4:00001010` is 10.0.0.0/8,
and a network lies within another if its text begins with the other's. IPv4 in NAT64's prefix is the one text behind the
other.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from angarium.egress import CARRIERS, CLOSED, METADATA, SIX_TO_FOUR, TEREDO, TRANSLATED, Network, Opened

HEADER = "# Made from core/angarium/egress.py by `make chart`; change it there.\n"
_OPEN = (IPv4Network("0.0.0.0/0"), IPv6Network("2000::/3"))


def bits(network: Network) -> str:
    """The version, and the bits of the prefix."""
    width = network.max_prefixlen
    return f"{network.version}:{int(network.network_address):0{width}b}"[: 2 + network.prefixlen]


def document() -> str:
    """files/egress-ranges.yaml. Ways to carry IPv4 in IPv6 that nobody routes any more are closed; NAT64 is judged."""
    return HEADER + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# what is open unless it is closed below"
    yield from _section("open", _OPEN)
    yield "# closed, whatever is allowed"
    yield from _section("never", (each.network for each in CLOSED if each.opened is Opened.BY_NOTHING))
    carriers = (*(each for each in CARRIERS if each != TRANSLATED), SIX_TO_FOUR, TEREDO)
    yield from _section("carriers", carriers)
    yield "# closed; only their exact address opens them"
    yield from _section("metadata", sorted((ip_network(each) for each in METADATA), key=bits))
    yield "# closed; only networks within them open them"
    yield from _section("byName", (each.network for each in CLOSED if each.opened is Opened.BY_NAME))
    yield "# closed; any network that holds them opens them"
    yield from _section("byAny", (each.network for each in CLOSED if each.opened is Opened.BY_ANY))
    yield "# NAT64: the IPv4 address that follows is judged"
    yield from _section("translated", (TRANSLATED,))


def _section(name: str, networks: Iterable[Network]) -> Iterator[str]:
    yield f"{name}:"
    for network in networks:
        yield f'  - {{cidr: "{network}", bits: "{bits(network)}"}}'
