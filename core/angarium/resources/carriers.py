"""The blocks of a Provider: one for each kind of account that messages may go by."""

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from angarium.apprise_urls import SCHEMAS
from angarium.resources.endpoints import Url
from angarium.resources.rules import Distinct, Rule, SpecModel


def _shape(pattern: str, message: str) -> Rule:
    """`pattern` for RE2 and Python alike, of the whole text, without double quotes."""
    compiled = re.compile(pattern)
    return Rule(
        cel=f'self.matches(r"^({pattern})$")', message=message, check=lambda text: compiled.fullmatch(text) is not None
    )


_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = rf"{_LABEL}([.]{_LABEL})*"
_ADDRESS = rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_DOMAIN}"
_DISPLAY_NAME = r"[^\x00-\x1f\x7f<>\x22\\]{1,128}"

Host = Annotated[
    str,
    StringConstraints(max_length=253),
    _shape(rf"{_DOMAIN}|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*", "must be a host name or an address, like smtp.example.com"),
]
Mailbox = Annotated[
    str,
    StringConstraints(max_length=320),
    _shape(rf"({_DISPLAY_NAME} )?<{_ADDRESS}>|{_ADDRESS}", 'must be a mailbox, like "Shop <no-reply@example.com>"'),
]
PhoneNumber = Annotated[
    str,
    StringConstraints(max_length=64),
    _shape(r"[+][1-9][0-9]{6,14}", "must be a phone number as E.164 writes it, like +15017122661"),
]
ServiceSid = Annotated[
    str,
    StringConstraints(max_length=64),
    _shape("MG[0-9a-fA-F]{32}", "must be the SID of a Messaging Service: MG and 32 hexadecimal digits"),
]
ProjectId = Annotated[
    str,
    StringConstraints(max_length=63),
    _shape("([a-z0-9.-]+:)?[a-z][a-z0-9-]*[a-z0-9]", "must be the id of a Google Cloud project, like shop-42"),
]
SecretKey = Annotated[
    str,
    StringConstraints(max_length=253),
    _shape("[A-Za-z0-9._-]+", "must be a key of a Secret: letters, digits, -, _ and ."),
]
UrlSchema = Annotated[
    str,
    StringConstraints(max_length=64),
    Rule(
        cel=f"self in {list(SCHEMAS)}",
        message="must be a schema of Apprise that may be used here, like discord; docs/apprise.md lists them",
        check=lambda schema: schema in SCHEMAS,
    ),
]
_SOME_SCHEMAS = Rule(
    cel="self.size() > 0", message="at least one schema is needed", check=lambda schemas: len(schemas) > 0
)
_NO_QUERY = Rule(
    cel="!self.contains('?')",
    message="must not hold a query: paths are appended to it",
    check=lambda url: "?" not in url,
)
ApiUrl = Annotated[
    Annotated[Url, _NO_QUERY] | None, Field(description="Where its API is, if not where the whole world finds it.")
]


class Smtp(SpecModel):
    """A mail server."""

    rules = (
        Rule(
            cel="!has(self.caBundleKey) || self.tls != 'None'",
            message="caBundleKey has no meaning with tls: None",
            check=lambda smtp: smtp.ca_bundle_key is None or smtp.tls != "None",
            at=".caBundleKey",
        ),
    )

    host: Host = Field(description="Name or address of the server.")
    port: int = Field(
        default=587, strict=True, ge=1, le=65535, description="Its port: 587 for StartTLS, 465 for Implicit."
    )
    tls: Literal["StartTLS", "Implicit", "None"] = Field(
        default="StartTLS",
        description="StartTLS: asked for after the greeting, and nothing is sent without it. Implicit: from the first"
        " byte on. None: in the clear, password included; for a relay in the cluster.",
    )
    from_: Mailbox = Field(alias="from", description="Whom messages are from, unless a notification says otherwise.")
    reply_to: Mailbox | None = Field(default=None, description="Whom answers go to. Default: from.")
    ca_bundle_key: SecretKey | None = Field(
        default=None,
        description="Key of the Secret with the certificates, in PEM, by which the server is known."
        " Default: those that the whole world trusts.",
    )


class Twilio(SpecModel):
    """A Twilio account: SMS, WhatsApp, or both."""

    rules = (
        Rule(
            cel="has(self.from) || has(self.messagingServiceSid) || has(self.whatsappFrom)",
            message="at least one of from, messagingServiceSid, whatsappFrom must be set",
            check=lambda twilio: bool(twilio.from_ or twilio.messaging_service_sid or twilio.whatsapp_from),
        ),
    )

    from_: PhoneNumber | None = Field(default=None, alias="from", description="Number that SMS are from.")
    messaging_service_sid: ServiceSid | None = Field(
        default=None, description="Messaging Service that chooses whom a message is from, for SMS and WhatsApp."
    )
    whatsapp_from: PhoneNumber | None = Field(default=None, description="Number that WhatsApp messages are from.")
    api_url: ApiUrl = None
    status_callbacks: bool = Field(
        default=True,
        strict=True,
        description="Whether Twilio is asked to tell the gateway what became of each message, where the gateway has a"
        " public URL; else deliverers ask Twilio now and then.",
    )


class Fcm(SpecModel):
    """A project of Firebase Cloud Messaging."""

    project_id: ProjectId | None = Field(
        default=None, alias="projectID", description="The project. Default: that of the service account."
    )
    api_url: ApiUrl = None


class Slack(SpecModel):
    """A Slack workspace, by a bot's token, or one of its channels, by an incoming webhook."""

    api_url: ApiUrl = None


class Telegram(SpecModel):
    """A Telegram bot."""

    api_url: ApiUrl = None


class Apprise(SpecModel):
    """Whatever Apprise can reach."""

    schemas: Annotated[tuple[UrlSchema, ...], Field(max_length=64), _SOME_SCHEMAS, Distinct()] = Field(
        description="Schemas that the URLs in the Secret may have; any other is refused."
    )


Block = Smtp | Twilio | Fcm | Slack | Telegram | Apprise
