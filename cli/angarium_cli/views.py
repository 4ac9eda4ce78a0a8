"""The gateway's answers as people read them."""

from typing import Any

from angarium_cli.output import table
from angarium_cli.timeline import answer, lines, whom


def accepted(document: Any) -> str:
    """Of `send`."""
    to = ", ".join(whom(each) for each in document["deliveries"]) or "nobody subscribes to it"
    return f"{document['id']} {document['event']} → {to}"


def timeline(document: Any) -> str:
    """Of `timeline`."""
    entries = document["entries"]
    return "\n".join(lines(entries, many=len({e["delivery"] for e in entries if "delivery" in e}) > 1))


def notifications(document: Any) -> str:
    """Of `list`."""
    rows = [
        (each["id"], each["status"], each["event"], each["createdAt"], "; ".join(map(_delivery, each["deliveries"])))
        for each in document["notifications"]
    ]
    more = f"\nmore: --cursor {document['cursor']}" if document["cursor"] else ""
    return table(("ID", "STATUS", "EVENT", "ACCEPTED", "DELIVERIES"), rows) + more


def _delivery(delivery: Any) -> str:
    reason = f" ({delivery['reason']})" if delivery.get("reason") and delivery["status"] != "delivered" else ""
    counts = delivery.get("recipients")
    of = f" ({counts['delivered']} of {counts['total']} delivered, {counts['refused']} refused)" if counts else ""
    return f"{whom(delivery)} {delivery['status']}{reason}{of}"


def retried(document: Any) -> str:
    """Of `retry`."""
    rows = [(d["id"], whom(d), d["result"]) for d in document["deliveries"]]
    members = f"\n{document['recipients']} recipients of groups are tried again" if "recipients" in document else ""
    return table(("DELIVERY", "CALLBACK", "RESULT"), rows) + members


def callbacks(document: Any) -> str:
    """Of `callbacks list`."""
    rows = [
        (
            each["name"],
            each["reason"] if each.get("reason") else each["state"],
            each.get("health", ""),
            each["managedBy"],
            " ".join(each["events"]),
            each["url"],
        )
        for each in document["callbacks"]
    ]
    return table(("NAME", "STATE", "HEALTH", "BY", "EVENTS", "URL"), rows)


def callback(document: Any) -> str:
    """Of one that was just made or changed."""
    lines = [f"{document['name']} {document['state']} {' '.join(document['events'])} → {document['url']}"]
    if "signingKey" in document:
        lines.append(f"signing key: {document['signingKey']}")
    elif "signingSecret" in document:
        lines.append(f"its signing key: angarium callbacks secret {document['name']}")
    return "\n".join(lines)


def test_result(document: Any) -> str:
    """Of `callbacks test`."""
    attempt = document.get("attempt")
    said = f"{answer(attempt)}, {attempt['durationMs']} ms" if attempt else document.get("reason", "")
    return f"{document['outcome']}: {said}\n{document['notification']}"


def me(document: Any) -> str:
    """Of `me`."""
    quotas = document["quotas"]
    rows = {
        "product": document["product"],
        "organization": document["organization"],
        "tenant": document["tenant"],
        "key": document["key"]["id"],
        "key expires": document["key"].get("expiresAt"),
        "token of": document.get("subject"),
        "may": ", ".join(document.get("scopes", ())) or "nothing",
        "requests a second": quotas["requestsPerSecond"] or "no limit",
        "backlog": quotas["backlog"] or "no limit",
    }
    return "\n".join(f"{name:<18} {value}" for name, value in rows.items() if value is not None)
