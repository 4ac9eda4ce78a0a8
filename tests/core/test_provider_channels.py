"""Which channels an account serves follows from its block alone."""

from typing import Any

import pytest

from angarium.resources import ProviderSpec

NUMBER, SERVICE = "+15017122661", "MG" + "0" * 32
BLOCKS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("smtp", {"host": "smtp.example.com", "from": "no-reply@example.com"}, ("email",)),
    ("twilio", {"from": NUMBER}, ("sms",)),
    ("twilio", {"whatsappFrom": NUMBER}, ("whatsapp",)),
    ("twilio", {"from": NUMBER, "whatsappFrom": NUMBER}, ("sms", "whatsapp")),
    ("twilio", {"messagingServiceSid": SERVICE}, ("sms", "whatsapp")),
    ("twilio", {"messagingServiceSid": SERVICE, "from": NUMBER}, ("sms", "whatsapp")),
    ("fcm", {}, ("push",)),
    ("slack", {}, ("slack",)),
    ("telegram", {}, ("telegram",)),
    ("apprise", {"schemas": ["discord"]}, ("apprise",)),
]


@pytest.mark.parametrize(("type_", "block", "channels"), BLOCKS)
def test_channels_follow_from_the_block(type_: str, block: dict[str, Any], channels: tuple[str, ...]) -> None:
    spec = ProviderSpec.model_validate({"productRef": {"name": "shop"}, "secretRef": {"name": "s"}, type_: block})
    assert (spec.type, spec.channels) == (type_, channels)
