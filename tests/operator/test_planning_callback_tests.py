"""Plans for tests of callbacks: when they are sent, and what their outcome says."""

from datetime import timedelta
from typing import Any

import pytest
from tests.operator.worlds import NOW, World, callback, callback_test, product

from angarium.identifiers import resource_id, trial_id
from angarium_operator.planning import DataPlane, Key
from angarium_operator.planning.orders import TrialOrder, TrialProgress

TRY = Key("callbacktest", "shop", "try")
ID = resource_id("cbt", "uid-try")
TRACE: dict[str, Any] = {
    "host": "warehouse.example.com", "addresses": ["192.0.2.7"], "known": False, "lookupMs": 3,
    "address": "192.0.2.7:443", "secure": True, "connectMs": 2, "tlsMs": 9, "answerMs": 12,
    "certificateExpiresMs": 1_800_000_000_000, "signatures": ["v1"], "deliverer": "deliverer-0",
}  # fmt: skip
REPORT: dict[str, Any] = {
    "type": "attempt", "durationMs": 27,
    "response": {"status": 200, "body": "thanks", "truncated": False, "trace": TRACE},
}  # fmt: skip


def world(*more: Any, spec: dict[str, Any] | None = None) -> World:
    """A shop with a callback, and a test of it."""
    made = World(product(), callback(), *more, callback_test(spec=spec))
    made.settle()
    return made


def ended(made: World, reason: str = "", report: dict[str, Any] | None = None) -> None:
    """What the loop read."""
    told = TrialProgress(ID, True, not reason, reason, REPORT if report is None else report, made.now)
    made.snapshot.put_progress(TRY, told)
    made.settle()


def failed(reason: str, detail: str, *without: str, status: int | None = None) -> dict[str, Any]:
    """An attempt that got no further."""
    trace = {name: value for name, value in TRACE.items() if name not in without}
    response = {"trace": trace} | ({"status": status} if status else {})
    return {"type": "attempt", "durationMs": 27, "reason": reason, "detail": detail, "response": response}


def verdict(made: World, type_: str = "Succeeded") -> tuple[str, str]:
    """Status and reason of a condition."""
    found = made.verdict("callbacktest", "try", type_)
    return found[0], found[1]


def test_it_is_sent_once_under_an_id_that_follows_from_its_uid() -> None:
    made = world()
    ordered = made.plan("callbacktest", "try").order
    assert isinstance(ordered, TrialOrder)
    sent = ordered.notification
    assert sent.id == trial_id("uid-try", round(NOW.timestamp() * 1000))
    assert (sent.test, sent.event, sent.by, sent.product) == (True, "angarium.test", "callbacktest/try", "shop/shop")
    assert [target.id for target in sent.targets] == [resource_id("cbk", "uid-warehouse")]
    assert sent.expires_ms == round(NOW.timestamp() * 1000) + 60_000
    assert sent.config_revision == made.snapshot.published[Key("callback", "shop", "warehouse")].revision
    assert verdict(made) == ("Unknown", "Pending")


def test_a_good_answer() -> None:
    made = world()
    ended(made)
    assert verdict(made) == ("True", "Delivered")
    steps = {name: verdict(made, name) for name in ("Resolved", "Connected", "Secured", "Signed", "Answered")}
    assert steps == {name: ("True", name) for name in steps}
    status = made.status("callbacktest", "try")
    assert (status.http_status, status.body, status.address) == (200, "thanks", "192.0.2.7:443")
    assert (status.deliverer, status.url) == ("deliverer-0", "https://warehouse.example.com")
    assert status.phases.model_dump() == {
        "lookup_ms": 3, "connect_ms": 2, "tls_ms": 9, "answer_ms": 12, "total_ms": 27,
    }  # fmt: skip
    assert status.certificate_expires_at.year == 2027
    finished = made.plan("callbacktest", "try")
    assert finished.empty
    assert finished.order is None


AFTER = ("answerMs",)
NO_TLS = (*AFTER, "tlsMs", "certificateExpiresMs")
NO_CONNECTION = (*NO_TLS, "connectMs")
NO_NAME = (*NO_CONNECTION, "addresses", "lookupMs")


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (failed("dns_error", "no such name", *NO_NAME), {"Resolved": "DnsError", "Connected": "NotReached"}),
        (failed("connect_refused", "x", *NO_CONNECTION), {"Resolved": "Resolved", "Connected": "ConnectRefused"}),
        (failed("address_refused", "x", *NO_CONNECTION), {"Connected": "AddressRefused", "Signed": "NotReached"}),
        (
            failed("tls_error", "x", *NO_TLS),
            {"Connected": "Connected", "Secured": "TlsError", "Answered": "NotReached"},
        ),
        (failed("timeout", "x", *AFTER), {"Signed": "Signed", "Answered": "Timeout"}),
        (failed("http_503", "503 Service Unavailable", status=503), {"Answered": "Answered"}),
    ],
)
def test_a_failure_is_told_where_it_was(report: dict[str, Any], expected: dict[str, str]) -> None:
    made = world()
    ended(made, report["reason"], report)
    assert {name: verdict(made, name)[1] for name in expected} == expected
    status, reason, message = made.verdict("callbacktest", "try", "Succeeded")
    assert status == "False"
    assert reason == "".join(part.capitalize() for part in report["reason"].split("_"))
    assert message == report["detail"]
    assert made.status("callbacktest", "try").reason == report["reason"]


def test_plain_http_is_told_and_may_succeed() -> None:
    made = world()
    plain = {name: value for name, value in TRACE.items() if name not in ("tlsMs", "certificateExpiresMs")}
    ended(made, report=REPORT | {"response": REPORT["response"] | {"trace": plain | {"secure": False}}})
    assert verdict(made, "Secured") == ("False", "PlainHTTP")
    assert (verdict(made, "Signed")[0], verdict(made)) == ("True", ("True", "Delivered"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"suspend": True}, "CallbackSuspended"), (None, "NoDeliverer"), ("gone", "Pending")],
)
def test_what_stands_in_its_way_is_waited_for_until_the_deadline(change: Any, reason: str) -> None:
    made = world()
    if change is None:
        made.snapshot.plane = DataPlane({"gateway": 1})
    elif change == "gone":
        made.snapshot.remove(Key("callback", "shop", "warehouse"))
    else:
        made.snapshot.put(callback(spec=change, generation=2))
    made.settle()
    assert verdict(made) == ("Unknown", reason)
    assert made.plan("callbacktest", "try").look_again == NOW + timedelta(seconds=1)
    made.now = NOW + timedelta(seconds=60)
    made.settle()
    assert verdict(made) == ("False", "DeadlineExceeded")
    assert made.plan("callbacktest", "try").order is None


def test_what_a_deliverer_has_begun_is_waited_for_longer() -> None:
    made = world()
    made.snapshot.put_progress(TRY, TrialProgress(ID, started=True))
    made.now = NOW + timedelta(seconds=60)
    made.settle()
    assert verdict(made) == ("Unknown", "Sending")
    made.now = NOW + timedelta(seconds=60 + 15 + 10)
    made.settle()
    assert verdict(made) == ("False", "DeadlineExceeded")


def test_one_that_no_deliverer_took_up_in_time() -> None:
    made = world()
    made.snapshot.put_progress(TRY, TrialProgress(ID, True, False, "expired", None, NOW))
    made.settle()
    assert verdict(made) == ("False", "DeadlineExceeded")
