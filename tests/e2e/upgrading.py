"""From the version before to this one and back while callers post: nothing is refused, lost
or doubled, and no key changes.

Its Redis is one of its own, as in production: a chart of 0.1.0 restarts the bundled Valkey with each version.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor

from tests.e2e import audits, own_redis, previous
from tests.e2e.commands import PATIENCE, RELEASE, SHOP, SYSTEM, Failed, expect, get, kubectl, run, say, step
from tests.e2e.customer import start_receiver
from tests.e2e.disturbing import DEPLOYMENTS, Disturbance, disturbance, pods_of
from tests.e2e.keys import ask, keys, same
from tests.e2e.load import heard, start_callers, stop_callers
from tests.e2e.pod_chaos import report
from tests.e2e.pod_verdicts import Evidence
from tests.e2e.scenario import CHART, Setting, apply, clean_up, declare, make_namespaces

RATE = 100  # a second
CALLERS = {"keeping": (str(RATE // 2),), "fresh": (str(RATE // 2), "--fresh")}
REST = 5.0  # s of load before and after each change
BETWEEN = 2.0  # s between the objects that are declared meanwhile


def walk(setting: Setting) -> None:
    """From nothing to nothing."""
    if not previous.known():
        say(f"  SKIPPED: the history doesn't reach back to {previous.TAG}, the version before (a shallow clone)")
        return
    with previous.unpacked() as before:
        before.build(setting.build, setting.registry)
        with step(f"helm install of {before.version}, and a receiver that takes 20 to 200 ms"):
            make_namespaces()
            redis = own_redis.start(own_redis.PLAIN)
            run(*helm("install", before.chart), *redis, *before.arguments, *setting.arguments)
            declare()
            start_receiver(setting.pods, "/pods/hearer.py", "0.02", "0.2")
        first = keys()
        with step("the upgrade is refused while the operator of before runs, and that ends"):
            retire(*helm("upgrade", CHART), *redis, *setting.arguments)
        start_callers(setting.pods, **CALLERS)
        time.sleep(REST)
        made = [change(f"upgrade from {before.version}", *helm("upgrade", CHART), *redis, *setting.arguments)]
        same(first, "the upgrade")
        both = keys()
        time.sleep(REST)
        made.append(change(f"rollback to {before.version}", "helm", "rollback", RELEASE, "-n", SYSTEM, *WAITING))
        same(both, "the rollback")
        time.sleep(REST)
    callers = stop_callers(*CALLERS)
    with step("nothing waits any more"):
        audits.quiet()
    stand = audits.account(each.id for called in callers.values() for each in called.accepted)
    report(Evidence(callers, heard(), stand, made))
    with step("everything deleted"):
        clean_up()


WAITING = ("--wait", "--timeout", PATIENCE)


def helm(verb: str, chart: str) -> tuple[str, ...]:
    """`helm install` or `helm upgrade`, until all is ready."""
    return ("helm", verb, RELEASE, chart, "-n", SYSTEM, *WAITING)


def retire(*upgrade: str) -> None:
    """The operator of 0.1.0 knows no Lease: it and the new one would both make a key for the same new object."""
    try:
        run(*upgrade)
    except Failed as error:
        told = f"kubectl scale deployment/{RELEASE}-operator -n {SYSTEM} --replicas=0"
        if told not in str(error):
            raise
        old = [f"pod/{pod['metadata']['name']}" for pod in pods_of("operator")]
        run(*told.split())
        kubectl("wait", "--for=delete", *old, "-n", SYSTEM, "--timeout=60s")
        return
    raise Failed("the upgrade went on beside an operator without a Lease")


def change(what: str, *command: str) -> Disturbance:
    """Until the pods that there were have gone, while objects are declared that old and new operators meet."""
    old = [f"pod/{pod['metadata']['name']}" for each in DEPLOYMENTS for pod in pods_of(each)]
    with step(what), disturbance(what) as made, ThreadPoolExecutor(1) as threads:
        names = declare_meanwhile(threads.submit(run, *command), "up" if "upgrade" in command else "down")
        kubectl("wait", "--for=delete", *old, "-n", SYSTEM, "--timeout=90s")
        kubectl("wait", "--for=condition=Ready", *names, "-n", SHOP, "--timeout=60s")
    check_declared(names)
    return made


def declare_meanwhile(working: Future[str], name: str) -> list[str]:
    """Products, one after the other until Helm is done; their names."""
    names: list[str] = []
    while not working.done() or not names:
        metadata = {"name": f"{name}-{len(names)}", "namespace": SHOP}
        apply({"apiVersion": "angarium.dev/v1alpha1", "kind": "Product", "metadata": metadata})
        names.append(f"product/{metadata['name']}")
        time.sleep(BETWEEN)
    working.result()
    return names


def check_declared(names: list[str]) -> None:
    """Each has one key, which works; nobody had to repair what another operator wrote."""
    held = keys()
    for name in names:
        product = name.removeprefix("product/")
        ((status, _),) = ask(held[f"{product}-angarium/api-key"], ("GET", "/v1/me", None))
        expect(status, 200, f"GET /v1/me with the key of {product}")
    repaired = [event for event in get("events", "-n", SHOP)["items"] if event["reason"] == "SecretRepaired"]
    if repaired:
        raise Failed(f"a Secret was repaired: {repaired[0]['involvedObject']['name']}: {repaired[0]['message']}")
    say(f"      {len(names):6} Products declared meanwhile are Ready, and their keys work")
