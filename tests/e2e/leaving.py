"""Uninstalled and installed again, everything is found: objects, keys, and what waits. CRDs go only when told to."""

import json

from tests.e2e import audits
from tests.e2e.commands import PATIENCE, RELEASE, SHOP, SYSTEM, Failed, expect, kubectl, run, say, step
from tests.e2e.customer import start_receiver, verdicts_of, what_was_heard
from tests.e2e.keys import ask, keys, same
from tests.e2e.scenario import CHART, Setting, check_nothing_left, clean_up, crds, declare, install, make_namespaces
from tests.e2e.scenario import uninstall as helm_uninstall

WAIT = 20  # notifications
KEPT = ("secret/angarium-seal-keys", "persistentvolumeclaim/data-angarium-valkey-0")
READY = ("--for=condition=Ready", "product/shop", "callback/warehouse", "-n", SHOP, "--timeout=60s")


def walk(setting: Setting) -> None:
    """From nothing to nothing."""
    with step("helm install, and a callback that is suspended"):
        make_namespaces()
        install(*setting.arguments)
        declare()
        suspend(wanted=True)
    with step(f"{WAIT} notifications wait for it"):
        before = keys()
        ids = post(before["shop-angarium/api-key"])
    with step("helm uninstall leaves what NOTES.txt says"):
        check_notes()
        helm_uninstall()
        check_left(before)
    with step("helm install again finds all of it"):
        install(*setting.arguments)
        kubectl("wait", *READY)
        same(before, "the new install")
        ((status, _),) = ask(before["shop-angarium/api-key"], ("GET", "/v1/me", None))
        expect(status, 200, "GET /v1/me with the key of before")
    with step("what waited is delivered, signed with the key of before"):
        start_receiver(setting.pods)
        suspend(wanted=False)
        audits.quiet()
        check_delivered(ids)
    with step("with crds.keep=false alone an uninstall takes the CRDs, their objects and Secrets"):
        upgrade("--set", "crds.keep=false", *setting.arguments)
        helm_uninstall()
        kubectl("wait", "--for=delete", *[f"crd/{name}" for name in crds()], "--timeout=60s")
        kubectl("wait", "--for=delete", "secret/shop-angarium", "secret/warehouse-signing", "-n", SHOP, "--timeout=60s")
    with step("everything deleted"):
        clean_up()
        check_nothing_left()


def upgrade(*arguments: str) -> None:
    """To the same chart with other values."""
    run("helm", "upgrade", RELEASE, CHART, "-n", SYSTEM, "--wait", "--timeout", PATIENCE, *arguments)


def suspend(*, wanted: bool) -> None:
    """Or go on."""
    patch = json.dumps({"spec": {"suspend": wanted}})
    kubectl("patch", "callback/warehouse", "-n", SHOP, "--type=merge", "-p", patch)
    kubectl("wait", *READY)


def post(key: str) -> list[str]:
    """Their ids."""
    body = {"event": "order.paid", "data": {"order": 1042}}
    answers = ask(key, *[("POST", "/v1/notifications", body)] * WAIT)
    expect({status for status, _ in answers}, {202}, "what the posts were answered")
    return [answer["id"] for _, answer in answers]


def check_notes() -> None:
    """It names what stays before anybody uninstalls."""
    notes = run("helm", "get", "notes", RELEASE, "-n", SYSTEM)
    for word in ("leaves behind", "CustomResourceDefinitions", "the seal keys", "Valkey's volume"):
        if word not in notes:
            raise Failed(f"NOTES.txt doesn't say: {word}")


def check_left(before: dict[str, str]) -> None:
    """CRDs, objects, keys, seal keys and the volume; no pod, and nothing of the release beside them."""
    kubectl("get", "crd", *crds())
    kubectl("get", "product/shop", "callback/warehouse", "-n", SHOP)
    same(before, "the uninstall")
    kubectl("get", *KEPT, "-n", SYSTEM)
    kubectl("wait", "--for=delete", "pod", "--all", "-n", SYSTEM, "--timeout=90s")
    cluster = "clusterroles,clusterrolebindings"
    selector = ("-l", f"app.kubernetes.io/instance={RELEASE}", "-o", "name")
    expect(kubectl("get", cluster, *selector), "", "roles after the uninstall")


def check_delivered(ids: list[str]) -> None:
    """Each was heard once and its signature was right, but the one that the receiver refuses first."""
    heard = what_was_heard()
    verdicts = [verdicts_of(id_, heard) for id_ in ids]
    expect([each[-1:] for each in verdicts], [["verified"]] * len(ids), "what the receiver made of them")
    say(f"      {len(ids):6} notifications waited through it, {sum(map(len, verdicts))} attempts")
