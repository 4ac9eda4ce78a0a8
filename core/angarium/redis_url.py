"""Where Redis is, in one URL: a server, a master that Sentinels know, or a Cluster.

    redis://[user:password@]host:port/db                           a server; unix://path?db=0 likewise
    redis+sentinel://[user:password@]host:port,host:port/name/db   the master called `name`, as Sentinels say
    redis+cluster://[user:password@]host:port,host:port            some nodes of a Cluster

`rediss` instead of `redis` is TLS, to Sentinels too. Query parameters are those of redis-py (`ssl_ca_certs=/path`, …);
Sentinels take `sentinel_username` and `sentinel_password`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, parse_url

SENTINEL_ONLY = {"sentinel_username": "username", "sentinel_password": "password"}
BEGINS = "redis://, rediss:// (TLS), unix://, redis+sentinel:// or redis+cluster://"


class Kind(StrEnum):
    """What is at the URL."""

    SERVER = ""
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class Place(NamedTuple):
    """Where one server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class RedisUrl:
    """`places`: of the Sentinels, of nodes of the Cluster; empty for a server, which `options` has."""

    kind: Kind
    options: Mapping[str, Any] = field(repr=False)  # redis-py's
    places: tuple[Place, ...] = ()
    master: str = ""
    sentinel_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def secure(self) -> bool:
        """Whether it is TLS."""
        return issubclass(self.options.get("connection_class", Connection), SSLConnection)

    @property
    def destination(self) -> tuple[object, ...]:
        """What it leads to, whoever asks."""
        return self.kind, self.places, self.master, *(self.options.get(name) for name in ("host", "port", "path", "db"))

    def connection(self, place: Place | None = None, **more: Any) -> AbstractConnection:
        """An unconnected connection to a server at `place`."""
        return _connection(self.options, place, more)

    def sentinel_connection(self, place: Place, **more: Any) -> AbstractConnection:
        """Likewise, to a Sentinel."""
        return _connection(self.sentinel_options, place, more)


def read_url(text: str, tls: Mapping[str, str] = MappingProxyType({})) -> RedisUrl:
    """Raises ValueError, whose text shows nothing of it: a password that isn't encoded may stand anywhere in a URL.

    `tls`: redis-py's options for it, beside those of the URL.
    """
    scheme, _, rest = text.partition("://")
    secure, _, kind = scheme.partition("+")
    if secure not in {"redis", "rediss", "unix"} or kind not in set(Kind) or (kind and secure == "unix"):
        raise ValueError(f"must begin with {BEGINS}")
    try:
        url = _of_several(secure, Kind(kind), rest) if kind else RedisUrl(Kind.SERVER, _options(text))
        url.connection()  # nothing is dialled yet
    except TypeError:
        raise ValueError("has a query parameter that redis-py doesn't know") from None
    more = tls if url.secure else {}
    return replace(url, options={**more, **url.options}, sentinel_options={**more, **url.sentinel_options})


def _of_several(secure: str, kind: Kind, rest: str) -> RedisUrl:
    before, _, query = rest.partition("?")
    authority, _, path = before.partition("/")
    user, at, hosts = authority.rpartition("@")
    name, _, database = path.partition("/") if kind is Kind.SENTINEL else ("", "", path)
    if kind is Kind.SENTINEL and not name:
        raise ValueError("must name the master that the Sentinels watch: redis+sentinel://host:port/<name>/<db>")
    options = _options(f"{secure}://{user}{at}/{database}?{query}")
    if kind is Kind.CLUSTER and options.get("db"):
        raise ValueError("must not name a database: a Cluster has one")
    own = {name: options.pop(name) for name in SENTINEL_ONLY if name in options}
    shared = {name: value for name, value in options.items() if name not in {"username", "password", "db"}}
    places = tuple(_place(host, 26379 if kind is Kind.SENTINEL else 6379) for host in hosts.split(","))
    return RedisUrl(kind, options, places, name, {**shared, **{SENTINEL_ONLY[key]: own[key] for key in own}})


def _options(text: str) -> dict[str, Any]:
    if "," in text.partition("://")[2].partition("/")[0].rpartition("@")[2]:
        raise ValueError("names several hosts: say redis+sentinel:// or redis+cluster://")
    try:
        options = dict(parse_url(text))
    except ValueError:
        raise ValueError("can't be read; special characters of a password must be percent-encoded") from None
    path = text.partition("://")[2].partition("?")[0].partition("/")[2]
    if "path" not in options and path and not path.isdecimal():
        raise ValueError("must end with the number of the database, or nothing")
    return options


def _place(text: str, default: int) -> Place:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(default)
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError("must list its hosts as host:port,host:port")
    return Place(host, int(port))


def _connection(options: Mapping[str, Any], place: Place | None, more: Mapping[str, Any]) -> AbstractConnection:
    where = {"host": place.host, "port": place.port} if place else {}
    pool = ConnectionPool(**{"connection_class": Connection, **more, **options, **where})
    connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    return connection


async def ask(connection: AbstractConnection, *command: str) -> Any:
    """One command over a connection of its own."""
    try:
        await connection.connect()  # type: ignore[no-untyped-call]  # likewise
        await connection.send_command(*command)
        return await connection.read_response()
    finally:
        await connection.disconnect(nowait=True)
