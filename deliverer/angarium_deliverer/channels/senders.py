"""Which sender belongs to which type of provider. Another channel is a file beside this one, and a line here."""

from angarium_deliverer.channels import Account, Make, Sender, Way
from angarium_deliverer.channels.apprise import Apprise
from angarium_deliverer.channels.fcm import Fcm
from angarium_deliverer.channels.slack import Slack
from angarium_deliverer.channels.smtp import Smtp
from angarium_deliverer.channels.telegram import Telegram


def _twilio(account: Account, way: Way) -> Sender:
    from angarium_deliverer.channels.twilio import Twilio  # its package takes 33 MiB: only where it is needed

    return Twilio(account, way)


SENDERS: dict[str, Make] = {
    "apprise": Apprise,
    "fcm": Fcm,
    "slack": Slack,
    "smtp": Smtp,
    "telegram": Telegram,
    "twilio": _twilio,
}


def make_sender(account: Account, way: Way) -> Sender:
    """The sender of an account; raises ValueError where this deliverer can't use it."""
    make = SENDERS.get(account.record.type)
    if make is None:
        raise ValueError(f"this deliverer knows no provider of type {account.record.type}")
    return make(account, way)
