"""Two releases in one cluster, each for namespaces of its own: they share the CRDs and nothing else."""

from tests.e2e.commands import (
    PATIENCE,
    RELEASE,
    SECOND,
    SECOND_SHOP,
    SHOP,
    SYSTEM,
    Failed,
    expect,
    get,
    kubectl,
    run,
    step,
)
from tests.e2e.keys import ask, keys
from tests.e2e.scenario import CHART, Setting, apply, clean_up, crds, make_namespaces

SMALL = tuple(
    word
    for value in (
        "gateway.replicas=1",
        "deliverer.replicas=1",
        "operator.replicas=1",
        "valkey.persistence.enabled=false",
    )
    for word in ("--set", value)
)


def walk(setting: Setting) -> None:
    """From nothing to nothing."""
    with step("helm install for one namespace"):
        make_namespaces(SYSTEM, SHOP, SECOND, SECOND_SHOP)
        install(SYSTEM, SHOP, *setting.arguments)
    with step("a second release can't take the CRDs from the first, and says so"):
        check_clash(*setting.arguments)
    with step("helm install of the second, with crds.enabled=false"):
        install(SECOND, SECOND_SHOP, "--set", "crds.enabled=false", *setting.arguments)
    with step("each serves its own namespace, and no other"):
        for namespace in (SHOP, SECOND_SHOP):
            declare("shop", namespace)
        check_apart()
    with step("the second lives on without the first"):
        run("helm", "uninstall", RELEASE, "-n", SYSTEM, "--wait", "--timeout", PATIENCE)
        kubectl("get", "crd", *crds())
        declare("later", SECOND_SHOP)
    with step("and takes the CRDs over when told to"):
        take_over(*setting.arguments)
        expect(owners(), {SECOND}, "who owns the CRDs")
    with step("everything deleted"):
        clean_up()


def install(system: str, shop: str, *arguments: str) -> None:
    """A release of the same name in another namespace."""
    watched = ("--set", f"watchNamespaces={{{shop}}}")
    run("helm", "install", RELEASE, CHART, "-n", system, "--wait", "--timeout", PATIENCE, *watched, *SMALL, *arguments)


def check_clash(*arguments: str) -> None:
    """Helm refuses before it makes anything."""
    try:
        install(SECOND, SECOND_SHOP, *arguments)
    except Failed as error:
        if "invalid ownership metadata" not in str(error):
            raise
        run("helm", "uninstall", RELEASE, "-n", SECOND, "--ignore-not-found")
        expect(kubectl("get", "deployments", "-n", SECOND, "-o", "name"), "", "Deployments of what was refused")
        return
    raise Failed("two releases own the same CRDs")


def declare(name: str, namespace: str) -> None:
    """A Product, until it is Ready."""
    metadata = {"name": name, "namespace": namespace}
    apply({"apiVersion": "angarium.dev/v1alpha1", "kind": "Product", "metadata": metadata})
    kubectl("wait", "--for=condition=Ready", f"product/{name}", "-n", namespace, "--timeout=60s")


def check_apart() -> None:
    """Keys work at their own gateway alone; operators may read their own namespaces alone."""
    for shop, own, other in ((SHOP, SYSTEM, SECOND), (SECOND_SHOP, SECOND, SYSTEM)):
        key = keys(shop)["shop-angarium/api-key"]
        for system, wanted in ((own, 200), (other, 401)):
            ((status, _),) = ask(key, ("GET", "/v1/me", None), namespace=system)
            expect(status, wanted, f"GET /v1/me in {system} with the key of {shop}")
        account = f"--as=system:serviceaccount:{other}:{RELEASE}-operator"
        allowed = kubectl("auth", "can-i", "list", "secrets", "-n", shop, account, check=False).strip()
        expect(allowed, "no", f"whether the operator in {other} may read the Secrets of {shop}")
    expect(owners(), {SYSTEM}, "who owns the CRDs")


def owners() -> set[str]:
    """Namespaces of the releases that the CRDs belong to."""
    annotations = [each["metadata"]["annotations"] for each in get("crd", *crds())["items"]]
    return {each["meta.helm.sh/release-namespace"] for each in annotations}


def take_over(*arguments: str) -> None:
    """The CRDs, by the second release."""
    told = ("--reset-then-reuse-values", "--set", "crds.enabled=true", "--take-ownership", *arguments)
    run("helm", "upgrade", RELEASE, CHART, "-n", SECOND, "--wait", "--timeout", PATIENCE, *told)
