"""Which addresses may be dialled, range by range, and by what a closed one is opened."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.egress import CLOSED, METADATA, EgressPolicy, Opened, carried_by

DEFAULT = EgressPolicy()

CLOSED_BY_DEFAULT = [
    ("0.0.0.0", "unspecified"),  # noqa: S104 - nothing is bound
    ("0.1.2.3", "unspecified"),
    ("10.0.0.7", "private"),
    ("10.255.255.255", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("100.64.0.1", "carrier-grade NAT"),
    ("100.127.255.255", "carrier-grade NAT"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("169.254.1.1", "link-local"),
    ("192.0.0.8", "reserved"),  # Python 3.12.1 calls it global
    ("192.0.0.9", "reserved"),  # so does IANA; nobody receives webhooks there
    ("192.0.0.170", "reserved"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "reserved"),
    ("198.18.0.1", "benchmarking"),
    ("198.19.255.255", "benchmarking"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("fec0::1", "site-local"),
    ("fc00::1", "private"),
    ("fdff:ffff::1", "private"),
    ("ff02::1", "multicast"),
    ("100::1", "reserved"),
    ("2001::1", "unspecified"),  # Teredo by a server of 0.0.0.0
    ("2001:2::1", "benchmarking"),
    ("2001:10::1", "reserved"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation"),
    ("5f00::1", "reserved"),
    ("4000::1", "reserved"),
    ("64:ff9b:1::8.8.8.8", "local NAT64"),
    ("64:ff9b:1:a00:0:700:808:808", "local NAT64"),  # 10.0.0.7 to a translator that uses the whole /48
    ("::ffff:10.0.0.7", "private"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:a9fe:a9fe", "metadata"),
    ("::ffff:0:10.0.0.7", "private"),
    ("::10.0.0.7", "private"),
    ("::127.0.0.1", "loopback"),
    ("64:ff9b::10.0.0.7", "private"),
    ("64:ff9b::a9fe:a9fe", "metadata"),
    ("2002:0a00:0007::1", "private"),
    ("2002:7f00:1::1", "loopback"),
    ("2001:0:808:808::f5ff:fff8", "private"),  # Teredo: client 10.0.0.7 with its bits flipped
    ("2001:0:a00:7::f7f7:f7f7", "private"),  # Teredo: server 10.0.0.7
]
OPEN_BY_DEFAULT = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",  # DNS64 makes these of public addresses in clusters that have IPv6 alone
    "2002:808:808::1",
    "2001:0:808:808::f7f7:f7f7",
]


@pytest.mark.parametrize(("address", "called"), CLOSED_BY_DEFAULT)
def test_closed_by_default(address: str, called: str) -> None:
    refusal = DEFAULT.check(address)
    assert refusal is not None
    assert f"{called} address" in refusal


@pytest.mark.parametrize("address", OPEN_BY_DEFAULT)
def test_open_by_default(address: str) -> None:
    assert DEFAULT.check(address) is None
    assert DEFAULT.check(address, in_cluster=True) is None


@pytest.mark.parametrize(
    "address", ["", "example.com", "0x7f.1", "2130706433", "017700000001", "1.2.3", "::g", "1.2.3.4/32"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """Names and the odd spellings of numbers never get here; if they did, they would not pass."""
    assert DEFAULT.check(address) == f"{address} is not an IP address"


def test_the_refusal_says_what_to_do() -> None:
    advice = "10.0.0.7 is a private address; use serviceRef, or allow it in egress.allowedCIDRs"
    assert DEFAULT.check("10.0.0.7") == advice
    assert DEFAULT.check("::ffff:10.0.0.7") == f"::ffff:10.0.0.7 stands for 10.0.0.7: {advice}"


@pytest.mark.parametrize(
    ("address", "reachable"),
    [
        ("10.0.0.7", True),
        ("192.168.1.1", True),
        ("100.64.0.1", True),
        ("fd00::7", True),
        ("::ffff:10.0.0.7", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("169.254.1.1", False),
        ("fe80::1", False),
        ("169.254.169.254", False),
        ("fd00:ec2::254", False),  # lies within the private range
        ("100.100.100.200", False),  # lies within the carrier-grade NAT range
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::169.254.169.254", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound
    ],
)
def test_a_service_of_the_cluster_may_be_private_and_nothing_worse(address: str, reachable: bool) -> None:
    assert (DEFAULT.check(address, in_cluster=True) is None) is reachable
    assert (EgressPolicy(allow_private=True).check(address) is None) is reachable


@pytest.mark.parametrize(
    ("allowed", "address", "reachable"),
    [
        ("10.0.0.0/8", "10.0.0.7", True),
        ("10.0.0.0/24", "10.0.1.7", False),
        ("10.0.0.7/32", "::ffff:10.0.0.7", True),
        ("0.0.0.0/0", "10.0.0.7", True),
        ("0.0.0.0/0", "100.64.0.1", True),
        ("0.0.0.0/0", "127.0.0.1", False),
        ("0.0.0.0/0", "169.254.1.1", False),
        ("0.0.0.0/0", "240.0.0.1", False),
        ("::/0", "::1", False),
        ("::/0", "fd00::7", True),
        ("::/0", "10.0.0.7", False),
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.1/32", "127.0.0.1", True),
        ("127.0.0.1/32", "127.0.0.2", False),
        ("::1/128", "::1", True),
        ("169.254.0.0/16", "169.254.1.1", True),
        ("198.18.0.0/15", "198.18.0.1", True),
        ("64:ff9b:1::/48", "64:ff9b:1::8.8.8.8", True),
        ("224.0.0.0/4", "224.0.0.1", False),
        ("0.0.0.0/8", "0.0.0.0", False),  # noqa: S104 - nothing is bound
    ],
)
def test_allowed_ranges_open_what_they_name(allowed: str, address: str, reachable: bool) -> None:
    assert (EgressPolicy([allowed]).check(address) is None) is reachable


@pytest.mark.parametrize("metadata", sorted(METADATA, key=str), ids=str)
def test_a_metadata_address_is_opened_by_itself_alone(metadata: IPv4Address | IPv6Address) -> None:
    bits = metadata.max_prefixlen
    around = EgressPolicy(["0.0.0.0/0", "::/0", "169.254.0.0/16", "fe80::/10", "192.0.0.0/24"], allow_private=True)
    assert "cloud metadata" in (around.check(str(metadata), in_cluster=True) or "")
    assert EgressPolicy([f"{metadata}/{bits}"]).check(str(metadata)) is None


@pytest.mark.parametrize("address", ["8.8.8.8", "10.0.0.7", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::1"])
def test_a_denied_range_wins_over_everything(address: str) -> None:
    everything = ["0.0.0.0/0", "::/0", "10.0.0.0/8", "8.8.8.8/32"]
    policy = EgressPolicy(everything, ["8.0.0.0/8", "10.0.0.7/32", "2606::/16"], allow_private=True)
    assert "egress.deniedCIDRs" in (policy.check(address, in_cluster=True) or "")
    assert policy.check("10.0.0.8") is None


def test_a_denied_carrier_is_denied_whatever_it_carries() -> None:
    assert "egress.deniedCIDRs" in (EgressPolicy(denied=["64:ff9b::/96"]).check("64:ff9b::8.8.8.8") or "")


def test_a_range_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="host bits"):
        EgressPolicy(["10.0.0.7/8"])


IPV4 = st.integers(0, 2**32 - 1).map(IPv4Address)
SPECIAL = st.sampled_from([closed.network for closed in CLOSED if closed.network.version == 4]).flatmap(
    lambda network: st.integers(int(network[0]), int(network[-1])).map(IPv4Address)
)


@given(st.one_of(IPV4, SPECIAL, st.sampled_from([a for a in METADATA if a.version == 4])), st.booleans())
def test_no_spelling_in_ipv6_reaches_what_ipv4_may_not(address: IPv4Address, in_cluster: bool) -> None:
    closed = DEFAULT.check(str(address), in_cluster=in_cluster) is not None
    for prefix in ("::ffff:0:0", "::ffff:0:0:0", "64:ff9b::"):
        disguised = IPv6Address(int(IPv6Address(prefix)) + int(address))
        assert (DEFAULT.check(str(disguised), in_cluster=in_cluster) is not None) is closed
    for shifted in (
        0x2002 << 112 | int(address) << 80,
        0x20010000 << 96 | 0x08080808 << 64 | ~int(address) & 0xFFFFFFFF,
    ):
        assert (DEFAULT.check(str(IPv6Address(shifted)), in_cluster=in_cluster) is not None) is closed


@given(st.one_of(IPV4, SPECIAL))
def test_nothing_is_open_that_python_calls_special(address: IPv4Address) -> None:
    """Our own list against the standard library's: ours may only be stricter."""
    if not address.is_global or address.is_multicast:
        assert DEFAULT.check(str(address)) is not None


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_ipv6_is_open_only_where_python_calls_it_global(address: IPv6Address) -> None:
    if DEFAULT.check(str(address)) is None and not carried_by(address):
        assert address.is_global
        assert not address.is_multicast


@given(st.one_of(IPV4, SPECIAL), st.integers(0, 32))
def test_what_is_denied_stays_closed_whatever_is_allowed(address: IPv4Address, bits: int) -> None:
    around = f"{IPv4Address(int(address) >> (32 - bits) << (32 - bits))}/{bits}"
    policy = EgressPolicy([f"{address}/32", around], [around], allow_private=True)
    assert policy.check(str(address), in_cluster=True) is not None


@given(st.one_of(IPV4, SPECIAL))
def test_naming_an_address_opens_it_unless_nothing_may(address: IPv4Address) -> None:
    refused = EgressPolicy([f"{address}/32"]).check(str(address)) is not None
    assert refused is any(c.opened is Opened.BY_NOTHING and address in c.network for c in CLOSED)
