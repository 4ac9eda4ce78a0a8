"""Kubernetes as it is: read with whatever rights are at hand, with nothing changed. Each refusal ends its own part."""

import asyncio
import os
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from angarium.resources import GROUP, VERSION
from angarium_operator.api import Api, ApiRefused, Object
from angarium_operator.doctor.permissions import Permission, permissions

T = TypeVar("T")
OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
PARTS = ("gateway", "deliverer", "operator")
LABEL = "app.kubernetes.io/part-of=angarium"
LEASE = "ANGARIUM_OPERATOR_LEASE"
ALL = "system:authenticated", "system:serviceaccounts"


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment of ours."""

    part: str
    namespace: str
    name: str
    wanted: int
    ready: int
    images: tuple[str, ...] = ()
    account: str = "default"
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeaseFacts:
    """The operator's. `age_s`: since it was renewed, by our clock."""

    name: str
    holder: str = ""
    age_s: float = 0.0
    duration_s: int = 0


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """`away`: why the API server does not answer. None: could not be seen, and `notes` say why."""

    away: str = ""
    inside: bool = False  # this runs in a pod of the cluster
    asked: bool = False  # a kubeconfig was given
    served: frozenset[str] = frozenset()  # plurals of our group and version
    paths: frozenset[str] | None = None  # fields of the schemas served, as `Callback.spec.url`
    account: str = ""  # whose rights were asked after
    denied: tuple[str, ...] | None = None
    workloads: tuple[Workload, ...] | None = None
    endpoints: int | None = None  # of the gateway's Service that are ready
    lease: LeaseFacts | None = None
    gateway_url: str = ""
    notes: dict[str, str] = field(default_factory=dict)


