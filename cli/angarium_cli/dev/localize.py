"""What a Service of the cluster is on a developer's machine: the same port on loopback."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from angarium.resources import Callback
from angarium_cli.dev.manifests import Object

LOOPBACK: tuple[IPv4Network | IPv6Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
HOST = "127.0.0.1"


def localized(resource: Object) -> Object:
    """A callback with a serviceRef gets a url on loopback instead; all else stays as it is."""
    if not isinstance(resource, Callback) or resource.spec.service_ref is None:
        return resource
    service = resource.spec.service_ref
    url = f"{service.scheme}://{HOST}:{service.port}{service.path}"
    return resource.model_copy(update={"spec": resource.spec.model_copy(update={"service_ref": None, "url": url})})
