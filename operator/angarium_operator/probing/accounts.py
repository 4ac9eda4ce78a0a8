"""Accounts with an HTTP API that tells whose credentials these are: Twilio, Slack, Telegram."""

from base64 import b64encode
from urllib.parse import quote

from angarium_operator.planning import Probe
from angarium_operator.planning.provider_secrets import BOT_TOKEN
from angarium_operator.planning.verdicts import Verdict, no
from angarium_operator.probing.answers import refused, taken
from angarium_operator.probing.web import Web

TWILIO, SLACK, TELEGRAM = "https://api.twilio.com", "https://slack.com/api", "https://api.telegram.org"
NOT_YET = frozenset({"ratelimited", "request_timeout", "service_unavailable", "fatal_error", "internal_error"})


def _base(probe: Probe, default: str) -> str:
    return str(probe.settings.get("apiUrl", default)).rstrip("/")


async def probe_twilio(probe: Probe, web: Web) -> Verdict:
    """The account itself; with an API key, which may not see it, the list of its messages."""
    held = probe.credentials
    sid = held["account-sid"]
    account = f"{_base(probe, TWILIO)}/2010-04-01/Accounts/{quote(sid, safe='')}"
    key = "api-key-sid" in held
    user, password = (held["api-key-sid"], held["api-key-secret"]) if key else (sid, held["auth-token"])
    basic = b64encode(f"{user}:{password}".encode()).decode()
    url = f"{account}/Messages.json?PageSize=1" if key else f"{account}.json"
    answer = await web.ask("GET", url, headers={"Authorization": f"Basic {basic}"})
    if answer.status in (401, 404):
        return refused(f"Twilio answered {answer.status} {answer.said('message')}")
    if answer.status == 403 and key:
        return Verdict("Unknown", "NotProbeable", "the API key may not list messages, and may send them all the same")
    if answer.status != 200:
        return answer.unexpected("message")
    state = answer.said("status")
    if state not in ("", "active"):
        return no("AccountInactive", f"Twilio says that the account is {state}")
    return taken("Twilio took the API key" if key else "Twilio took the auth token")


async def probe_slack(probe: Probe, web: Web) -> Verdict:
    """`auth.test`, which each token may ask. Slack says no with 200."""
    token = probe.credentials["bot-token"]
    answer = await web.ask("POST", f"{_base(probe, SLACK)}/auth.test", headers={"Authorization": f"Bearer {token}"})
    if answer.body.get("ok") is True:
        return taken(f'Slack knows the bot as "{answer.said("user")}" of "{answer.said("team")}"')
    error = answer.said("error")
    if answer.status == 401 or (answer.status == 200 and error and error not in NOT_YET):
        return refused(f"Slack answered {error or answer.status}")
    return answer.unexpected("error")


async def probe_telegram(probe: Probe, web: Web) -> Verdict:
    """`getMe`. Telegram answers 404 to what is no token at all."""
    token = probe.credentials["bot-token"]
    if not BOT_TOKEN.fullmatch(token):
        return refused("the bot-token is none of Telegram's, which look like 110201543:AAHdqTcv…")
    answer = await web.ask("GET", f"{_base(probe, TELEGRAM)}/bot{token}/getMe")
    if answer.body.get("ok") is True:
        found = answer.body.get("result")
        name = found.get("username") if isinstance(found, dict) else None
        return taken(f"Telegram knows the bot as @{name}")
    if answer.status in (401, 403, 404):
        return refused(f"Telegram answered {answer.status} {answer.said('description')}")
    return answer.unexpected("description")
