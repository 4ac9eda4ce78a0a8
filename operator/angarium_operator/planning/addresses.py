"""URLs whose host is an address, told before anything is sent. What names resolve to is judged when it is dialled."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import urlsplit

from angarium.egress import EgressPolicy

Networks = tuple[IPv4Network | IPv6Network, ...]


def refusal(url: str, allowed: Networks, denied: Networks = (), *, allow_private: bool = False) -> str | None:
    """Why the deliverers won't dial this URL, in the words of their guard; or None."""
    return refusal_of_host(urlsplit(url).hostname or "", allowed, denied, allow_private=allow_private)


def refusal_of_host(host: str, allowed: Networks, denied: Networks = (), *, allow_private: bool = False) -> str | None:
    """Likewise of a host without its URL."""
    try:
        ip_address(host)
    except ValueError:
        return None  # a name
    return _policy(allowed, denied, allow_private).check(host)


@lru_cache(maxsize=4)
def _policy(allowed: Networks, denied: Networks, allow_private: bool) -> EgressPolicy:
    return EgressPolicy(allowed, denied, allow_private=allow_private)
