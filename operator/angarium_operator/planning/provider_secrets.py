"""What the Secret of a Provider must hold: which keys its type knows, and what is wrong with what is there.

Only keys that are named here are read, and no message holds a value.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import orjson
from cryptography.x509 import load_pem_x509_certificates

from angarium.apprise_urls import read_urls
from angarium.resources import Apprise, Fcm, ProviderSpec, Slack, Smtp, Telegram, Twilio
from angarium_operator.planning.verdicts import Verdict, no

SERVICE_ACCOUNT = "service-account.json"
KEYS: Mapping[str, tuple[str, ...]] = {
    "smtp": ("username", "password"),
    "twilio": ("account-sid", "auth-token", "api-key-sid", "api-key-secret"),
    "fcm": (SERVICE_ACCOUNT,),
    "slack": ("bot-token", "webhook-url"),
    "telegram": ("bot-token",),
    "apprise": ("url", "urls"),
}
MANY_LINES = frozenset({SERVICE_ACCOUNT, "urls"})
BOT_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,128}")  # Telegram's; it stands in the path of URLs
LAST_GOOD = "; what was published last stays in use"


def credentials(spec: ProviderSpec, data: Mapping[str, str]) -> dict[str, str]:
    """What the data plane needs of a Secret; the line end that `echo` and editors leave is no part of a value."""
    names = [*KEYS[spec.type], *([spec.smtp.ca_bundle_key] if spec.smtp and spec.smtp.ca_bundle_key else [])]
    held = {name: data.get(name, "").rstrip("\r\n") for name in names}
    return {name: value for name, value in held.items() if value}


def problem(spec: ProviderSpec, namespace: str, data: Mapping[str, str] | None) -> Verdict | None:
    """What is wrong with the Secret (None: there is none), or nothing."""
    if spec.secret_ref is None:
        return None
    name = spec.secret_ref.name
    if data is None:
        return no("SecretNotFound", f'secret "{name}" does not exist in namespace "{namespace}"')
    held = credentials(spec, data)
    if missing := list(_missing(spec, held)):
        return no("SecretKeyMissing", f'secret "{name}" lacks {" and ".join(missing)}{LAST_GOOD}')
    if wrong := next(_wrong(spec, held), ""):
        return no("SecretKeyInvalid", f'secret "{name}": {wrong}{LAST_GOOD}')
    return None


def _missing(spec: ProviderSpec, held: Mapping[str, str]) -> Iterator[str]:
    """The keys that must be there and are not, in words."""
    needed: tuple[str, ...] = ()
    match spec.block:
        case Smtp(ca_bundle_key=ca):
            login = ("username", "password")
            needed = (*(login if any(key in held for key in login) else ()), *((ca,) if ca else ()))
        case Twilio(status_callbacks=callbacks):
            pair = ("api-key-sid", "api-key-secret")
            has_pair = any(key in held for key in pair)
            # Twilio signs its callbacks with the auth token, whatever it is asked with
            token = ("auth-token",) if callbacks or not has_pair else ()
            needed = ("account-sid", *token, *(pair if has_pair else ()))
        case Fcm() | Telegram():
            needed = KEYS[spec.type]
        case Slack() | Apprise():
            if not held:
                yield " or ".join(f'the key "{key}"' for key in KEYS[spec.type])
    yield from (f'the key "{key}"' for key in needed if key not in held)


def _wrong(spec: ProviderSpec, held: Mapping[str, str]) -> Iterator[str]:
    """What is there and can't be used."""
    ca = spec.smtp.ca_bundle_key if spec.smtp else None
    for key, value in held.items():
        if key not in MANY_LINES and key != ca and not value.isprintable():
            yield f'the key "{key}" must be one line of printable characters'
    if ca and not _certificates(held[ca]):
        yield f'the key "{ca}" holds no certificates in PEM'
    if SERVICE_ACCOUNT in held and (lacks := _service_account(held[SERVICE_ACCOUNT], spec)):
        yield f'the key "{SERVICE_ACCOUNT}" {lacks}'
    if "webhook-url" in held and not _is_url(held["webhook-url"]):
        yield 'the key "webhook-url" must be an http or https URL'
    if spec.telegram is not None and not BOT_TOKEN.fullmatch(held["bot-token"]):
        yield 'the key "bot-token" holds no token of Telegram\'s, which look like 110201543:AAHdqTcv…'
    if spec.apprise is not None:
        yield from _wrong_urls(spec.apprise, held)


def _certificates(pem: str) -> bool:
    try:
        return bool(load_pem_x509_certificates(pem.encode()))
    except ValueError:
        return False


def _service_account(text: str, spec: ProviderSpec) -> str:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return "is no JSON"
    named = spec.fcm is not None and spec.fcm.project_id
    needed = ("client_email", "private_key", "token_uri", *(() if named else ("project_id",)))
    lacks = [name for name in needed if not isinstance(found, dict) or not isinstance(found.get(name), str)]
    return f"is no service account: it lacks {', '.join(lacks)}" if lacks else ""


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _wrong_urls(apprise: Apprise, held: Mapping[str, str]) -> Iterator[str]:
    names: set[str] = set()
    for key in KEYS["apprise"]:
        try:
            found = list(read_urls(held.get(key, "")))
        except ValueError as error:
            yield f'the key "{key}": {error}'
            continue
        for each in found:
            where = f'line {each.line} of the key "{key}"'
            if each.schema not in apprise.schemas:
                shown = each.schema if len(each.schema) <= 32 and each.schema.isalnum() else "of its URL"
                yield f"{where}: spec.apprise.schemas does not name the schema {shown}"
            elif each.name in names:
                yield f"{where} has the name of another one; give it one of its own, like ops={each.schema}://…"
            names.add(each.name)
