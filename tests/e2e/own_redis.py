"""A Redis that the chart did not make, as people run it in production: small ones, all processes in one pod."""

import base64
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.e2e.commands import RELEASE, SYSTEM, kubectl
from tests.e2e.scenario import CHART, apply

HOST = f"redis.{SYSTEM}.svc"
SECRET = f"{RELEASE}-redis"
KEPT = "--appendonly yes --maxmemory-policy noeviction"
CLI = "REDISCLI_AUTH=$PASSWORD valkey-cli"


@dataclass(frozen=True)
class Kind:
    """`url`: PASSWORD stands for it; `script`: what the pod runs; `probe`: exits 0 once all of it is there."""

    url: str
    script: str
    probe: str = f"{CLI} ping | grep -q PONG"
    values: tuple[str, ...] = ()


PLAIN = Kind(f"redis://:PASSWORD@{HOST}:6379/0", f'exec valkey-server --dir /data {KEPT} --requirepass "$PASSWORD"')
TLS = Kind(  # who connects must show a certificate, and is a user that may do what docs/redis.md says, and no more
    f"rediss://angarium:PASSWORD@{HOST}:6380/0",
    'echo "user default off\nuser angarium on >$PASSWORD ~ang:* +@all -@dangerous +info" >/data/users.acl\n'
    f"exec valkey-server --dir /data {KEPT} --port 0 --tls-port 6380 --tls-auth-clients yes --aclfile /data/users.acl"
    " --tls-cert-file /tls/tls.crt --tls-key-file /tls/tls.key --tls-ca-cert-file /tls/ca.crt",
    f"{CLI} --tls --cert /tls/tls.crt --key /tls/tls.key --cacert /tls/ca.crt -p 6380 --user angarium ping"
    " | grep -q PONG",
    ("--set", "redis.tls.caSecret.name=redis-server", "--set", "redis.tls.clientSecret.name=redis-client"),
)
SENTINEL = Kind(
    f"redis+sentinel://:PASSWORD@{HOST}:26379/main/0",
    'mkdir -p /data/1 /data/2\nboth="--requirepass $PASSWORD --masterauth $PASSWORD --replica-announce-ip $POD_IP"\n'
    f"valkey-server --dir /data/1 {KEPT} $both &\n"
    f"valkey-server --dir /data/2 {KEPT} $both --port 6380 --replicaof $POD_IP 6379 &\n"
    'echo "port 26379\ndir /data\nsentinel monitor main $POD_IP 6379 1\n'
    'sentinel auth-pass main $PASSWORD" >/data/s.conf\n'
    "exec valkey-server /data/s.conf --sentinel",
    f"{CLI} -p 6380 info replication | grep -q master_link_status:up; valkey-cli -p 26379 ping | grep -q PONG",
)
CLUSTER = Kind(
    f"redis+cluster://:PASSWORD@{HOST}:7001,{HOST}:7002,{HOST}:7003",
    "for port in 7001 7002 7003; do mkdir -p /data/$port\nvalkey-server --port $port --dir /data/$port"
    f" {KEPT} --requirepass $PASSWORD --masterauth $PASSWORD"
    " --cluster-enabled yes --cluster-announce-ip $POD_IP & done\n"
    f"until {CLI} -p 7003 ping; do sleep 0.2; done\n"
    f"{CLI} --cluster create $POD_IP:7001 $POD_IP:7002 $POD_IP:7003 --cluster-yes\nwait",
    f"for port in 7001 7002 7003; do {CLI} -p $port cluster info | grep -q cluster_state:ok; done",
    ("--set", "shards=4"),
)


def start(kind: Kind) -> tuple[str, ...]:
    """The pod, its Service and the Secret with its URL, until it is ready; what Helm is to be told."""
    password = secrets.token_hex(16)
    url = kind.url.replace("PASSWORD", password)
    make_secret(SECRET, {"password": password, "url": url})
    text = (Path(__file__).parent / "manifests/redis.yaml").read_text(encoding="utf-8")
    words = {"IMAGE": image(), "SCRIPT": json.dumps(kind.script), "PROBE": json.dumps(kind.probe), "SECRET": SECRET}
    for name, word in words.items():
        text = text.replace(name, word)
    kubectl("apply", "-n", SYSTEM, "-f", "-", stdin=text)
    kubectl("wait", "--for=condition=Ready", "pod/redis", "-n", SYSTEM, "--timeout=60s")
    return ("--set", f"redis.existingSecret.name={SECRET}", "--set", "redis.existingSecret.key=url", *kind.values)


def stop() -> None:
    """All of it, with its data."""
    kubectl("delete", "pod/redis", "service/redis", f"secret/{SECRET}", "-n", SYSTEM, "--timeout=60s")


def make_secret(name: str, data: dict[str, str], kind: str = "Opaque") -> None:
    """In the system's namespace."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": SYSTEM}
    apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": encoded})


def image() -> str:
    """That of the bundled Valkey."""
    named = yaml.safe_load((Path(CHART) / "values.yaml").read_text(encoding="utf-8"))["valkey"]["image"]
    return "{registry}/{repository}:{tag}".format(**named)
