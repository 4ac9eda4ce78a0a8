"""Plans for providers: what their Secret must hold, what deliverers get, and when an account is asked."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import orjson
import pytest
import trustme
from tests.operator.worlds import SEAL_KEY, World, product, provider

from angarium.identifiers import resource_id
from angarium.records import ProviderRecord
from angarium.sealing import Sealer, generate_seal_key
from angarium_operator.planning import Key
from angarium_operator.planning.snapshot import SecretName
from angarium_operator.planning.verdicts import Verdict, no, yes

MAIL = Key("provider", "shop", "mail")
LOGIN = {"username": "shop", "password": "s3cret"}
NUMBER = "+15017122661"
SERVICE_ACCOUNT = {"client_email": "a@b", "private_key": "k", "token_uri": "https://t", "project_id": "p"}
ACCEPTED = yes("Authenticated", "took the login")


def account(**change: str | None) -> str:
    """A service account as JSON."""
    return orjson.dumps({k: v for k, v in (SERVICE_ACCOUNT | change).items() if v is not None}).decode()


def world(block: str = "", content: dict[str, Any] | None = None, /, **data: str) -> World:
    """A shop with a provider, and what its Secret holds."""
    spec = {"smtp": None, block: content or {}} if block else None
    made = World(product(), provider(spec=spec))
    made.give(**data)
    return made


def published(of: World) -> ProviderRecord:
    """What deliverers know."""
    record = of.snapshot.published[MAIL].record
    assert isinstance(record, ProviderRecord)
    return record


def opened(of: World) -> dict[str, str]:
    """The credentials that they get."""
    found: dict[str, str] = orjson.loads(Sealer([SEAL_KEY]).open(published(of).sealed_credentials))
    return found


TOKEN = {"account_sid": "AC1", "auth_token": "t"}
PAIR = {"api_key_sid": "SK1", "api_key_secret": "s"}


@pytest.mark.parametrize(
    ("block", "content", "data", "lacks"),
    [
        ("", None, {"username": "shop"}, 'the key "password"'),
        ("", None, {"password": "s3cret"}, 'the key "username"'),
        ("", None, {"username": "shop", "password": ""}, 'the key "password"'),
        ("", None, {"username": "shop", "password": "\n"}, 'the key "password"'),
        ("twilio", {"from": NUMBER}, {}, 'the key "account-sid" and the key "auth-token"'),
        ("twilio", {"from": NUMBER}, {"account_sid": "AC1"}, 'the key "auth-token"'),
        ("twilio", {"from": NUMBER}, {"account_sid": "AC1"} | PAIR, 'the key "auth-token"'),
        ("twilio", {"from": NUMBER}, TOKEN | {"api_key_sid": "SK1"}, 'the key "api-key-secret"'),
        ("twilio", {"from": NUMBER, "statusCallbacks": False}, {"account_sid": "AC1"}, 'the key "auth-token"'),
        ("fcm", None, {"bot_token": "x"}, 'the key "service-account.json"'),
        ("slack", None, {"token": "x"}, 'the key "bot-token" or the key "webhook-url"'),
        ("telegram", None, {}, 'the key "bot-token"'),
        ("apprise", {"schemas": ["discord"]}, {}, 'the key "url" or the key "urls"'),
    ],
)
def test_missing_keys_are_named(block: str, content: dict[str, Any] | None, data: dict[str, str], lacks: str) -> None:
    made = world(block, content, **data)
    made.settle()
    verdict = made.verdict("provider", "mail", "ResolvedRefs")
    assert verdict == (
        "False",
        "SecretKeyMissing",
        f'secret "mail" lacks {lacks}; what was published last stays in use',
    )
    assert made.verdict("provider", "mail", "Ready")[1] == "SecretKeyMissing"
    assert made.verdict("provider", "mail", "Authenticated")[:2] == ("Unknown", "Pending")
    assert MAIL not in made.snapshot.published
    assert made.probed == []


@pytest.mark.parametrize(
    ("block", "content", "data", "wrong"),
    [
        ("telegram", None, {"bot-token": "1:a\nx: y"}, 'the key "bot-token" must be one line of printable characters'),
        ("fcm", None, {"service-account.json": "{"}, 'the key "service-account.json" is no JSON'),
        (
            "telegram",
            None,
            {"bot-token": "1:a/../x"},
            'the key "bot-token" holds no token of Telegram\'s, which look like 110201543:AAHdqTcv…',
        ),
        (
            "fcm",
            None,
            {"service-account.json": account(private_key=None, project_id=None)},
            'the key "service-account.json" is no service account: it lacks private_key, project_id',
        ),
        (
            "fcm",
            {"projectID": "shop"},
            {"service-account.json": "[]"},
            'the key "service-account.json" is no service account: it lacks client_email, private_key, token_uri',
        ),
        ("slack", None, {"webhook-url": "file:///etc/passwd"}, 'the key "webhook-url" must be an http or https URL'),
        ("slack", None, {"webhook-url": "https://[x"}, 'the key "webhook-url" must be an http or https URL'),
        (
            "apprise",
            {"schemas": ["discord"]},
            {"urls": "discord://a/b\n\njson://secret@host/"},
            'line 3 of the key "urls": spec.apprise.schemas does not name the schema json',
        ),
        ("apprise", {"schemas": ["discord"]}, {"url": "s3cret"}, 'the key "url": line 1 is no URL'),
        (
            "apprise",
            {"schemas": ["discord"]},
            {"url": "discord://a/b", "urls": "ops=discord://c/d\ndiscord://e/f"},
            'line 2 of the key "urls" has the name of another one; give it one of its own, like ops=discord://…',
        ),
        (
            "apprise",
            {"schemas": ["discord"]},
            {"url": "discord://a/b?Template=/etc/passwd"},
            'the key "url": line 1 names a template, which would be read from the deliverer\'s own files',
        ),
        (
            "smtp",
            {"host": "a", "from": "a@b", "caBundleKey": "ca.crt"},
            {"ca.crt": "-----BEGIN CERTIFICATE-----"},
            'the key "ca.crt" holds no certificates in PEM',
        ),
    ],
)
def test_what_can_not_be_used_is_told_without_it(
    block: str, content: dict[str, Any] | None, data: dict[str, str], wrong: str
) -> None:
    made = World(product(), provider(spec={"smtp": None, block: content or {}}))
    made.people["mail"] = data
    made.settle()
    status, reason, message = made.verdict("provider", "mail", "ResolvedRefs")
    assert (status, reason) == ("False", "SecretKeyInvalid")
    assert message == f'secret "mail": {wrong}; what was published last stays in use'


@pytest.mark.parametrize(
    ("block", "content", "data", "gets"),
    [
        ("", None, LOGIN | {"other": "x"}, {"username": "shop", "password": "s3cret"}),
        ("", None, {"username": "shop\n", "password": " s3cret\r\n"}, {"username": "shop", "password": " s3cret"}),
        ("", None, {"other": "x"}, {}),
        ("twilio", {"from": NUMBER}, TOKEN, {"account-sid": "AC1", "auth-token": "t"}),
        (
            "twilio",
            {"from": NUMBER, "statusCallbacks": False},
            {"account_sid": "AC1"} | PAIR,
            {"account-sid": "AC1", "api-key-sid": "SK1", "api-key-secret": "s"},
        ),
        ("slack", None, {"webhook_url": "https://hooks.slack.com/x"}, {"webhook-url": "https://hooks.slack.com/x"}),
        ("telegram", None, {"bot_token": "1:a"}, {"bot-token": "1:a"}),
        ("apprise", {"schemas": ["discord"]}, {"url": "Discord://a/b"}, {"url": "Discord://a/b"}),
    ],
)
def test_deliverers_get_the_keys_of_the_type_and_no_others(
    block: str, content: dict[str, Any] | None, data: dict[str, str], gets: dict[str, str]
) -> None:
    made = world(block, content, **data)
    made.settle()
    assert opened(made) == gets
    assert made.verdict("provider", "mail", "Ready")[0] == "True"


def test_the_record_says_all_of_the_spec_and_leaves_the_rest_to_the_product() -> None:
    delivery = {"timeout": "20s", "maxInFlight": 7, "retry": {"schedule": ["5s"]}}
    own = {"priority": -5, "rateLimit": {"requests": 10, "period": "1m"}, "timeout": "9s", "suspend": True}
    made = World(
        product(spec={"delivery": delivery}), provider(), provider("fast", spec=own | {"retry": {"schedule": []}})
    )
    made.give(**LOGIN)
    made.settle()
    record = published(made)
    assert record.id == resource_id("prv", "uid-mail") == made.status("provider", "mail").provider_id
    assert record.product_id == resource_id("prd", "uid-shop")
    assert (record.timeout_s, record.max_in_flight, record.retry_schedule_s) == (20.0, 7, (5.0,))
    assert (record.priority, record.rate_requests, record.suspended) == (0, None, False)
    assert record.settings == {
        "host": "smtp.example.com",
        "port": 587,
        "tls": "StartTLS",
        "from": "Shop <no-reply@example.com>",
    }
    fast = made.snapshot.published[Key("provider", "shop", "fast")].record
    assert isinstance(fast, ProviderRecord)
    assert (fast.priority, fast.rate_requests, fast.rate_period_s, fast.timeout_s) == (-5, 10, 60.0, 9.0)
    assert (fast.retry_schedule_s, fast.suspended) == ((), True)


def test_a_mail_server_without_login_needs_no_secret() -> None:
    made = World(product(), provider(spec={"secretRef": None}))
    made.settle()
    assert opened(made) == {}
    assert made.snapshot.referred_secrets() == ()


def test_a_certificate_travels_under_its_own_key() -> None:
    ca = trustme.CA().cert_pem.bytes().decode()
    smtp = {"host": "a", "from": "a@b", "caBundleKey": "ca.crt"}
    made = World(product(), provider(spec={"smtp": smtp}))
    made.people["mail"] = LOGIN | {"ca.crt": ca}
    made.settle()
    assert opened(made) == LOGIN | {"ca.crt": ca.rstrip("\n")}


def test_nothing_is_decided_before_the_secret_is_read() -> None:
    made = world(**LOGIN)
    planned = made.plan("provider", "mail")
    assert (planned.read, planned.empty, planned.probe) == ("mail", True, None)


def test_a_doubted_secret_is_read_again_and_the_record_stays_meanwhile() -> None:
    made = world(**LOGIN)
    made.settle()
    before = published(made)
    assert made.snapshot.doubt_referred(SecretName("shop", "mail")) == {MAIL}
    planned = made.plan("provider", "mail")
    assert (planned.read, planned.withdraw) == ("mail", False)
    made.settle()
    assert published(made) is before  # the very same text, though Fernet never seals alike twice
    made.give(username="shop", password="another")
    made.settle()
    assert opened(made)["password"] == "another"


def test_a_secret_that_nobody_refers_to_any_more_is_forgotten() -> None:
    made = world(**LOGIN)
    made.settle()
    assert SecretName("shop", "mail") in made.snapshot.referred
    made.change(provider(spec={"secretRef": {"name": "other"}}))
    assert made.snapshot.referred == {}
    made.snapshot.remove(MAIL)
    assert made.snapshot.referred_secrets() == ()
    assert made.snapshot.put_referred(SecretName("shop", "other"), {}) == set()
    assert made.snapshot.referred == {}


def test_a_deleted_secret_takes_the_credentials_back_and_a_slip_does_not() -> None:
    made = world(**LOGIN)
    made.settle()
    made.give(username="shop")
    made.settle()
    assert opened(made) == LOGIN
    del made.people["mail"]
    made.snapshot.doubt_referred(SecretName("shop", "mail"))
    made.settle()
    assert made.verdict("provider", "mail", "ResolvedRefs")[1] == "SecretNotFound"
    assert MAIL not in made.snapshot.published


def test_a_provider_without_product_waits_and_goes_with_it() -> None:
    made = World(provider())
    made.give(**LOGIN)
    made.settle()
    assert made.verdict("provider", "mail", "ResolvedRefs")[1] == "ProductNotFound"
    assert MAIL in made.snapshot.put(product())
    made.settle()
    assert MAIL in made.snapshot.published
    assert MAIL in made.snapshot.remove(Key("product", "shop", "shop"))
    made.settle()
    assert MAIL not in made.snapshot.published


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        (
            {"smtp": {"host": "10.0.0.7", "from": "a@b"}},
            "10.0.0.7 is a private address; allow it in egress.allowedCIDRs",
        ),
        ({"smtp": None, "slack": {"apiUrl": "http://127.0.0.1/api"}}, "127.0.0.1 is a loopback address"),
        ({"smtp": {"host": "smtp.internal", "from": "a@b"}}, None),  # judged when it is dialled
        ({"smtp": {"host": "192.168.1.1", "from": "a@b"}}, None),
    ],
)
def test_an_address_that_nobody_may_dial_is_refused(spec: dict[str, Any], refused: str | None) -> None:
    made = World(product(), provider(spec=spec))
    made.snapshot.policy = replace(made.snapshot.policy, allowed=(ip_network("192.168.0.0/16"),))
    made.give(bot_token="xoxb-1")
    made.settle()
    status, reason, message = made.verdict("provider", "mail", "Accepted")
    assert status == ("False" if refused else "True")
    assert (reason, message.startswith(refused)) == ("AddressRefused", True) if refused else reason == "Accepted"
    assert (MAIL in made.snapshot.published) is (refused is None)
    assert bool(made.probed) is (refused is None)


def test_another_seal_key_seals_the_credentials_anew() -> None:
    made = world(**LOGIN)
    made.settle()
    before = published(made).sealed_credentials
    keys = [generate_seal_key(), SEAL_KEY]
    sealer = Sealer(keys)
    made.snapshot.policy = replace(made.snapshot.policy, sealer=sealer, resealer=sealer.current)
    made.settle()
    after = published(made).sealed_credentials
    assert after != before
    assert orjson.loads(Sealer(keys[:1]).open(after)) == LOGIN


# whether the account takes them


def test_an_account_is_asked_at_once_and_again_after_a_while() -> None:
    made = world(**LOGIN)
    made.settle()
    assert made.verdict("provider", "mail", "Authenticated")[:2] == ("Unknown", "Pending")
    assert {probe.token for probe in made.probed} == {made.probed[0].token}
    made.answer("mail", ACCEPTED)
    asked = len(made.probed)
    assert made.settle() == []
    assert made.verdict("provider", "mail", "Authenticated") == ("True", "Authenticated", "took the login")
    made.pass_time(minutes=9)
    made.settle()
    assert len(made.probed) == asked
    planned = made.plan("provider", "mail")
    assert planned.look_again == made.now + timedelta(minutes=1)
    made.pass_time(minutes=1)
    planned = made.plan("provider", "mail")
    assert planned.probe == made.probed[0]
    assert planned.empty


@pytest.mark.parametrize(
    "verdict", [no("CredentialsRefused", "535 no"), Verdict("Unknown", "Unreachable", "no answer")]
)
def test_what_the_account_says_never_feeds_ready(verdict: Verdict) -> None:
    made = world(**LOGIN)
    made.settle()
    made.answer("mail", verdict)
    said = made.settle()
    assert said == (["CredentialsRefused"] if verdict.status == "False" else [])
    assert made.verdict("provider", "mail", "Authenticated") == verdict
    assert made.verdict("provider", "mail", "Ready")[0] == "True"
    assert MAIL in made.snapshot.published


def test_other_credentials_are_asked_anew_and_an_old_answer_counts_no_more() -> None:
    made = world(**LOGIN)
    made.settle()
    made.answer("mail", ACCEPTED)
    made.settle()
    asked = len(made.probed)
    made.give(username="shop", password="another")
    made.settle()
    assert made.verdict("provider", "mail", "Authenticated")[1] == "Pending"
    assert made.probed[-1].token != made.probed[0].token
    assert len(made.probed) > asked


def test_after_a_start_the_status_holds_until_there_is_an_answer() -> None:
    made = world(**LOGIN)
    made.settle()
    made.answer("mail", ACCEPTED)
    made.settle()
    made.snapshot.findings.clear()
    planned = made.plan("provider", "mail")
    assert planned.probe is not None
    assert planned.status is None
    made.change(provider(spec={"priority": 1}))
    made.settle()
    assert made.verdict("provider", "mail", "Authenticated")[1] == "Pending"


@pytest.mark.parametrize(
    ("block", "content", "data"),
    [
        ("slack", {}, {"webhook_url": "https://hooks.slack.com/x"}),
        ("apprise", {"schemas": ["discord"]}, {"url": "discord://a/b"}),
    ],
)
def test_what_can_not_be_asked_is_told(block: str, content: dict[str, Any], data: dict[str, str]) -> None:
    made = world(block, content, **data)
    made.settle()
    assert made.verdict("provider", "mail", "Authenticated")[:2] == ("Unknown", "NotProbeable")
    assert made.probed == []


def test_no_secret_shows_in_a_plan() -> None:
    made = world(username="shop", password="s3cret-that-is-long")
    made.settle()
    made.snapshot.published.clear()
    planned = made.plan("provider", "mail")
    assert planned.record is not None
    assert "s3cret-that-is-long" not in repr(planned) + repr(made.snapshot) + repr(made.probed)
