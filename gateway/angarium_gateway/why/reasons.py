"""The stable words for why an attempt failed (docs/states.md), as sentences, and what a person can do about each."""

from http import HTTPStatus

_PLAIN: dict[str, tuple[str, str]] = {
    "timeout": ("the receiver did not answer in time", "see why it is slow, or raise delivery.timeout"),
    "connect_timeout": (
        "no connection could be made in time",
        "see that host, port and firewalls let deliverers through",
    ),
    "connect_refused": ("the connection was refused", "see that the receiver listens on that port"),
    "connect_failed": ("no connection could be made", "see that the receiver's network is there"),
    "connection_reset": ("the connection ended without an answer", "look into the receiver's log"),
    "dns_error": ("its name does not resolve", "mend the host name, or its DNS"),
    "tls_error": (
        "its certificate or TLS is not accepted",
        "renew the certificate, or put its CA into the deliverers' bundle",
    ),
    "protocol_error": ("what it answered is not HTTP", "see that the URL leads to a web server"),
    "address_refused": (
        "deliverers may not connect to that address",
        "use serviceRef for a Service of the cluster, or allow the network in egress.allowedCIDRs",
    ),
    "invalid_url": ("the URL can't be used", "mend spec.url"),
    "gone": ("the receiver wants no more of this (410 Gone)", "mend the receiver, then enable the callback again"),
    "aborted_by_receiver": ("the receiver asked not to be sent this again", "redrive it if that was a mistake"),
    "retry_after_too_long": (
        "the receiver asked for more than seven days of patience",
        "redrive it when the receiver is ready",
    ),
    "callback_deleted": ("the callback was deleted", "post again for the callback that took its place"),
    "auto_disabled": (
        "the callback failed for too long and was given up",
        "mend the receiver, enable the callback again, then redrive",
    ),
    "expired": ("it was not sent before expiresAt", "post it again if it still matters"),
    "no_provider": (
        "no Provider that can be used carries the channel",
        "make one, or mend it: `kubectl get providers` says which are Ready",
    ),
    "group_deleted": ("the group was no longer there", "post again for another group"),
    "no_address": (
        "the user has no address that contents and providers cover",
        "give the user an address, or the notification a content for a channel that the user has",
    ),
    "duplicate": ("the recipient gets another one with this dedupKey", ""),
    "wrong_content": ("the content is not one of this channel", "post it again with a content for the channel"),
    "unreadable_content": ("the content can't be read", "post it again"),
    "unknown_recipient": ("the provider's Secret has no URL of that name", "add it to the Secret, then redrive"),
    "authentication_failed": (
        "the provider does not take the credentials",
        "mend the Provider's Secret: its condition Authenticated says more",
    ),
    "not_supported": ("the provider's server can't do what is needed", "see the Provider's settings"),
    "deliverer_lost": (
        "six deliverers died in this very attempt",
        "look why deliverers die (`kubectl logs --previous`), then redrive",
    ),
    "internal_error": ("a channel of the deliverer failed", "look into the deliverer's log, and report it"),
    "twilio_undecided": ("Twilio told no end of it for a day", "look it up at Twilio before it is redriven"),
}
_BY_STATUS = {
    401: "see that the receiver knows the signing key, and the headers it asks for",
    403: "see that the receiver knows the signing key, and the headers it asks for",
    404: "see that the path of the URL is right",
    405: "see that the receiver takes POST at this URL",
    413: "let the receiver take larger bodies, or post less",
    429: "lower the callback's delivery.rateLimit to what the receiver takes",
}


def in_words(reason: str, detail: str = "") -> str:
    """What happened, as part of a sentence; `detail` is what the attempt itself told."""
    if reason.startswith("http_"):
        return f"the receiver answered {_status(reason.removeprefix('http_'))}"
    words = _PLAIN.get(reason, ("", ""))[0]
    if not words:
        return f"the attempt ended as {reason}" + (f" ({detail})" if detail else "")
    return f"{words} ({detail})" if detail and detail != words else words


def advice(reason: str) -> tuple[str, ...]:
    """What a person can do about the cause."""
    if reason == "http_3xx":
        return ("put the URL that it redirects to into the callback: redirects are not followed",)
    if reason.startswith("http_"):
        number = reason.removeprefix("http_")
        return (_BY_STATUS.get(int(number) if number.isdigit() else 0, "look into the receiver's log"),)
    do = _PLAIN.get(reason, ("", ""))[1]
    return (do,) if do else ()


def _status(text: str) -> str:
    if text == "3xx":
        return "with a redirect"
    try:
        return f"{text} {HTTPStatus(int(text)).phrase}"
    except ValueError:
        return text
