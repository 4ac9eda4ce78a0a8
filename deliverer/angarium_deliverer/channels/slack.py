"""Slack: by a bot's token (chat.postMessage), or by an incoming webhook, whose URL says to which channel.

The API answers 200 to almost everything and says in a word whether it did it; a webhook answers with a status and the
word as text. Slack adds words as it likes: one that is not known here may get better, and is nobody's fault.
https://docs.slack.dev/reference/methods/chat.postMessage
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from typing import Any

from angarium.contents import Slack as Content
from angarium.notifications import Outcome, Result
from angarium_deliverer.channels import Account, Message, Way
from angarium_deliverer.channels.apis import LONGEST_SAID, TOO_MANY, Api, Reply, keys, wrong_content
from angarium_deliverer.dialer import DialError

API = "https://slack.com/api"

# The account's: whoever mends its Secret, its scopes or its plan saves the messages that wait.
ACCOUNT = frozenset(
    {
        "access_denied",
        "accesslimited",
        "account_inactive",
        "app_access_restricted",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
        # of webhooks, whose URL is the credential
        "invalid_token",
        "no_active_hooks",
        "no_service",
        "no_service_id",
        "no_team",
        "team_disabled",
    }
)
RECIPIENT = frozenset(
    {
        "cannot_dm_bot",
        "channel_not_found",
        "channel_type_not_supported",
        "is_archived",
        "messages_tab_disabled",
        "method_not_supported_for_channel_type",
        "not_in_channel",
        "restricted_action",
        "restricted_action_non_threadable_channel",
        "restricted_action_read_only_channel",
        "restricted_action_thread_locked",
        "restricted_action_thread_only_channel",
        "user_not_found",
    }
)
CONTENT = frozenset(
    {
        "attachment_payload_limit_exceeded",
        "invalid_arguments",
        "invalid_attachments",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_payload",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "slack_connect_file_link_sharing_blocked",
        "too_many_attachments",
        "too_many_contact_cards",
    }
)
LATER = frozenset(
    {
        "external_channel_migrating",
        "fatal_error",
        "internal_error",
        "message_limit_exceeded",
        "org_login_required",  # while a workspace moves
        "rate_limited",
        "ratelimited",
        "request_timeout",
        "rollup_error",
        "service_unavailable",
        "team_added_to_org",
    }
)
# Of a webhook's own channel, which no sender chose: the provider's to mend.
ITS_CHANNEL = frozenset(
    {
        "action_prohibited",
        "channel_is_archived",
        "channel_not_found",
        "posting_to_general_channel_denied",
        "user_not_found",
    }
)
OF_WEBHOOKS = ACCOUNT | CONTENT | LATER
SHORTEST_KEY = 16  # the key in a webhook's URL has 24 characters; the ids before it are shorter, and no secret


class Slack:
    """Sends as one bot, or to one channel."""

    def __init__(self, account: Account, way: Way) -> None:
        """A token goes before a webhook. Raises ValueError where there is neither."""
        token, webhook = (account.credentials.get(name, "") for name in ("bot-token", "webhook-url"))
        if not token and not webhook:
            raise ValueError("the Secret has neither bot-token nor webhook-url")
        self._by_token = bool(token)
        self._headers = (("authorization", f"Bearer {token}"),) if token else ()
        self._url = f"{account.api_url(API)}/chat.postMessage" if token else webhook
        self._api = Api(way, account.record.timeout_s, (token,) if token else (webhook, *keys(webhook, SHORTEST_KEY)))

    async def send(self, message: Message) -> Outcome:
        """One message to one channel."""
        content = message.content
        if not isinstance(content, Content):
            return wrong_content("it is no message for Slack")
        members: dict[str, Any] = {"text": content.text}
        if content.blocks:
            members["blocks"] = content.blocks
        if self._by_token:
            members["channel"] = message.to
        try:
            reply = await self._api.post(self._url, members, self._headers)
        except DialError as error:
            return self._api.unreached(error)
        return judge(reply) if self._by_token else judge_webhook(reply)

    def retire(self) -> None:
        """Connections are the dialer's."""


def judge(reply: Reply) -> Outcome:
    """What an answer of the API means."""
    if reply.said.get("ok") is True:
        return Outcome(Result.DELIVERED, response=reply.shown(reply.without("message")))
    word = reply.word("error")
    return _meaning(word, _told(word, reply), reply) if word else reply.unexpected()


def judge_webhook(reply: Reply) -> Outcome:
    """What an answer to a webhook means. What is sent by the formats of Slack elsewhere says more than "ok"."""
    if 200 <= reply.status <= 299:
        return Outcome(Result.DELIVERED, response=reply.shown(reply.text))
    word = reply.text.strip()
    if word in ITS_CHANNEL:
        return Outcome(Result.RETRYABLE, f"slack_{word}", f"Slack answered {word}", response=reply.shown(word))
    if word in OF_WEBHOOKS:
        return _meaning(word, f"Slack answered {word}", reply)
    outcome = reply.unexpected()
    if reply.status == 400:  # about what was sent: it will be no better the next time
        outcome.result, outcome.blameless = Result.PERMANENT, True
    return outcome


def _meaning(word: str, detail: str, reply: Reply) -> Outcome:
    response = reply.shown(reply.without("message") if reply.said else reply.text)
    if word in ACCOUNT:
        return Outcome(Result.RETRYABLE, "authentication_failed", detail, response=response)
    if word in RECIPIENT or word in CONTENT:
        return Outcome(Result.PERMANENT, f"slack_{word}", detail, response=response, blameless=True)
    if word in LATER or reply.status == TOO_MANY:
        return Outcome(
            Result.RETRYABLE, f"slack_{word}" if word in LATER else "http_429", detail, reply.after, response
        )
    return Outcome(Result.RETRYABLE, "slack_error", detail, reply.after, response, blameless=True)


def _told(word: str, reply: Reply) -> str:
    """With what Slack says of it besides: the scope that is needed, the argument that is wrong."""
    metadata = reply.said.get("response_metadata")
    messages = metadata.get("messages") if isinstance(metadata, dict) else None
    more = [each for each in messages if isinstance(each, str)] if isinstance(messages, list) else []
    if needed := reply.word("needed"):
        more.append(f"needs {needed}")
    return f"Slack answered {word}{': ' if more else ''}{'; '.join(more)}"[:LONGEST_SAID]
