"""`durability: replicated`: a 202 waits for a replica, and says so where there is none."""

from pathlib import Path

from aiohttp import ClientSession
from tests.core.redis_servers import Replicated
from tests.gateway.records import callback, product, rival
from tests.gateway.running import running

from angarium import apikeys
from angarium.config import ConfigStore
from angarium.link import Link


async def test_waits_for_a_replica_where_the_product_asks_for_it(tmp_path: Path, session: ClientSession) -> None:
    servers = Replicated(tmp_path)
    async with servers.running(), Link(servers.settings) as link:
        key, other = apikeys.mint(), apikeys.mint()
        await ConfigStore(link).begin([product(key, replicated=True), rival(other), callback()])
        async with running(servers.settings, session, link) as gateway:
            gateway.key, once = key, {"Idempotency-Key": "order-1042"}
            assert (await gateway.post("order.paid")).status == 202
            servers.replicas[0].pause()
            refused = await gateway.post("order.paid", headers=once)
            assert refused.status == 503
            assert refused.json["type"].endswith("/not-replicated")
            assert refused.headers["Retry-After"] == "2"
            assert (await gateway.post("order.paid", key=other)).status == 202  # who did not ask for it need not wait
            servers.replicas[0].resume()
            accepted = await gateway.post("order.paid", headers=once)
            assert accepted.status == 202
            assert accepted.headers["Idempotency-Replay"] == "true"
