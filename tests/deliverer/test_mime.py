"""E-mails as they are composed: nothing that a caller writes becomes another header."""

from typing import Any

import pytest

from angarium.contents import Email
from angarium_deliverer.channels import Message
from angarium_deliverer.channels.mime import compose

HIDDEN_BREAK = "=?utf-8?q?=0D=0ABcc:_evil@example.com?="


@pytest.mark.parametrize(
    "members",
    [
        {"subject": HIDDEN_BREAK},
        {"headers": {"X-Ticket": HIDDEN_BREAK}},
        {"list_unsubscribe": f"https://a.example/{HIDDEN_BREAK}"},
        {"subject": "two\u2028lines"},
    ],
)
def test_no_header_is_smuggled_in_by_another(members: dict[str, Any]) -> None:
    content = Email(subject="Order", text="hello").model_copy(update=members)  # past the checks of gateways
    message = Message("dlv_0", "email", "jane@example.com", content, 1, 0)
    with pytest.raises(ValueError, match="line"):
        compose(content, message, "Shop <shop@example.com>", None)
