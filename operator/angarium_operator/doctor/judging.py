"""From what Kubernetes and DNS say to what must be mended. No I/O."""

from collections.abc import Iterable

from angarium.checkup.items import Item, ok, problem, some, unknown, warning
from angarium.resources.crds import KINDS, crd
from angarium_operator.doctor.hosts import HostFacts
from angarium_operator.doctor.looking import PARTS, ClusterFacts, Workload, field_paths

UPGRADE = "helm upgrade with crds.enabled, or kubectl apply --server-side -f crds/"
INSIDE = "kubectl exec deploy/<release>-angarium-operator -- angarium-operator doctor"
STALE = 2.0  # times a lease's duration


def judge_cluster(facts: ClusterFacts) -> list[Item]:
    """All that was looked at."""
    if facts.away:
        do = f"see the kubeconfig (--kubeconfig), or run it in a pod: {INSIDE}"
        judged = problem if facts.asked or facts.inside else unknown
        return [judged("kubernetes", f"its API does not answer: {facts.away}", do)]
    return [*_crds(facts), *_rights(facts), *_workloads(facts), *_lease(facts)]


def expected_paths() -> frozenset[str]:
    """Fields of the CRDs that belong to this version."""
    found: set[str] = set()
    for kind in KINDS:
        schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        found.update(field_paths(kind.name, schema))
    return frozenset(found)


def _crds(facts: ClusterFacts) -> Iterable[Item]:
    if note := facts.notes.get("crds"):
        yield unknown("crds", f"they can't be seen: {note}")
        return
    missing = [kind.plural for kind in KINDS if kind.plural not in facts.served]
    if missing:
        yield problem("crds", f"not served: {', '.join(missing)}", f"install them: {UPGRADE}")
        return
    if facts.paths is None:
        yield unknown("crds", f"served, but their fields can't be seen: {facts.notes.get('schemas', 'no OpenAPI v3')}")
        return
    lacking = sorted(expected_paths() - facts.paths)
    if lacking:
        told = f"{len(lacking)} fields of this version are missing: {', '.join(lacking[:5])}"
        yield problem("crds", f"{told}; what is written there is dropped", f"upgrade them: {UPGRADE}")
    else:
        yield ok("crds", f"{len(KINDS)} kinds are served, with all fields of this version")


def _rights(facts: ClusterFacts) -> Iterable[Item]:
    if facts.denied is None:
        do = f"an admin may ask, or the operator itself: {INSIDE}"
        yield unknown("rbac", f"the operator's rights can't be seen: {facts.notes.get('rights', 'unknown')}", do)
    elif facts.denied:
        do = "let the chart make its roles (rbac.create), or grant them"
        yield problem("rbac", f"{facts.account} may not: {some(facts.denied)}", do)
    else:
        yield ok("rbac", f"{facts.account} may do all that the operator must")


def _workloads(facts: ClusterFacts) -> Iterable[Item]:
    if facts.workloads is None:
        told = f"Deployments can't be seen from here: {facts.notes.get('pods', 'unknown')}"
        yield unknown(
            "deployments", told, "run it with a kubeconfig that may list them: angarium doctor -n <namespace>"
        )
        return
    if not facts.workloads:
        yield unknown("deployments", "none of Angarium's is found", "say where it is installed: -n <namespace>")
        return
    for part in PARTS:
        for each in (each for each in facts.workloads if each.part == part):
            yield _workload(each)
    if facts.endpoints == 0:
        yield problem("service", "no gateway is ready behind the Service", "see the gateways' readiness: /readyz")
    elif facts.endpoints:
        yield ok("service", f"{facts.endpoints} gateways are ready behind it")


def _workload(each: Workload) -> Item:
    name = f"{each.namespace}/{each.name}"
    told = f"{name}: {each.ready} of {each.wanted} ready, {', '.join(each.images)}"
    see = f"kubectl -n {each.namespace} describe pods -l app.kubernetes.io/component={each.part}"
    if each.wanted == 0:
        return warning(each.part, f"{name} is scaled to 0", f"kubectl -n {each.namespace} scale deploy {each.name}")
    if not each.ready:
        return problem(each.part, told, see)
    return ok(each.part, told) if each.ready >= each.wanted else warning(each.part, told, see)


def _lease(facts: ClusterFacts) -> Iterable[Item]:
    lease = facts.lease
    if lease is None:
        if note := facts.notes.get("lease"):
            yield unknown("lease", f"it can't be seen: {note}")
    elif not lease.holder:
        yield problem("lease", f"nobody holds {lease.name}: no operator works", "see that an operator runs")
    elif lease.age_s > STALE * max(1, lease.duration_s):
        told = f"{lease.name} is held by {lease.holder}, which has not renewed it for {lease.age_s:.0f} s"
        yield problem("lease", told, "see that an operator runs, and reaches the API server")
    else:
        yield ok("lease", f"{lease.holder} holds {lease.name}, renewed {max(0.0, lease.age_s):.0f} s ago")


def judge_hosts(gateway: HostFacts | None, receivers: Iterable[HostFacts], *, inside: bool) -> list[Item]:
    """Names as they resolve here; outside the cluster names of its Services do not, which says nothing."""
    items: list[Item] = []
    if gateway and (inside or gateway.addresses):
        items.append(_gateway_name(gateway))
    elif gateway:
        items.append(unknown("dns", f"{gateway.name} is a name of the cluster's, and this runs outside", INSIDE))
    known = [each for each in receivers if inside or not each.in_cluster]
    for each in known:
        if each.error:
            do = "mend the callback's URL, or its DNS; from a pod: see CoreDNS and the network policies"
            items.append(warning("dns", f"{each.name} ({each.callback}) does not resolve: {each.error}", do))
        elif each.refusal:
            do = "use serviceRef for a Service of the cluster, or allow the network in egress.allowedCIDRs"
            items.append(warning("egress", f"{each.name} ({each.callback}): {each.refusal}", do))
    good = [each.name for each in known if not each.error and not each.refusal]
    if good:
        items.append(ok("dns", f"hosts of receivers that resolve: {some(good)}"))
    return items


def _gateway_name(gateway: HostFacts) -> Item:
    if gateway.error:
        do = "see CoreDNS (kubectl -n kube-system get pods), and gateway.url of the chart"
        return problem("dns", f"the gateway's name {gateway.name} does not resolve: {gateway.error}", do)
    return ok("dns", f"the gateway's name {gateway.name} resolves to {', '.join(gateway.addresses[:3])}")
