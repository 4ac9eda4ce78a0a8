"""What is refused and with which words: one table for the API server (CEL) and for the models (`angarium dev`)."""

from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]

MINIMAL: dict[str, Spec] = {
    "Product": {},
    "Organization": {"productRef": {"name": "shop"}},
    "Callback": {"productRef": {"name": "shop"}, "events": ["order.*"], "url": "https://example.com/hooks"},
    "Provider": {
        "productRef": {"name": "shop"},
        "secretRef": {"name": "mail"},
        "smtp": {"host": "smtp.example.com", "from": "Shop <no-reply@example.com>"},
    },
    "Topic": {
        "productRef": {"name": "shop"},
        "path": "orders/paid",
        "integrations": [{"name": "warehouse", "callbackRef": {"name": "warehouse"}}],
    },
    "Replay": {"productRef": {"name": "shop"}, "select": {}},
    "CallbackTest": {"callbackRef": {"name": "warehouse"}},
}


@dataclass(frozen=True)
class Refusal:
    """A spec, as a change to the least valid one, and the field and message it gets; None removes a field."""

    kind: str
    change: Spec
    field: str
    message: str

    @property
    def spec(self) -> Spec:
        """The whole spec."""
        merged = MINIMAL[self.kind] | self.change
        return {key: value for key, value in merged.items() if value is not None}

    def __str__(self) -> str:
        return f"{self.kind} {self.change}"


def manifest(kind: str, spec: Spec | None, name: str = "x", namespace: str = "default") -> dict[str, Any]:
    """The object around a spec."""
    metadata = {"name": name, "namespace": namespace}
    whole = {"apiVersion": "angarium.dev/v1alpha1", "kind": kind, "metadata": metadata}
    return whole if spec is None else whole | {"spec": spec}


NAME = "must be a name: lower case letters, digits, - or ., with a letter or digit at either end"
LABEL = "must be a name: lower case letters, digits, -, with a letter or digit at either end"
PATTERN = "segments are letters, digits, - and _, joined by dots; * stands for one segment, ** for the rest"
URL = "must be an http or https URL, like https://example.com/hooks"
HTTPS = "must be an https URL"
BARE = "must not hold credentials or a fragment"
HEADER_NAME = "names are letters, digits and !#$%&*+.^_`|~-, 64 characters at most"
HEADER_OURS = "connection headers, host, user-agent, content-* and webhook-* are set by angarium"
HEADER_VALUE = "must be printable ASCII, with no space at either end"
PATH = "must begin with / and hold only what may stand in a URL, and no fragment"
ONE_OWNER = "exactly one of productRef, organizationRef must be set"
ONE_TARGET = "exactly one of url, serviceRef must be set"
SELECTOR = "from: Selector needs a selector; Same and All take none"
ONE_BLOCK = "exactly one of smtp, twilio, fcm, slack, telegram, apprise must be set"
NEEDS_SECRET = "secretRef must be set; only smtp without caBundleKey can do without"
ONE_SENDER = "at least one of from, messagingServiceSid, whatsappFrom must be set"
HOST = "must be a host name or an address, like smtp.example.com"
MAILBOX = 'must be a mailbox, like "Shop <no-reply@example.com>"'
PHONE = "must be a phone number as E.164 writes it, like +15017122661"
SERVICE_SID = "must be the SID of a Messaging Service: MG and 32 hexadecimal digits"
PROJECT = "must be the id of a Google Cloud project, like shop-42"
SECRET_KEY = "must be a key of a Secret: letters, digits, -, _ and ."
SCHEMA = "must be a schema of Apprise that may be used here, like discord; docs/apprise.md lists them"
TOPIC_PATH = "must be channel/topic: two names of letters, digits, - and _, 63 characters each at most"
TOPIC_RESERVED = "must not begin with angarium/, message/ or notification/, nor end with /retry or /timeline"
ONE_REF = "exactly one of providerRef, callbackRef must be set"
NEEDS_TEMPLATE = "to and template must be set with providerRef"
NAME_ALONE = "only name goes with callbackRef: a callback gets the variables themselves"
NEEDS_EXAMPLE = "at least one example is needed, since a variable is required"
VARIABLE = "names are letters, digits and _, not a digit first, 64 characters at most"
REASON = "must be a word like http_503: lower case letters, digits and _"
REASONS_OF_DEAD = "reasons go with deliveries: DeadLetters only; what was delivered has none"
VALUES = "In and NotIn need values; Exists and DoesNotExist take none"


