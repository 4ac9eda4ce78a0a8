"""Redis as people bring it: TLS with a private authority, client certificates and an ACL user; Sentinel; a Cluster. A
notification is delivered with each, and the keys of services stay the same from one to the next."""

import trustme
from tests.e2e import own_redis
from tests.e2e.commands import SHOP, expect, kubectl, step
from tests.e2e.customer import send, start_receiver
from tests.e2e.keys import keys, same
from tests.e2e.scenario import Setting, clean_up, declare, install, make_namespaces, uninstall

KINDS = {"tls": own_redis.TLS, "sentinel": own_redis.SENTINEL, "cluster": own_redis.CLUSTER}


def walk(setting: Setting) -> None:
    """From nothing to nothing."""
    make_namespaces()
    make_certificates()
    known: dict[str, str] = {}
    for name, kind in KINDS.items():
        with step(f"helm install with Redis by {name}"):
            install(*own_redis.start(kind), *setting.arguments)
            declare()
            same(known, name)
        if not known:
            known = keys()
            start_receiver(setting.pods)
        with step(f"a notification by {name} is delivered and verified"):
            (sent,) = send(setting.pods, f"sender-{name}", "order.paid")
            expect(sent.verdicts[-1:], ["verified"], "what the receiver made of it")
        uninstall()
        own_redis.stop()
    with step("everything deleted"):
        kubectl("get", "callback/warehouse", "-n", SHOP)
        clean_up()


def make_certificates() -> None:
    """Of the server, and of those who connect to it; both by an authority that nobody else knows."""
    authority = trustme.CA()
    for name, host in (("redis-server", own_redis.HOST), ("redis-client", "angarium.test")):
        own_redis.make_secret(name, tls_files(authority, host), "kubernetes.io/tls")


def tls_files(authority: trustme.CA, host: str) -> dict[str, str]:
    """As cert-manager puts them into a Secret."""
    issued = authority.issue_cert(host)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    files = {"tls.crt": chain, "tls.key": issued.private_key_pem.bytes(), "ca.crt": authority.cert_pem.bytes()}
    return {name: pem.decode() for name, pem in files.items()}
