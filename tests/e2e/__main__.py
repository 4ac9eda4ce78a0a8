"""`make e2e`: chart, images, deliveries and pods that suffer on a real cluster; `--only NAME` for one of its scenarios.

Takes the cluster of KUBECONFIG, with ANGARIUM_E2E_IMAGE_COMMAND to build images for it; or, where Docker is, makes a
new one with kind. Needs kubectl and helm. Exits 1 with logs and events when anything isn't as promised.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from tests.e2e import (
    autoscaling,
    diagnostics,
    external_redis,
    gateway_tls,
    leaving,
    pod_chaos,
    scale_in,
    scenario,
    twice,
    upgrading,
)
from tests.e2e.cluster import build_images, cluster, require_empty
from tests.e2e.commands import NAMESPACES, Failed, say
from tests.e2e.scenario import Setting

SERVICES = ("gateway", "deliverer", "operator")
SCENARIOS: dict[str, Callable[[Setting], None]] = {
    "quickstart": scenario.walk,
    "pod-chaos": pod_chaos.walk,
    "scale-in": scale_in.walk,
    "autoscaling": autoscaling.walk,
    "upgrade": upgrading.walk,
    "leaving": leaving.walk,
    "external-redis": external_redis.walk,
    "gateway-tls": gateway_tls.walk,
    "twice": twice.walk,
}


def main() -> int:
    """Exit code."""
    parser = argparse.ArgumentParser(
        prog="tests/e2e/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--registry", help="of the images' names, instead of the chart's default")
    parser.add_argument("--only", choices=SCENARIOS, action="append", help="this scenario; may be given again")
    parser.add_argument("--chaos-seconds", type=float, default=120.0, help="least time that pods suffer (default 120)")
    parser.add_argument("--keep", action="store_true", help="after a failure, leave everything for a look")
    options = parser.parse_args()
    began = time.monotonic()
    pods = f"{options.registry or 'localhost'}/angarium-e2e/pods:1"
    try:
        with cluster() as command:
            require_empty(NAMESPACES)
            build_images(command, images(options.registry), pods)
            for name in options.only or SCENARIOS:
                say(name)
                given = Setting(pods, tuple(command), options.registry, options.chaos_seconds)
                walk(SCENARIOS[name], given, keep=options.keep)
    except Failed as error:
        say(f"FAILED after {time.monotonic() - began:.0f} s: {error}")
        return 1
    say(f"passed in {time.monotonic() - began:.0f} s")
    return 0


def walk(found: Callable[[Setting], None], setting: Setting, *, keep: bool) -> None:
    """A scenario; after a failure, what there is to see."""
    try:
        found(setting)
    except BaseException:
        diagnostics.show(NAMESPACES)
        if not keep:
            scenario.clean_up()
        raise


def images(registry: str | None) -> dict[str, str]:
    """Names by target, as the chart asks for them."""
    chart = Path(scenario.CHART)
    values = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    version = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"]
    registry = registry or values["image"]["registry"]
    return {service: f"{registry}/{values[service]['image']['repository']}:{version}" for service in SERVICES}


if __name__ == "__main__":
    raise SystemExit(main())