def _duration(shortest: str, longest: str) -> str:
    return f"must be a duration from {shortest} to {longest}, like 15s, 1h30m or 250ms"


def _requirement(**expression: Any) -> Spec:
    return {"allowedNamespaces": {"from": "Selector", "selector": {"matchExpressions": [expression]}}}


def _service(**change: Any) -> Spec:
    return {"url": None, "serviceRef": {"name": "warehouse", "port": 8080} | change}


def _smtp(**change: Any) -> Spec:
    return {"smtp": {"host": "smtp.example.com", "from": "no-reply@example.com"} | change}


def _integration(**change: Any) -> Spec:
    """Of a topic; by a provider unless said otherwise."""
    mail = {"name": "mail", "providerRef": {"name": "mail"}, "to": ["a@b.example"], "template": {"subject": "x"}}
    return {"integrations": [{key: value for key, value in (mail | change).items() if value is not None}]}


def _block(name: str, **content: Any) -> Spec:
    return {"smtp": None, name: content}


REFUSALS = (
    *(
        Refusal("Replay", {"select": {"reasons": [word]}}, "spec.select.reasons[0]", REASON)
        for word in ("HTTP_503", "http 503", "http_503\n")
    ),
    Refusal(
        "Replay",
        {"select": {"deliveries": "Delivered", "reasons": ["timeout"]}},
        "spec.select.reasons",
        REASONS_OF_DEAD,
    ),
    Refusal(
        "Replay",
        {"select": {"since": "6h", "from": "2026-11-21T08:00:00Z"}},
        "spec.select.since",
        "only one of since, from may be set",
    ),
    Refusal(
        "Replay",
        {"select": {"from": "2026-11-21T08:00:00Z", "until": "2026-11-21T08:00:00Z"}},
        "spec.select.until",
        "until must be after from",
    ),
    Refusal("Replay", {"select": {"events": ["order..paid"]}}, "spec.select.events[0]", PATTERN),
    Refusal("Replay", {"select": {"since": "30s"}}, "spec.select.since", _duration("1m", "2160h")),
    *(
        Refusal("CallbackTest", {"deadline": text}, "spec.deadline", _duration("5s", "1h"))
        for text in ("4s", "61m", "soon")
    ),
    *(
        Refusal("Product", {"credentials": {"secretName": name}}, "spec.credentials.secretName", NAME)
        for name in ("", "Shop", "-shop", "shop_key", "a..b", "shop\n")
    ),
    *(
        Refusal("Product", {"delivery": {"timeout": text}}, "spec.delivery.timeout", _duration("1s", "30s"))
        for text in ("999ms", "31s", "15", "1d", "", "-5s", "1.5s", "15s\n", "s")
    ),
    *(
        Refusal("Product", {"delivery": {"retention": text}}, "spec.delivery.retention", _duration("1h", "2160h"))
        for text in ("59m", "2160h1ms")
    ),
    Refusal(
        "Product",
        {"delivery": {"retry": {"schedule": ["5s", "99ms"]}}},
        "spec.delivery.retry.schedule[1]",
        _duration("100ms", "72h"),
    ),
    Refusal(
        "Product",
        {"credentials": {"rotation": {"interval": "59m", "overlap": "1m"}}},
        "spec.credentials.rotation.interval",
        _duration("1h", "17520h"),
    ),
    Refusal(
        "Product",
        {"credentials": {"rotation": {"overlap": "721h"}}},
        "spec.credentials.rotation.overlap",
        _duration("0s", "720h"),
    ),
    *(
        Refusal(
            "Product",
            {"credentials": {"rotation": rotation}},
            "spec.credentials.rotation.overlap",
            "overlap must be shorter than interval",
        )
        for rotation in ({"interval": "24h"}, {"interval": "2h", "overlap": "120m"})  # the first by the default of 24h
    ),
    *(
        Refusal("Product", {"jwt": {"issuer": url, "audience": "a"}}, "spec.jwt.issuer", message)
        for url, message in (
            ("http://id.example.com", HTTPS),
            ("http://localhost.example.com", HTTPS),
            ("ftp://id.example.com", URL),
            ("https://user@id.example.com", BARE),
        )
    ),
    Refusal(
        "Product",
        {"jwt": {"issuer": "https://id.example.com", "jwksUri": "http://10.0.0.1", "audience": "a"}},
        "spec.jwt.jwksUri",
        HTTPS,
    ),
    Refusal(
        "Product", {"jwt": {"issuer": "https://id.example.com", "audience": " a"}}, "spec.jwt.audience", HEADER_VALUE
    ),
    Refusal("Product", {"allowedNamespaces": {"from": "Selector"}}, "spec.allowedNamespaces.selector", SELECTOR),
    Refusal("Product", {"allowedNamespaces": {"selector": {}}}, "spec.allowedNamespaces.selector", SELECTOR),
    *(
        Refusal("Product", expression, "spec.allowedNamespaces.selector.matchExpressions[0].values", VALUES)
        for expression in (
            _requirement(key="team", operator="In"),
            _requirement(key="team", operator="NotIn", values=[]),
            _requirement(key="team", operator="Exists", values=["a"]),
        )
    ),
    Refusal("Organization", {"productRef": {"name": "Shop"}}, "spec.productRef.name", NAME),
    Refusal("Organization", {"productRef": {"name": "shop", "namespace": "a.b"}}, "spec.productRef.namespace", LABEL),
    Refusal("Callback", {"productRef": None}, "spec", ONE_OWNER),
    Refusal("Callback", {"organizationRef": {"name": "acme"}}, "spec", ONE_OWNER),
    Refusal("Callback", {"productRef": None, "organizationRef": {"name": "A"}}, "spec.organizationRef.name", NAME),
    Refusal("Callback", {"url": None}, "spec", ONE_TARGET),
    Refusal("Callback", {"serviceRef": {"name": "warehouse", "port": 8080}}, "spec", ONE_TARGET),
    Refusal("Callback", {"events": []}, "spec.events", "at least one event or pattern is needed"),
    *(
        Refusal("Callback", {"events": ["refund.created", text]}, "spec.events[1]", PATTERN)
        for text in ("order..paid", ".order", "order.", "order paid", "**.order", "order.*x", "ordér", "order\n")
    ),
    *(
        Refusal("Callback", {"url": url}, "spec.url", URL)
        for url in (
            "",
            "/hooks",
            "ftp://example.com",
            "https://",
            "https:///hooks",
            "https://:8080/",
            "http://exa mple.com",
            "https://example.com:99999/",
            "https://example.com:0/",
            "https://[::1/",
            "https://exämple.com/",
            "HTTPS://example.com",
            "https://example.com/\n",
            "https://example.com:port/",
            "https://%zz/",
        )
    ),
    *(
        Refusal("Callback", {"url": url}, "spec.url", BARE)
        for url in (
            "https://user:secret@example.com/",
            "https://user@example.com",
            "https://example.com/#part",
            "https://example.com/#",
        )
    ),
    *(Refusal("Callback", _service(name=name), "spec.serviceRef.name", LABEL) for name in ("", "a.b", "Warehouse")),
    *(
        Refusal("Callback", _service(path=path), "spec.serviceRef.path", PATH)
        for path in ("", "hooks", "/a b", "/#a", "/%", "/a\\b")
    ),
    *(
        Refusal("Callback", {"headers": {name: "x"}}, "spec.headers", HEADER_NAME)
        for name in ("", "x y", "x:y", "é", "n" * 65)
    ),
    *(
        Refusal("Callback", {"headers": {name: "x"}}, "spec.headers", HEADER_OURS)
        for name in (
            "connection",
            "Expect",
            "keep-alive",
            "proxy-authenticate",
            "Proxy-Authorization",
            "proxy-connection",
            "TE",
            "trailer",
            "Transfer-Encoding",
            "upgrade",
            "Host",
            "User-Agent",
            "Content-Type",
            "content-length",
            "webhook-id",
            "Webhook-Signature",
        )
    ),
    *(
        Refusal("Callback", {"headers": {"x-team": value}}, "spec.headers[x-team]", HEADER_VALUE)
        for value in (" a", "a ", "a\r\nb", "é", "a\t")
    ),
    Refusal("Callback", {"signing": {"secretName": "A"}}, "spec.signing.secretName", NAME),
    Refusal(
        "Callback",
        {"signing": {"rotation": {"interval": "1h"}}},
        "spec.signing.rotation.overlap",
        "overlap must be shorter than interval",
    ),
    Refusal("Callback", {"delivery": {"timeout": "1m"}}, "spec.delivery.timeout", _duration("1s", "30s")),
    *(
        Refusal(
            "Callback",
            {"delivery": {"rateLimit": {"requests": 1, "period": text}}},
            "spec.delivery.rateLimit.period",
            _duration("100ms", "24h"),
        )
        for text in ("99ms", "24h1ms", "0s", "1", "1d", "second")
    ),
    *(
        Refusal(
            kind,
            {"delivery": {"autoDisable": {"after": text}}},
            "spec.delivery.autoDisable.after",
            _duration("1h", "720h"),
        )
        for kind in ("Product", "Callback")
        for text in ("0s", "59m", "720h1ms", "never")
    ),
    Refusal(
        "Callback",
        {"delivery": {"retry": {"schedule": ["73h"]}}},
        "spec.delivery.retry.schedule[0]",
        _duration("100ms", "72h"),
    ),
    Refusal("Provider", {"smtp": None}, "spec", ONE_BLOCK),
    Refusal("Provider", {"slack": {}}, "spec", ONE_BLOCK),
    Refusal("Provider", {"smtp": None, "slack": {}, "telegram": {}, "fcm": {}}, "spec", ONE_BLOCK),
    Refusal("Provider", {"productRef": {"name": "Shop"}}, "spec.productRef.name", NAME),
    Refusal("Provider", {"secretRef": {"name": "Mail"}}, "spec.secretRef.name", NAME),
    *(
        Refusal("Provider", {"secretRef": None} | block, "spec", NEEDS_SECRET)
        for block in (
            _block("slack"),
            _block("telegram"),
            _block("fcm"),
            _block("twilio", **{"from": "+15017122661"}),
            _block("apprise", schemas=["discord"]),
            _smtp(caBundleKey="ca.crt"),
        )
    ),
    *(
        Refusal("Provider", _smtp(host=host), "spec.smtp.host", HOST)
        for host in ("", "smtp..example.com", "-smtp", "smtp_1", "a b", "smtp.example.com:25", "https://a", "a\n", "é")
    ),
    *(
        Refusal("Provider", _smtp(**{"from": mailbox}), "spec.smtp.from", MAILBOX)
        for mailbox in (
            "",
            "shop",
            "Shop no-reply@example.com",
            "Shop <no-reply@>",
            "Shop <a@b>, Other <c@d>",
            'Shop "x" <no-reply@example.com>',
            "Shop\r\nBcc: x@y.z <no-reply@example.com>",
            "no-reply@example.com\n",
            "a b@example.com",
        )
    ),
    Refusal("Provider", _smtp(replyTo="shop"), "spec.smtp.replyTo", MAILBOX),
    Refusal("Provider", _smtp(caBundleKey="a/b"), "spec.smtp.caBundleKey", SECRET_KEY),
    Refusal(
        "Provider",
        _smtp(tls="None", caBundleKey="ca.crt"),
        "spec.smtp.caBundleKey",
        "caBundleKey has no meaning with tls: None",
    ),
    Refusal("Provider", _block("twilio"), "spec.twilio", ONE_SENDER),
    Refusal("Provider", _block("twilio", statusCallbacks=False), "spec.twilio", ONE_SENDER),
    *(
        Refusal("Provider", _block("twilio", **{field: number}), f"spec.twilio.{field}", PHONE)
        for field in ("from", "whatsappFrom")
        for number in ("", "15017122661", "+0151", "+1 501 712 2661", "whatsapp:+15017122661", "+12345", "+1234567\n")
    ),
    *(
        Refusal("Provider", _block("twilio", messagingServiceSid=sid), "spec.twilio.messagingServiceSid", SERVICE_SID)
        for sid in ("", "MG12", "AC" + "0" * 32, "MG" + "g" * 32)
    ),
    *(
        Refusal("Provider", _block("fcm", projectID=name), "spec.fcm.projectID", PROJECT)
        for name in ("", "Shop", "shop/42", "-shop", "shop-")
    ),
    *(
        Refusal("Provider", _block(name, **content, apiUrl="ftp://x"), f"spec.{name}.apiUrl", URL)
        for name, content in (("twilio", {"from": "+15017122661"}), ("fcm", {}), ("slack", {}), ("telegram", {}))
    ),
    Refusal("Provider", _block("slack", apiUrl="https://a:b@example.com"), "spec.slack.apiUrl", BARE),
    Refusal(
        "Provider",
        _block("telegram", apiUrl="https://example.com/?x=1"),
        "spec.telegram.apiUrl",
        "must not hold a query: paths are appended to it",
    ),
    Refusal("Provider", _block("apprise", schemas=[]), "spec.apprise.schemas", "at least one schema is needed"),
    *(
        Refusal("Provider", _block("apprise", schemas=["discord", text]), "spec.apprise.schemas[1]", SCHEMA)
        for text in ("", "Discord", "discord://", "json", "syslog")
    ),
    Refusal("Provider", {"timeout": "31s"}, "spec.timeout", _duration("1s", "30s")),
    Refusal("Provider", {"retry": {"schedule": ["5s", "1d"]}}, "spec.retry.schedule[1]", _duration("100ms", "72h")),
    Refusal(
        "Provider",
        {"rateLimit": {"requests": 1, "period": "25h"}},
        "spec.rateLimit.period",
        _duration("100ms", "24h"),
    ),
    *(
        Refusal("Topic", {"path": path}, "spec.path", TOPIC_PATH)
        for path in ("", "orders", "orders/", "/paid", "a/b/c", "a.b/c", "-a/b", "a/b\n", f"{'a' * 64}/b", "ä/b")
    ),
    *(
        Refusal("Topic", {"path": path}, "spec.path", TOPIC_RESERVED)
        for path in ("message/email", "notification/delivered", "angarium/test", "orders/retry", "orders/timeline")
    ),
    Refusal("Topic", {"integrations": []}, "spec.integrations", "at least one integration is needed"),
    Refusal(
        "Topic",
        {"integrations": [{"name": "a", "callbackRef": {"name": "x"}}, {"name": "a", "callbackRef": {"name": "y"}}]},
        "spec.integrations",
        "each needs a name of its own",
    ),
    Refusal("Topic", _integration(providerRef=None, to=None, template=None), "spec.integrations[0]", ONE_REF),
    *(
        Refusal("Topic", _integration(**{field: None}), "spec.integrations[0]", NEEDS_TEMPLATE)
        for field in ("to", "template")
    ),
    Refusal("Topic", _integration(to=[]), "spec.integrations[0]", NEEDS_TEMPLATE),
    *(
        Refusal(
            "Topic",
            _integration(providerRef=None, callbackRef={"name": "x"}, **{"to": None, "template": None} | change),
            "spec.integrations[0]",
            NAME_ALONE,
        )
        for change in ({"to": ["x"]}, {"template": {"text": "x"}}, {"channel": "email"}, {"maxSegments": 1})
    ),
    Refusal("Topic", _integration(name="Mail"), "spec.integrations[0].name", LABEL),
    Refusal("Topic", _integration(providerRef={"name": "Mail"}), "spec.integrations[0].providerRef.name", NAME),
    *(
        Refusal("Topic", {"variables": {name: {"required": False}}}, "spec.variables", VARIABLE)
        for name in ("4x", "a-b", "a b", "", "ä", "x" * 65)
    ),
    Refusal("Topic", {"variables": {"name": {}}}, "spec.examples", NEEDS_EXAMPLE),
    Refusal("Topic", {"variables": {"name": {}}, "examples": []}, "spec.examples", NEEDS_EXAMPLE),
    Refusal("Topic", {"topicHash": {"secretName": "A"}}, "spec.topicHash.secretName", NAME),
)
