"""Variables are what somebody else typed: where a text is markup they must not become part of it.

Else a customer's name could bring a link into an e-mail, or call everybody in a Slack channel (`<!channel>`).
"""

import html
import re

_MARKDOWN = re.compile(r"([_*\[\]()~`>#+\-=|{}.!\\])")  # core.telegram.org/bots/api#markdownv2-style


def escape(channel: str, field: str, mode: str | None, text: str) -> str:
    """A variable's text as it may stand in a field of a channel's content; `mode` is Telegram's parseMode."""
    match channel, field:
        case "email", "html":
            return html.escape(text)
        case "slack", "text" | "blocks":
            return html.escape(text, quote=False)  # &, < and > are all that Slack asks for
        case "telegram", "text" if mode == "HTML":
            return html.escape(text)
        case "telegram", "text" if mode == "MarkdownV2":
            return _MARKDOWN.sub(r"\\\1", text)
        case _:
            return text
