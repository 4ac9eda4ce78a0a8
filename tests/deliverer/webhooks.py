"""Attempts at webhooks, for tests of the channel alone."""

import json

from angarium.notifications import Attempt, Notification, Priority, Target
from angarium.records import CallbackRecord
from angarium.signing import Signer, generate_hmac_key

SIGNER = Signer([generate_hmac_key()])
ID = "dlv_01KAH6ABCDEFGHJKMNPQRSTV00_1"
CREATED = 1_763_692_800_000


def event(body: object = None) -> Attempt:
    """The first try of a delivery of this body."""
    target = Target("cbk_0", "shop/warehouse")
    notification = Notification(
        "not_01KAH6ABCDEFGHJKMNPQRSTV00", "prd_0", "shop/shop", "order.paid",
        json.dumps(body, ensure_ascii=False).encode(), Priority.NORMAL, CREATED, (target,),
    )  # fmt: skip
    return Attempt(ID, notification, target, 1)


def callback(url: str, timeout: float = 20) -> CallbackRecord:
    """One that points there."""
    return CallbackRecord(
        namespace="shop", name="warehouse", id="cbk_0", tenant="prd_0", product_id="prd_0", events=("**",), url=url,
        timeout_s=timeout,
    )  # fmt: skip
