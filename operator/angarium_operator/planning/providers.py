"""The plan for a Provider: its product, its Secret, its record, and whether its account takes the credentials.

`Authenticated` never feeds `Ready`, which says one thing of all kinds: that the live gateways and deliverers use this
very spec. An account that is blocked, or a server that is away for an hour, must not turn GitOps tools red and hold up
what has nothing to do with it; `kubectl wait --for=condition=Authenticated` is there for whoever wants to know.
"""

from dataclasses import replace
from datetime import datetime

from angarium.identifiers import resource_id
from angarium.records import ProviderRecord
from angarium.resources import Product, Provider
from angarium_operator.planning import programmed
from angarium_operator.planning.actions import Plan
from angarium_operator.planning.addresses import refusal, refusal_of_host
from angarium_operator.planning.probes import WAITING, Probe, ProbePlan, plan_probe
from angarium_operator.planning.provider_secrets import credentials, problem
from angarium_operator.planning.records import provider_record, sealed_credentials
from angarium_operator.planning.references import resolve
from angarium_operator.planning.snapshot import Key, Policy, Snapshot, referred_secret
from angarium_operator.planning.status import with_status
from angarium_operator.planning.verdicts import Verdict, no, ready, yes

ACCEPTED = yes("Accepted", "the spec can be used")


def plan_provider(snapshot: Snapshot, key: Key, provider: Provider, now: datetime) -> Plan:
    """What is due; first of all that its Secret is read."""
    name = referred_secret(provider)
    if name is not None and name not in snapshot.referred:
        return Plan(read=name.name)
    data = snapshot.referred.get(name) if name else None
    resolved = resolve(snapshot, key, provider)
    refs = resolved.verdict
    if refs.good:
        refs = problem(provider.spec, key.namespace, data) or refs
    accepted = _accepted(snapshot.policy, provider)
    held = credentials(provider.spec, data or {})
    usable = accepted.good and refs.good
    record = None
    if usable and snapshot.stored and resolved.product is not None:
        record = _record(snapshot, key, provider, resolved.product, held)
    asked = _ask(snapshot, key, provider, held, now) if usable else ProbePlan(WAITING)
    return _compose(snapshot, key, provider, {"Accepted": accepted, "ResolvedRefs": refs}, record, asked, now)


def _accepted(policy: Policy, provider: Provider) -> Verdict:
    block = provider.spec.block
    refused = None
    if provider.spec.smtp is not None:
        refused = refusal_of_host(
            provider.spec.smtp.host, policy.allowed, policy.denied, allow_private=policy.allow_private
        )
    elif url := getattr(block, "api_url", None):
        refused = refusal(url, policy.allowed, policy.denied, allow_private=policy.allow_private)
    if refused is None:
        return ACCEPTED
    return no("AddressRefused", refused.replace("use serviceRef, or ", ""))  # a provider has none


def _record(snapshot: Snapshot, key: Key, provider: Provider, product: Product, held: dict[str, str]) -> ProviderRecord:
    published = snapshot.published.get(key)
    before = published.record if published else None
    sealed = before.sealed_credentials if isinstance(before, ProviderRecord) else ""
    return provider_record(provider, product, sealed_credentials(snapshot.policy, held, sealed))


def _ask(snapshot: Snapshot, key: Key, provider: Provider, held: dict[str, str], now: datetime) -> ProbePlan:
    settings = provider.spec.block.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plan_probe(provider, Probe(provider.spec.type, settings, held), snapshot.findings.get(key), now)


def _compose(
    snapshot: Snapshot,
    key: Key,
    provider: Provider,
    verdicts: dict[str, Verdict],
    record: ProviderRecord | None,
    asked: ProbePlan,
    now: datetime,
) -> Plan:
    published = snapshot.published.get(key)
    settled = record is None or (published is not None and record == published.record)
    applied = programmed.judge(snapshot, key, provider, record, now, settled=settled)
    verdicts = verdicts | {"Programmed": applied}
    verdicts = verdicts | {"Ready": ready(verdicts), "Authenticated": asked.verdict}
    fields = {
        "provider_id": resource_id("prv", provider.metadata.uid),
        "type": provider.spec.type,
        "channels": provider.spec.channels,
    }
    written = with_status(provider.status, fields, verdicts, provider.metadata.generation, now)
    return replace(
        written,
        record=None if settled else record,
        withdraw=snapshot.stored and published is not None and _must_go(verdicts["ResolvedRefs"]),
        probe=asked.probe,
        look_again=asked.look_again,
        ready=verdicts["Ready"].good,
        programmed=applied.good,
    )


def _must_go(refs: Verdict) -> bool:
    """Who deletes a Secret takes the credentials back; who edits it and slips keeps what was good last."""
    return not refs.good and refs.reason not in ("SecretKeyMissing", "SecretKeyInvalid")
