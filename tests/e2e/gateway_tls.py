"""The gateway speaks TLS: services find its authority in their Secret, and a renewed certificate needs no restart."""

import base64
import time

import trustme
import yaml
from tests.e2e.commands import PATIENCE_S, RELEASE, SHOP, SYSTEM, Failed, expect, get, kubectl, run, step
from tests.e2e.customer import send, start_receiver
from tests.e2e.disturbing import pods_of
from tests.e2e.external_redis import tls_files
from tests.e2e.own_redis import make_secret
from tests.e2e.scenario import CHART, Setting, clean_up, declare, helm_test, install, make_namespaces

HOST = f"{RELEASE}-gateway.{SYSTEM}.svc"
SECRET = "gateway-tls"
VALUES = (
    "--set", f"gateway.tls.secretName={SECRET}", "--set", f"gateway.tls.caSecret.name={SECRET}",
    "--set", "gateway.ingress.enabled=true", "--set", "gateway.ingress.hosts={notify.example.com}",
)  # fmt: skip
ROUTE = ("--set", "gateway.httpRoute.enabled=true", "--set", "gateway.httpRoute.parentRefs[0].name=public")


def walk(setting: Setting) -> None:
    """From nothing to nothing."""
    authority = trustme.CA()
    with step("helm install with a certificate for the gateway, and an Ingress"):
        make_namespaces()
        renew(authority)
        install(*VALUES, *setting.arguments)
        declare()
        check_routes()
    with step("a service that trusts what its Secret says has a notification delivered"):
        check_binding(authority)
        start_receiver(setting.pods)
        send(setting.pods, "sender-1", "order.paid")
    with step("helm test over TLS"):
        helm_test()
    with step("a renewed certificate is served without a restart"):
        check_renewal(authority)
        send(setting.pods, "sender-2", "order.paid")
    with step("everything deleted"):
        clean_up()


def renew(authority: trustme.CA) -> str:
    """A new certificate in the Secret; its PEM."""
    files = tls_files(authority, HOST)
    make_secret(SECRET, files, "kubernetes.io/tls")
    return files["tls.crt"].strip()


def check_binding(authority: trustme.CA) -> None:
    """Of the Product."""
    data = get("secret", "shop-angarium", "-n", SHOP)["data"]
    expect(base64.b64decode(data["uri"]).decode(), f"https://{HOST}", "uri")
    expect(base64.b64decode(data["certificates"]), authority.cert_pem.bytes(), "certificates")


def check_routes() -> None:
    """The Ingress leads to the Service's port; so does the HTTPRoute, for which no controller is here."""
    (rule,) = get("ingress", f"{RELEASE}-gateway", "-n", SYSTEM)["spec"]["rules"]
    expect(rule["host"], "notify.example.com", "host of the Ingress")
    backend = rule["http"]["paths"][0]["backend"]["service"]
    service = get("service", backend["name"], "-n", SYSTEM)
    ports = {value for port in service["spec"]["ports"] for value in (port["name"], port["port"])}
    expect(set(backend["port"].values()) <= ports, wanted=True, what="the Ingress leads to a port of the Service")
    file = ("--kube-version", "1.36.0", "-s", "templates/gateway/httproute.yaml")
    shown = run("helm", "template", RELEASE, CHART, "-n", SYSTEM, *VALUES, *ROUTE, *file)
    (rule,) = yaml.safe_load(shown)["spec"]["rules"]
    expect([(each["name"], each["port"]) for each in rule["backendRefs"]], [(backend["name"], 443)], "backends")


def check_renewal(authority: trustme.CA) -> None:
    """New connections get it, from the same processes."""
    before = processes()
    wanted = renew(authority)
    # The kubelet looks at a pod's files again when the pod changes, and else within a minute or two.
    for pod in pods_of("gateway"):
        kubectl("annotate", "pod", pod["metadata"]["name"], "-n", SYSTEM, "e2e/renewed=true")
    deadline = time.monotonic() + PATIENCE_S
    while not all(served(pod["status"]["podIP"]) in wanted for pod in pods_of("gateway")):
        if time.monotonic() > deadline:
            raise Failed("the renewed certificate isn't served")
        time.sleep(1)
    expect(processes(), before, "containers of the gateway")


def served(address: str) -> str:
    """The certificate that this pod shows."""
    look = f"import ssl; print(ssl.get_server_certificate(('{address}', 8480)))"
    return kubectl("exec", "-n", SYSTEM, f"deployment/{RELEASE}-gateway", "--", "python3", "-c", look).strip()


def processes() -> set[str]:
    """Containers that run."""
    return {pod["status"]["containerStatuses"][0]["containerID"] for pod in pods_of("gateway")}
