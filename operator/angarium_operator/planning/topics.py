"""The plan for a Topic: its product, what its integrations refer to, its examples, its hash, and its record.

Gateways get it once all of this is good. An edit that isn't changes nothing that works; a topic that loses its product,
or its path to an older topic, is withdrawn.
"""

from dataclasses import replace
from datetime import datetime

from angarium.identifiers import resource_id
from angarium.records import IntegrationRecord, TopicRecord, VariableRecord
from angarium.resources import Product, Topic
from angarium_operator.planning import programmed
from angarium_operator.planning.actions import Plan
from angarium_operator.planning.claims import holder
from angarium_operator.planning.references import resolve
from angarium_operator.planning.snapshot import Key, Snapshot, own_secret
from angarium_operator.planning.status import with_status
from angarium_operator.planning.topic_examples import Trial, try_out
from angarium_operator.planning.topic_hash import HashPlan, plan_hash, waiting
from angarium_operator.planning.topic_integrations import Followed, follow
from angarium_operator.planning.verdicts import Verdict, no, ready, yes

ACCEPTED = yes("Accepted", "the spec can be used")
PATH_TAKEN = "PathTaken"


def plan_topic(snapshot: Snapshot, key: Key, topic: Topic, now: datetime) -> Plan:
    """What is due."""
    resolved = resolve(snapshot, key, topic)
    product = resolved.product
    followed = Followed(resolved.verdict) if product is None else follow(snapshot, key, topic, product)
    trial = Trial(_path_taken(snapshot, topic))
    record = None
    if trial.problem is None and product is not None and followed.verdict.good:
        record = _record(topic, product, followed.integrations)
        trial = try_out(topic, record)
    usable = record is not None and trial.problem is None
    secret = HashPlan()
    if topic.spec.hash_required:
        secret = plan_hash(snapshot, key, topic, now) if usable and snapshot.stored else waiting(snapshot)
    if record is not None and usable and snapshot.stored and (secret.sha256 or not topic.spec.hash_required):
        record = record.model_copy(update={"hash_sha256": secret.sha256})
    else:
        record = None
    verdicts = {"Accepted": trial.problem or ACCEPTED, "ResolvedRefs": followed.verdict}
    must_go = product is None or verdicts["Accepted"].reason == PATH_TAKEN
    return _compose(snapshot, key, topic, verdicts, record, trial, secret, now, must_go=must_go)


def _path_taken(snapshot: Snapshot, topic: Topic) -> Verdict | None:
    other = holder(snapshot, topic)
    if other is None:
        return None
    return no(
        PATH_TAKEN,
        f'spec.path: topic "{other.name}" in namespace "{other.namespace}" has this path already; choose another',
    )


def _record(topic: Topic, product: Product, integrations: tuple[IntegrationRecord, ...]) -> TopicRecord:
    meta, spec = topic.metadata, topic.spec
    return TopicRecord(
        namespace=meta.namespace,
        name=meta.name,
        generation=meta.generation,
        id=resource_id("tpc", meta.uid),
        product_id=resource_id("prd", product.metadata.uid),
        path=spec.path,
        variables={
            name: VariableRecord(
                type=each.type,
                required=each.needed,
                max_length=each.max_length,
                enum=each.enum,
                default=each.default or "",
            )
            for name, each in spec.variables.items()
        },
        integrations=integrations,
        suspended=spec.suspend,
    )


def _compose(
    snapshot: Snapshot,
    key: Key,
    topic: Topic,
    verdicts: dict[str, Verdict],
    record: TopicRecord | None,
    trial: Trial,
    secret: HashPlan,
    now: datetime,
    *,
    must_go: bool,
) -> Plan:
    published = snapshot.published.get(key)
    settled = record is None or (published is not None and record == published.record)
    applied = programmed.judge(snapshot, key, topic, record, now, settled=settled)
    if secret.verdict is not None:
        verdicts = verdicts | {"CredentialsReady": secret.verdict}
    verdicts = verdicts | {"Programmed": applied}
    verdicts = verdicts | {"Ready": ready(verdicts)}
    name = own_secret(topic)
    fields = {
        "topic_id": resource_id("tpc", topic.metadata.uid),
        "secret_name": name.name if name and secret.sha256 else None,
        "rendered": len(trial.examples),
        "examples": trial.examples,
    }
    written = with_status(topic.status, fields, verdicts, topic.metadata.generation, now)
    conflict = secret.verdict is not None and secret.verdict.reason == "SecretConflict"
    return replace(
        written,
        record=None if settled else record,
        withdraw=snapshot.stored and published is not None and must_go,
        secret=secret.secret,
        announcements=secret.announcements + written.announcements,
        look_again=secret.look_again,
        recheck=name.name if name and conflict else "",
        pending=secret.pending,
        ready=verdicts["Ready"].good,
        programmed=applied.good,
    )
