"""The egress guard: which addresses a delivery may be sent to (the defence against SSRF).

It judges the very address that is about to be dialled, after DNS, for every connection; names are never judged. The
ranges are listed here and not asked of `ipaddress`, whose properties differ between patch releases of Python (3.12.1
calls 192.0.0.8 global) and which calls NAT64 addresses global whatever they carry.

Sources: the IANA special-purpose address registries (RFC 6890) and the metadata services of the large clouds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

CACHED_ADDRESSES = 4096


class Opened(Enum):
    """What it takes to open a range that is closed by default."""

    BY_ANY = "an entry of allowedCIDRs that holds the address, or a target that names a Service of the cluster"
    BY_NAME = "an entry of allowedCIDRs that lies within the range, so that 0.0.0.0/0 doesn't open it by accident"
    BY_NOTHING = "nothing: it is no host's address"


@dataclass(frozen=True, slots=True)
class Range:
    """A closed range: the network, what its addresses are called, and what opens it."""

    network: Network
    called: str
    opened: Opened = Opened.BY_NAME


def _ranges(called: str, opened: Opened, *networks: str) -> tuple[Range, ...]:
    return tuple(Range(ip_network(network), called, opened) for network in networks)


# A metadata service hands out a node's cloud credentials to whoever asks; only its exact address opens it.
METADATA: frozenset[Address] = frozenset(
    ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, GCP, Azure, DigitalOcean, OpenStack, Oracle
        "169.254.170.2",  # AWS ECS task credentials
        "169.254.170.23",  # AWS EKS Pod Identity
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS EKS Pod Identity
        "fd20:ce::254",  # GCP
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's WireServer: a public address that each VM is routed to its host by
        "192.0.0.192",  # Oracle, formerly
        "169.254.42.42",  # Scaleway
        "fd00:42::42",  # Scaleway
        "fe80::a9fe:a9fe",  # OpenStack
    )
)

# The first range that holds an address names it, so the narrow ones come first.
CLOSED: tuple[Range, ...] = (
    *_ranges("an unspecified", Opened.BY_NOTHING, "0.0.0.0/8", "::/128"),
    *_ranges("a loopback", Opened.BY_NAME, "127.0.0.0/8", "::1/128"),
    *_ranges("a link-local", Opened.BY_NAME, "169.254.0.0/16", "fe80::/10"),
    *_ranges("a private", Opened.BY_ANY, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    *_ranges("a carrier-grade NAT", Opened.BY_ANY, "100.64.0.0/10"),
    *_ranges("a site-local", Opened.BY_NAME, "fec0::/10"),
    *_ranges("a multicast", Opened.BY_NOTHING, "224.0.0.0/4", "ff00::/8"),
    *_ranges("a broadcast", Opened.BY_NOTHING, "255.255.255.255/32"),
    *_ranges("a documentation", Opened.BY_NAME, "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    *_ranges("a documentation", Opened.BY_NAME, "2001:db8::/32", "3fff::/20"),
    *_ranges("a benchmarking", Opened.BY_NAME, "198.18.0.0/15", "2001:2::/48"),
    # How a translator of local use reads an address is its own affair (RFC 8215): no embedded address can be trusted.
    *_ranges("a local NAT64", Opened.BY_NAME, "64:ff9b:1::/48"),
    *_ranges("a reserved", Opened.BY_NAME, "192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4"),
    *_ranges("a reserved", Opened.BY_NAME, "100::/64", "100:0:0:1::/64", "2001::/23", "5f00::/16"),
)

_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that is given out so far; the rest is nobody's
_NOBODYS = Range(IPv6Network("::/0"), "a reserved")

# Addresses that carry an IPv4 address in their last 32 bits, which is where their packets end.
TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64
CARRIERS = (IPv6Network("::ffff:0:0/96"), IPv6Network("::ffff:0:0:0/96"), TRANSLATED, IPv6Network("::/96"))
SIX_TO_FOUR = IPv6Network("2002::/16")
TEREDO = IPv6Network("2001::/32")


class EgressPolicy:
    """Which addresses may be dialled. Pure and cached; one for each process.

    `denied` wins over everything. `allowed` opens what is closed (see Opened); public addresses are always open.
    `allow_private` treats every target as one within the cluster, for clusters that trust whoever writes callbacks.
    """

    def __init__(
        self,
        allowed: Iterable[str | Network] = (),
        denied: Iterable[str | Network] = (),
        *,
        allow_private: bool = False,
    ) -> None:
        self._allowed = tuple(ip_network(network) for network in allowed)
        self._denied = tuple(ip_network(network) for network in denied)
        self._allow_private = allow_private
        self._cached = lru_cache(maxsize=CACHED_ADDRESSES)(self._judge)

    def check(self, address: str, *, in_cluster: bool = False) -> str | None:
        """None: it may be dialled; otherwise why not, in words for whoever wrote the callback.

        `in_cluster` is for a target made from a serviceRef: it may reach private addresses, but never loopback,
        link-local or metadata ones.
        """
        return self._cached(address, in_cluster or self._allow_private)

    def _judge(self, text: str, private_is_meant: bool) -> str | None:
        try:
            address = ip_address(text.partition("%")[0])  # a zone (fe80::1%eth0) changes no range
        except ValueError:
            return f"{text} is not an IP address"
        carried = carried_by(address)
        if not carried:
            return self._denial(address) or self._closure(address, private_is_meant)
        for each in carried:
            refusal = self._denial(each) or self._closure(each, private_is_meant)
            if refusal:
                return f"{text} stands for {each}: {refusal}"
        return self._denial(address)

    def _denial(self, address: Address) -> str | None:
        for network in self._denied:
            if address in network:
                return f"{address} is in {network} of egress.deniedCIDRs"
        return None

    def _closure(self, address: Address, private_is_meant: bool) -> str | None:
        if address in METADATA:
            exact = ip_network(address)
            if exact in self._allowed:
                return None
            return f"{address} is a cloud metadata address; nothing but {exact} in egress.allowedCIDRs opens it"
        closed = _closed_range(address)
        if closed is None or self._opens(closed, address, private_is_meant):
            return None
        return f"{address} is {closed.called} address{_ADVICE[closed.opened]}"

    def _opens(self, closed: Range, address: Address, private_is_meant: bool) -> bool:
        if closed.opened is Opened.BY_NOTHING:
            return False
        if closed.opened is Opened.BY_ANY and private_is_meant:
            return True
        return any(
            address in network and (closed.opened is Opened.BY_ANY or _within(network, closed.network))
            for network in self._allowed
        )


_ADVICE = {
    Opened.BY_ANY: "; use serviceRef, or allow it in egress.allowedCIDRs",
    Opened.BY_NAME: "; only a range of its own in egress.allowedCIDRs opens it",
    Opened.BY_NOTHING: "; no delivery goes there",
}


def carried_by(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 one stands for; they are judged in its stead, for that is where its packets go.

    Mapped and compatible (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056), Teredo (RFC 4380).
    """
    if isinstance(address, IPv4Address) or int(address) <= 1:  # :: and ::1 only look like IPv4-compatible ones
        return ()
    if address in SIX_TO_FOUR:
        return (IPv4Address(int(address) >> 80 & 0xFFFFFFFF),)
    if address in TEREDO:  # its server, and its client with all bits flipped
        return IPv4Address(int(address) >> 64 & 0xFFFFFFFF), IPv4Address(~int(address) & 0xFFFFFFFF)
    if any(address in network for network in CARRIERS):
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    return ()


def _closed_range(address: Address) -> Range | None:
    for closed in CLOSED:
        if address in closed.network:
            return closed
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return _NOBODYS
    return None


def _within(network: Network, outer: Network) -> bool:
    if isinstance(network, IPv4Network) and isinstance(outer, IPv4Network):
        return network.subnet_of(outer)
    return isinstance(network, IPv6Network) and isinstance(outer, IPv6Network) and network.subnet_of(outer)
