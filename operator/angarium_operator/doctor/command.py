"""The command: what is at hand is looked at, judged and told."""

import argparse
import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr, ValidationError

from angarium.checkup import Item, StoreFacts, as_json, as_text, exit_code, judge_store, read_store
from angarium.checkup.items import problem, unknown
from angarium.egress import EgressPolicy
from angarium.settings import RedisSettings, TrustSettings, load
from angarium_operator.api import Api
from angarium_operator.doctor.hosts import HostFacts, look_up, look_up_receivers
from angarium_operator.doctor.judging import INSIDE, judge_cluster, judge_hosts
from angarium_operator.doctor.looking import ClusterFacts, Looking

IN_POD = {"KUBERNETES_SERVICE_HOST"}
REDIS_GIVEN = ("ANGARIUM_REDIS_URL", "ANGARIUM_REDIS_URL_FILE")
SEALS_GIVEN = ("ANGARIUM_SEAL_KEYS", "ANGARIUM_SEAL_KEYS_FILE")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 well, 1 where there is something to mend."""
    parser = argparse.ArgumentParser("angarium-operator doctor", description=__doc__)
    parser.add_argument("--redis", default="", metavar="URL", help="default: ANGARIUM_REDIS_URL or …_URL_FILE")
    parser.add_argument("--kubeconfig", default="", metavar="PATH", help="default: the pod's account, or kubectl's")
    parser.add_argument("-n", "--namespace", default="", help="where Angarium is installed; default: where it is found")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    given = parser.parse_args(arguments)
    quieten()
    items = asyncio.run(examine(given.redis, given.kubeconfig, given.namespace))
    print(as_json(items) if given.output == "json" else as_text(items))  # noqa: T201 - it is what was asked for
    return exit_code(items)


def quieten() -> None:
    """Let nothing be printed but the items: what matters of the log is in them."""
    logging.getLogger().addHandler(logging.NullHandler())


async def examine(redis: str = "", kubeconfig: str = "", namespace: str = "") -> list[Item]:
    """All items; what is not given is taken from the environment, as the operator does."""
    (store, items), cluster = await asyncio.gather(_store(redis), _cluster(kubeconfig, namespace))
    trust = _trust()
    policy = EgressPolicy(trust.egress_allowed_cidrs, trust.egress_denied_cidrs) if trust and cluster.inside else None
    gateway, receivers = await asyncio.gather(_gateway(cluster), look_up_receivers(store.records, policy))
    return [*items, *judge_cluster(cluster), *judge_hosts(gateway, receivers, inside=cluster.inside)]


async def _store(url: str) -> tuple[StoreFacts, list[Item]]:
    if not url and not any(os.environ.get(name) for name in REDIS_GIVEN):
        told = "no URL is given"
        return StoreFacts(), [unknown("redis", told, f"--redis URL or ANGARIUM_REDIS_URL; or in a pod: {INSIDE}")]
    try:
        settings = RedisSettings(url=SecretStr(url), url_file=None) if url else load(RedisSettings)
    except ValidationError as error:
        told = "; ".join(each["msg"] for each in error.errors(include_input=False, include_url=False))
        return StoreFacts(), [problem("redis", f"the URL can't be used: {told}", "docs/redis.md tells its forms")]
    trust = _trust()
    facts = await read_store(settings, trust.sealer if trust else None)
    return facts, judge_store(facts)


def _trust() -> TrustSettings | None:
    """Seal keys and networks, where they are at hand."""
    return load(TrustSettings) if any(os.environ.get(name) for name in SEALS_GIVEN) else None


async def _cluster(kubeconfig: str, namespace: str) -> ClusterFacts:
    from kubernetes.aio.config import kube_config  # slow to load
    from kubernetes.aio.config.config_exception import ConfigException

    places = kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    if not IN_POD & os.environ.keys() and not _exists(places):
        return ClusterFacts(f"there is no kubeconfig at {places}", asked=bool(kubeconfig))
    try:
        async with Api(kubeconfig) as api:
            return await Looking(api, namespace, kubeconfig=kubeconfig).facts()
    except (ConfigException, OSError) as error:
        return ClusterFacts(str(error).strip() or type(error).__name__, asked=bool(kubeconfig))


def _exists(places: str) -> bool:
    """Whether any of these files does."""
    return any(Path(each).expanduser().is_file() for each in places.split(":"))


async def _gateway(cluster: ClusterFacts) -> HostFacts | None:
    return await look_up(cluster.gateway_url) if cluster.gateway_url else None
