"""How far a test got: from what its deliverer has seen to a condition for each step."""

from collections.abc import Mapping
from typing import Any

from angarium_operator.planning.verdicts import STEPS, Verdict, no, yes

BODY_SHOWN = 1024  # characters of an answer's body, in the status
NOT_REACHED = Verdict("Unknown", "NotReached", "the steps before it failed")
Trace = Mapping[str, Any]


def steps(report: Mapping[str, Any]) -> dict[str, Verdict]:
    """`report` is the attempt as its timeline has it, with the `trace` of a test in its response."""
    response = report.get("response") or {}
    trace = response.get("trace") or {}
    reached = {
        "Resolved": _resolved(trace),
        "Connected": _connected(trace),
        "Secured": _secured(trace),
        "Signed": _signed(trace),
        "Answered": _answered(response, trace),
    }
    verdicts: dict[str, Verdict] = {}
    failed = False
    for name in STEPS:
        verdict = reached[name]
        if verdict is None:
            verdict = NOT_REACHED if failed else no(camel(report.get("reason", "")), report.get("detail", ""))
            failed = True
        verdicts[name] = verdict
    return verdicts


def _resolved(trace: Trace) -> Verdict | None:
    if "host" in trace and not trace["host"]:
        return yes("NotNeeded", "the url holds an address")
    if not trace.get("addresses"):
        return None
    how = "was known" if trace.get("known") else f"took {trace.get('lookupMs', 0)} ms"
    return yes("Resolved", f"{trace['host']} is {', '.join(trace['addresses'][:4])}; {how}")


def _connected(trace: Trace) -> Verdict | None:
    if trace.get("connectMs") is None:
        return None
    return yes("Connected", f"to {trace.get('address')} in {trace['connectMs']} ms")


def _secured(trace: Trace) -> Verdict | None:
    if trace.get("connectMs") is None:
        return None
    if not trace.get("secure"):
        return no("PlainHTTP", "the url begins with http: anybody on the way can read what is sent")
    if trace.get("tlsMs") is None:
        return None
    return yes("Secured", f"the certificate is trusted; TLS took {trace['tlsMs']} ms")


def _signed(trace: Trace) -> Verdict | None:
    if trace.get("connectMs") is None or (trace.get("secure") and trace.get("tlsMs") is None):
        return None
    signatures = trace.get("signatures", [])
    return yes("Signed", f"by {len(signatures)} key(s), as {', '.join(signatures)}; only the receiver can tell whether"
               " it verifies")  # fmt: skip


def _answered(response: Mapping[str, Any], trace: Trace) -> Verdict | None:
    if response.get("status") is None:
        return None
    return yes("Answered", f"{response['status']} after {trace.get('answerMs', 0)} ms")


def camel(reason: str) -> str:
    """A reason as conditions have it: `http_503` is Http503."""
    return "".join(part[:1].upper() + part[1:] for part in reason.split("_")) or "Unknown"