class Looking:
    """`namespace`: where Angarium is installed; empty: where it is found."""

    def __init__(self, api: Api, namespace: str = "", *, kubeconfig: str = "") -> None:
        self._api = api
        self._asked = bool(kubeconfig)
        self._inside = not kubeconfig and "KUBERNETES_SERVICE_HOST" in os.environ
        if not namespace and self._inside and OWN_NAMESPACE.exists():
            namespace = OWN_NAMESPACE.read_text(encoding="utf-8").strip()
        self._namespace = namespace
        self._notes: dict[str, str] = {}

    async def facts(self) -> ClusterFacts:
        """All that can be seen."""
        try:
            await self._get("/version")
        except ApiRefused as refused:
            return ClusterFacts(str(refused), self._inside, self._asked)
        workloads = await self._seen("pods", self._workloads())
        operator = next((each for each in workloads or () if each.part == "operator"), None)
        account, denied = await self._rights(operator)
        return ClusterFacts(
            "", self._inside, self._asked,
            await self._seen("crds", self._served()) or frozenset(),
            await self._seen("schemas", self._paths()),
            account, denied, workloads,
            await self._seen("service", self._endpoints(workloads)),
            await self._seen("lease", self._lease(operator)),
            (operator.variables if operator else os.environ).get("ANGARIUM_GATEWAY_URL", ""),
            self._notes,
        )  # fmt: skip

    async def _seen(self, part: str, work: Awaitable[T]) -> T | None:
        try:
            return await work
        except ApiRefused as refused:
            self._notes[part] = str(refused)
            return None

    async def _get(self, path: str, **query: str) -> Object:
        return await self._api.request("get", "GET", path, query=query or None)

    async def _served(self) -> frozenset[str]:
        try:
            found = await self._get(f"/apis/{GROUP}/{VERSION}")
        except ApiRefused as refused:
            if refused.status == 404:
                return frozenset()
            raise
        return frozenset(each["name"] for each in found["resources"])

    async def _paths(self) -> frozenset[str] | None:
        """Every authenticated account may read what is served, and few may read CRDs."""
        try:
            found = await self._get(f"/openapi/v3/apis/{GROUP}/{VERSION}")
        except ApiRefused as refused:
            if refused.status == 404:
                return None
            raise
        schemas = (found.get("components") or {}).get("schemas") or {}
        kinds = {
            gvk["kind"]: schema
            for schema in schemas.values()
            for gvk in schema.get("x-kubernetes-group-version-kind", ())
            if gvk["group"] == GROUP and gvk["version"] == VERSION and not gvk["kind"].endswith("List")
        }
        return frozenset(path for kind, schema in kinds.items() for path in field_paths(kind, schema))

    async def _workloads(self) -> tuple[Workload, ...]:
        base = "/apis/apps/v1" + (f"/namespaces/{self._namespace}" if self._namespace else "")
        found = await self._get(f"{base}/deployments", labelSelector=LABEL)
        return tuple(_workload(each) for each in found["items"])

    async def _endpoints(self, workloads: tuple[Workload, ...] | None) -> int | None:
        gateway = next((each for each in workloads or () if each.part == "gateway"), None)
        if gateway is None:
            return None
        path = f"/apis/discovery.k8s.io/v1/namespaces/{gateway.namespace}/endpointslices"
        found = await self._get(path, labelSelector=f"kubernetes.io/service-name={gateway.name}")
        ends = [end for each in found["items"] for end in each.get("endpoints") or ()]
        return sum((end.get("conditions") or {}).get("ready") is not False for end in ends)

    async def _lease(self, operator: Workload | None) -> LeaseFacts | None:
        variables = operator.variables if operator else dict(os.environ)
        name, namespace = variables.get(LEASE, ""), variables.get(f"{LEASE}_NAMESPACE", "")
        namespace = namespace or (operator.namespace if operator else self._namespace)
        if not name or not namespace:
            return None
        try:
            found = await self._get(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}")
        except ApiRefused as refused:
            if refused.status == 404:
                return LeaseFacts(name)
            raise
        spec = found.get("spec") or {}
        renewed = spec.get("renewTime")
        age = time.time() - datetime.fromisoformat(renewed).timestamp() if renewed else float("inf")
        return LeaseFacts(name, spec.get("holderIdentity") or "", age, spec.get("leaseDurationSeconds") or 0)

    async def _rights(self, operator: Workload | None) -> tuple[str, tuple[str, ...] | None]:
        """Of our own account in a pod; else of the operator's, if one is found."""
        variables = operator.variables if operator else dict(os.environ)
        served = [each.strip() for each in variables.get("ANGARIUM_WATCH_NAMESPACES", "").split(",") if each.strip()]
        wanted = permissions(
            everywhere=not served, callbacks=variables.get("ANGARIUM_API_CALLBACKS", "").lower() != "false"
        )
        subject: Object = {}
        if operator:
            user = f"system:serviceaccount:{operator.namespace}:{operator.account}"
            subject = {"user": user, "groups": [*ALL, f"system:serviceaccounts:{operator.namespace}"]}
        elif not self._inside:
            self._notes["rights"] = "no operator was found whose account could be asked after"
            return "", None
        asked = [(each, namespace) for each in wanted for namespace in served or ("",)]
        answers = await self._seen("rights", _gathered(self._may(subject, *pair) for pair in asked))
        if answers is None:
            return subject.get("user", ""), None
        denied = [
            each.words + (f" in {namespace}" if namespace else "")
            for (each, namespace), allowed in zip(asked, answers, strict=True)
            if not allowed
        ]
        return subject.get("user", "this pod's account"), tuple(denied)

    async def _may(self, subject: Object, permission: Permission, namespace: str) -> bool:
        kind = "SubjectAccessReview" if subject else "SelfSubjectAccessReview"
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": kind,
            "spec": subject | {"resourceAttributes": permission.attributes(namespace)},
        }
        path = f"/apis/authorization.k8s.io/v1/{kind.lower()}s"
        found = await self._api.request("create", "POST", path, body=body)
        return bool(found["status"].get("allowed"))


async def _gathered(work: Iterable[Awaitable[bool]]) -> list[bool]:
    return list(await asyncio.gather(*work))


def _workload(found: Object) -> Workload:
    meta, spec, status = found["metadata"], found["spec"], found.get("status") or {}
    pod = spec["template"]["spec"]
    containers: list[dict[str, Any]] = pod["containers"]
    variables = {each["name"]: each.get("value", "") for container in containers for each in container.get("env") or ()}
    return Workload(
        (meta.get("labels") or {}).get("app.kubernetes.io/component", ""),
        meta["namespace"], meta["name"], spec.get("replicas", 1), status.get("readyReplicas") or 0,
        tuple(each["image"] for each in containers), pod.get("serviceAccountName") or "default", variables,
    )  # fmt: skip


def field_paths(prefix: str, schema: Object) -> Iterable[str]:
    """Every field that a schema has: `Callback.spec.headers`, those within lists and maps by the list's own name."""
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            yield from field_paths(prefix, schema[part])
    for each in schema.get("allOf") or ():
        yield from field_paths(prefix, each)
    for name, inner in (schema.get("properties") or {}).items():
        if prefix.count(".") == 0 and name not in ("spec", "status"):
            continue
        yield f"{prefix}.{name}"
        yield from field_paths(f"{prefix}.{name}", inner)
