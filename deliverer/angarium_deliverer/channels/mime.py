"""An e-mail as it goes over the wire (RFC 5322, MIME)."""

import base64
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr

from angarium.contents import Email
from angarium_deliverer.channels import Message

SEVEN_BITS = SMTP.clone(cte_type="7bit")  # which every server on the way takes
_BREAK = re.compile(r"[\x00-\x1f\x7f]")  # the package decodes encoded words (RFC 2047), whatever is in them


def compose(content: Email, message: Message, sender: str, reply_to: str | None) -> EmailMessage:
    """The same bytes in each attempt; raises ValueError for what can't be a header."""
    mail = EmailMessage(policy=SEVEN_BITS)
    name, address = parseaddr(sender)
    mail["From"] = formataddr((name, address)) if name else address
    mail["To"] = message.to
    mail["Subject"] = content.subject
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.created_ms // 1000, UTC))
    mail["Message-ID"] = f"<{message.id}@{address.rpartition('@')[2] or 'angarium.invalid'}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notices, please
    if answer_to := content.reply_to or reply_to:
        mail["Reply-To"] = answer_to
    if content.list_unsubscribe:
        mail["List-Unsubscribe"] = f"<{content.list_unsubscribe}>"
        if content.list_unsubscribe.startswith("https:"):
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if content.receipt == "read":
        mail["Disposition-Notification-To"] = content.reply_to or reply_to or address
    for header, value in content.headers.items():
        mail[header] = value
    if broken := next((name for name, value in mail.items() if _BREAK.search(str(value))), None):
        raise ValueError(f"{broken} holds the end of a line")
    _fill(mail, content)
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"={message.id}={number}")
    return mail


def _fill(mail: EmailMessage, content: Email) -> None:
    if content.text:
        mail.set_content(content.text)
        if content.html:
            mail.add_alternative(content.html, subtype="html")
    else:
        mail.set_content(content.html, subtype="html")
    for attachment in content.attachments:
        kind, _, subtype = attachment.content_type.partition("/")
        mail.add_attachment(
            base64.b64decode(attachment.content), maintype=kind, subtype=subtype, filename=attachment.filename
        )
