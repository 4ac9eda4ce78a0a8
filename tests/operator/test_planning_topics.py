"""Plans for topics: what they refer to, their examples, their path, their hash, and what gateways get."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from tests.operator.worlds import World, callback, organization, product, provider, topic

from angarium.identifiers import resource_id
from angarium.records import TopicRecord
from angarium_operator.planning import Key
from angarium_operator.planning.snapshot import SecretName

PAID = Key("topic", "shop", "paid")
MAIL = {"name": "mail", "providerRef": {"name": "mail"}, "to": ["$email"]}
CONTENT = {"subject": "Order $order", "text": "Thank you, $name."}
EXAMPLE = {"email": "jane@example.com", "order": "1042", "name": "Jane"}
VARIABLES: dict[str, Any] = {"email": {}, "order": {}, "name": {}}
NUMBER = "+15017122661"


def by_mail(template: dict[str, Any] | None = None, /, **change: Any) -> dict[str, Any]:
    """A spec with an integration by mail."""
    integrations = [MAIL | {"template": template or CONTENT} | change]
    return {
        "integrations": integrations,
        "variables": VARIABLES,
        "examples": [{"name": "usual", "metadata": EXAMPLE}],
    }


def world(spec: dict[str, Any] | None = None) -> World:
    """A shop with a mail server, a callback and a topic, settled."""
    made = World(product(), provider(), callback(), topic(spec=spec))
    made.give(username="shop", password="s3cret")
    made.settle()
    return made


def published(of: World) -> TopicRecord:
    """What gateways know."""
    record = of.snapshot.published[PAID].record
    assert isinstance(record, TopicRecord)
    return record


def test_a_topic_is_published_as_gateways_need_it() -> None:
    made = world(
        by_mail()
        | {"variables": VARIABLES | {"name": {"default": "customer", "maxLength": 20, "description": "of the buyer"}}}
    )
    record = published(made)
    assert made.verdict("topic", "paid", "Ready")[0] == "True"
    assert (record.id, record.product_id) == (resource_id("tpc", "uid-paid"), resource_id("prd", "uid-shop"))
    assert (record.path, record.hash_sha256, record.suspended) == ("orders/paid", "", False)
    [mail] = record.integrations
    assert (mail.channel, mail.provider, mail.to, mail.template) == ("email", "shop/mail", ("$email",), CONTENT)
    assert record.variables["name"].model_dump() == {
        "type": "string",
        "required": False,
        "max_length": 20,
        "enum": (),
        "default": "customer",
    }
    assert record.variables["order"].required
    status = made.status("topic", "paid")
    assert (status.topic_id, status.rendered, status.secret_name) == (record.id, 1, None)
    assert status.examples[0].integrations[0].summary == "email, 50 bytes: Order 1042"
    assert "CredentialsReady" not in [each.type for each in status.conditions]


def test_a_callback_is_named_with_its_id() -> None:
    [warehouse] = published(world()).integrations
    assert (warehouse.channel, warehouse.callback) == ("", "shop/warehouse")
    assert warehouse.callback_id == resource_id("cbk", "uid-warehouse")


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        (
            by_mail({"text": "x"}),
            "ExampleFails",
            'spec.integrations[0].template.subject: is required (example "usual")',
        ),
        (
            by_mail(CONTENT | {"subject": "$odrer"}),
            "TemplateInvalid",
            "template.subject: $odrer is not among spec.vari",
        ),
        (by_mail(CONTENT | {"text": "costs $5"}), "TemplateInvalid", "template.text: a $ must be followed by the name"),
        (by_mail(CONTENT | {"title": "x"}), "ExampleFails", "template.title: is not a field of this channel"),
        (by_mail(CONTENT | {"headers": {"To": "x"}}), "ExampleFails", "template.headers: 'To' can't be set here"),
        (by_mail(to=["$name"]), "ExampleFails", "spec.integrations[0].to[0]: must be an address"),
        (by_mail(to=["$who"]), "TemplateInvalid", "spec.integrations[0].to[0]: $who is not among spec.variables"),
        (
            by_mail()
            | {"examples": [{"name": "usual", "metadata": EXAMPLE}, {"name": "short", "metadata": {"order": "1"}}]},
            "ExampleFails",
            'spec.examples[1].metadata.email: is required; spec.examples[1].metadata.name: is required (example "sh',
        ),
        (
            by_mail() | {"examples": [{"name": "usual", "metadata": EXAMPLE | {"order": 1042}}]},
            "ExampleFails",
            "spec.examples[0].metadata.order: must be a string",
        ),
        (
            by_mail() | {"examples": [{"name": "usual", "metadata": EXAMPLE | {"colour": "red"}}]},
            "ExampleFails",
            "spec.examples[0].metadata.colour: is no variable of this topic",
        ),
        (
            by_mail() | {"variables": VARIABLES | {"n": {"type": "integer", "default": "x"}}},
            "TemplateInvalid",
            "spec.variables.n.default: must be an integer",
        ),
    ],
)
def test_what_can_not_be_rendered_is_told_before_anyone_sends(spec: dict[str, Any], reason: str, message: str) -> None:
    made = world(spec)
    status, told, words = made.verdict("topic", "paid", "Accepted")
    assert (status, told) == ("False", reason)
    assert message in words
    assert words.startswith("spec.")
    assert made.verdict("topic", "paid", "Ready")[:2] == ("False", reason)
    assert PAID not in made.snapshot.published
    assert made.settle() == []


@pytest.mark.parametrize(
    ("block", "channel", "template", "to", "message"),
    [
        (
            {"twilio": {"from": NUMBER}},
            None,
            {"body": "x" * 480},
            NUMBER,
            "template.body: 4 SMS segments (GSM 7-bit); 3",
        ),
        ({"twilio": {"from": NUMBER}}, None, {"body": "ä" * 500}, NUMBER, "template.body: 4 SMS segments"),
        ({"twilio": {"from": NUMBER}}, None, {"body": "x"}, "0664", "to[0]: must be a phone number with its country"),
        ({"fcm": {}}, None, {"title": "x", "body": "é" * 2048}, "t" * 30, "template: 4,096 bytes at most"),
        ({"slack": {}}, None, {"body": "x"}, "#a", "template.text: is required"),
        ({"telegram": {}}, None, {"text": "x" * 4097}, "@alerts", "template.text: string should have at most 4096"),
    ],
)
def test_the_limits_of_each_channel_are_told(
    block: dict[str, Any], channel: str | None, template: dict[str, Any], to: str, message: str
) -> None:
    integration = {"name": "one", "providerRef": {"name": "mail"}, "to": [to], "template": template}
    made = World(product(), provider(spec={"smtp": None} | block), topic(spec={"integrations": [integration]}))
    made.settle()
    assert message in made.verdict("topic", "paid", "Accepted")[2]


def test_segments_may_be_allowed_and_are_shown() -> None:
    integration: dict[str, Any] = {"name": "one", "providerRef": {"name": "mail"}, "to": [NUMBER], "maxSegments": 4}
    integration["template"] = {"body": "y" * 480}
    spec = {"integrations": [integration], "examples": [{"name": "plain", "metadata": {}}]}
    made = World(product(), provider(spec={"smtp": None, "twilio": {"from": NUMBER}}), topic(spec=spec))
    made.settle()
    summary = made.status("topic", "paid").examples[0].integrations[0].summary
    assert summary == f"sms, 4 segments: {'y' * 159}…"


def test_what_is_endlessly_deep_is_refused_when_it_is_read() -> None:
    deep: list[Any] = []
    for _ in range(40):
        deep = [deep]
    with pytest.raises(ValidationError, match="must not be nested more than 32 levels deep"):
        topic(spec={"examples": [{"name": "deep", "metadata": {"name": deep}}]})
    with pytest.raises(ValidationError, match="must not be nested more than 32 levels deep"):
        topic(spec=by_mail({"text": "x", "blocks": [{"a": deep}]}))


@pytest.mark.parametrize(
    ("others", "integration", "reason", "message"),
    [
        ([], MAIL, "ProviderNotFound", 'spec.integrations[0]: provider "mail" does not exist in namespace "shop"'),
        ([], {"name": "a", "callbackRef": {"name": "b"}}, "CallbackNotFound", 'callback "b" does not exist'),
        (
            [product("other"), provider(spec={"productRef": {"name": "other"}})],
            MAIL,
            "ProviderOfAnother",
            'provider "mail" is not one of product "shop" itself',
        ),
        (
            [organization(), callback("b", {"productRef": None, "organizationRef": {"name": "acme"}})],
            {"name": "a", "callbackRef": {"name": "b"}},
            "CallbackOfAnother",
            'callback "b" is not one of product "shop" itself',
        ),
        (
            [provider(spec={"smtp": None, "twilio": {"messagingServiceSid": "MG" + "0" * 32}})],
            MAIL,
            "ChannelNotCarried",
            'provider "mail" carries sms and whatsapp: name one as channel',
        ),
        ([provider()], MAIL | {"channel": "sms"}, "ChannelNotCarried", 'provider "mail" carries email: not sms'),
    ],
)
def test_what_leads_nowhere_is_named(others: list[Any], integration: dict[str, Any], reason: str, message: str) -> None:
    given = (
        integration
        if "callbackRef" in integration
        else integration | {"to": ["a@b.example"], "template": {"text": "x"}}
    )
    made = World(product(), *others, topic(spec={"integrations": [given]}))
    made.settle()
    status, told, words = made.verdict("topic", "paid", "ResolvedRefs")
    assert (status, told) == ("False", reason)
    assert message in words
    assert PAID not in made.snapshot.published


def test_what_it_waits_for_may_come_later_and_change() -> None:
    made = World(product(), topic(spec=by_mail()))
    made.settle()
    assert PAID in made.snapshot.put(provider())
    made.settle()
    assert made.verdict("topic", "paid", "Ready")[0] == "True"
    made.change(provider(spec={"smtp": None, "slack": {}}))
    made.settle()
    assert made.verdict("topic", "paid", "Accepted")[1] == "ExampleFails"  # the same texts are none for Slack
    assert published(made).integrations[0].channel == "email"  # what was good last stays in use


def test_an_edit_that_slips_changes_nothing_that_works() -> None:
    made = world(by_mail())
    before = published(made)
    made.change(topic(spec=by_mail({"text": "no subject"})))
    said = made.settle()
    assert said == ["ExampleFails"]
    assert published(made) == before
    made.change(topic(spec=by_mail({"subject": "$order", "text": "x"})))
    made.settle()
    assert published(made).integrations[0].template["text"] == "x"


def test_who_loses_its_product_is_withdrawn() -> None:
    made = world()
    made.snapshot.remove(Key("product", "shop", "shop"))
    made.settle()
    assert PAID not in made.snapshot.published


def test_who_loses_a_provider_goes_on_with_the_others() -> None:
    made = world(by_mail())
    made.snapshot.remove(Key("provider", "shop", "mail"))
    made.settle()
    assert made.verdict("topic", "paid", "Ready")[1] == "ProviderNotFound"
    assert PAID in made.snapshot.published


def test_a_path_belongs_to_the_oldest_that_asks_for_it() -> None:
    early, late = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))
    made = World(product(), callback(), topic("late", creationTimestamp=late), topic("early", creationTimestamp=early))
    made.settle()
    assert made.verdict("topic", "early", "Ready")[0] == "True"
    assert made.verdict("topic", "late", "Accepted") == (
        "False",
        "PathTaken",
        'spec.path: topic "early" in namespace "shop" has this path already; choose another',
    )
    assert Key("topic", "shop", "late") in made.snapshot.remove(Key("topic", "shop", "early"))
    made.settle()
    assert made.verdict("topic", "late", "Ready")[0] == "True"


def test_who_yields_its_path_is_withdrawn() -> None:
    early, late = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))
    early_elsewhere = topic("early", {"path": "orders/early"}, creationTimestamp=early)
    made = World(product(), callback(), topic("late", creationTimestamp=late), early_elsewhere)
    made.settle()
    made.change(topic("early", creationTimestamp=early))
    made.settle()
    assert Key("topic", "shop", "late") not in made.snapshot.published
    assert made.snapshot.published[Key("topic", "shop", "early")].record.model_dump()["path"] == "orders/paid"


def test_the_same_path_of_another_product_is_another() -> None:
    other = callback("elsewhere", {"productRef": {"name": "other"}})
    spec = {"productRef": {"name": "other"}, "integrations": [{"name": "a", "callbackRef": {"name": "elsewhere"}}]}
    made = World(product(), product("other"), callback(), other, topic(), topic("theirs", spec))
    made.settle()
    assert [made.verdict("topic", name, "Ready")[0] for name in ("paid", "theirs")] == ["True", "True"]


class TestHash:
    """The topic hash and its Secret."""

    def asking(self, **hash_: Any) -> World:
        """A shop with a topic that asks for one, not settled yet."""
        return World(product(), callback(), topic(spec={"topicHash": hash_}))

    def held(self, made: World, name: str = "paid-topic-hash") -> str:
        """What is in the Secret."""
        return made.secret(name)["topic-hash"]

    def test_one_is_made_and_only_its_digest_published(self) -> None:
        made = self.asking()
        assert "CredentialsIssued" in made.settle()
        text = self.held(made)
        assert len(text) == 43
        assert published(made).hash_sha256 == hashlib.sha256(text.encode()).hexdigest()
        assert made.status("topic", "paid").secret_name == "paid-topic-hash"
        assert made.verdict("topic", "paid", "CredentialsReady")[:2] == ("True", "CredentialsIssued")
        assert text not in repr(made.snapshot.published) + repr(made.status("topic", "paid")) + repr(
            made.snapshot.secrets
        )
        assert made.settle() == []
        assert self.held(made) == text

    def test_one_that_is_put_there_by_hand_counts(self) -> None:
        made = self.asking(secretName="chosen")
        made.settle()
        made.edit("chosen", topic_hash="what callers have had for years\n")
        assert made.settle() == []
        expected = hashlib.sha256(b"what callers have had for years").hexdigest()
        assert published(made).hash_sha256 == expected
        assert self.held(made, "chosen") == "what callers have had for years\n"

    @pytest.mark.parametrize("text", ["", "short", "ä" * 30, "x" * 20 + "\n" + "y"])
    def test_one_that_can_not_be_used_is_replaced(self, text: str) -> None:
        made = self.asking()
        made.settle()
        before = self.held(made)
        made.edit("paid-topic-hash", topic_hash=text)
        assert made.settle() == ["SecretRepaired"]
        assert self.held(made) not in (text, before)
        assert published(made).hash_sha256 == hashlib.sha256(self.held(made).encode()).hexdigest()

    def test_a_secret_of_somebody_elses_is_left_alone(self) -> None:
        made = self.asking()
        made.snapshot.foreign.add(SecretName("shop", "paid-topic-hash"))
        made.settle()
        status, reason, words = made.verdict("topic", "paid", "CredentialsReady")
        assert (status, reason) == ("False", "SecretConflict")
        assert words.endswith("rename it or set spec.topicHash.secretName")
        assert PAID not in made.snapshot.published
        planned = made.plan("topic", "paid")
        assert (planned.recheck, planned.secret) == ("paid-topic-hash", None)
        made.snapshot.foreign.clear()
        made.settle()
        assert made.verdict("topic", "paid", "Ready")[0] == "True"

    def test_nothing_is_made_for_what_can_not_be_used(self) -> None:
        made = World(product(), topic(spec={"topicHash": {}}))
        made.settle()
        assert made.verdict("topic", "paid", "CredentialsReady")[1] == "Pending"
        assert made.snapshot.secrets.keys() == {SecretName("shop", "shop-angarium")}

    def test_it_may_be_given_up_and_asked_for_again(self) -> None:
        made = self.asking()
        made.settle()
        text = self.held(made)
        made.change(topic(spec={"topicHash": {"required": False}}))
        made.settle()
        assert published(made).hash_sha256 == ""
        assert made.status("topic", "paid").secret_name is None
        made.change(topic(spec={"topicHash": {"required": True}}))
        made.settle()
        assert self.held(made) == text

    def test_a_new_one_is_not_a_new_spec(self) -> None:
        made = self.asking()
        made.settle()
        since = made.snapshot.published[PAID].since
        made.edit("paid-topic-hash", topic_hash="another one of sufficient length")
        made.settle()
        assert made.snapshot.published[PAID].revision > since
        assert made.snapshot.published[PAID].since == since
