"""URLs whose host is an address, told before anything is sent. What names resolve to is judged when it is dialled."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network


def refusal(url: str, allowed: tuple[Network, ...], *, allow_private: bool = False) -> str | None:
    """Why the deliverers won't dial this URL, or None."""
    try:
        address = ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return None  # a name
    called = _called(address)
    if called is None or any(address in network for network in allowed):
        return None
    if called == "a private" and allow_private:
        return None
    return f"{address} is {called} address; use serviceRef, or allow it in egress.allowedCIDRs"


def _called(address: IPv4Address | IPv6Address) -> str | None:
    """In the words of the deliverers' guard."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return _called(address.ipv4_mapped)
    if address.is_unspecified:
        return "an unspecified"
    if address.is_loopback:
        return "a loopback"
    if address.is_link_local:
        return "a link-local"
    if address.is_multicast:
        return "a multicast"
    return "a private" if address.is_private else None
