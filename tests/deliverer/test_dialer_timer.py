"""libcurl's timer, which must never fail: it would end the pool."""

import asyncio

from angarium_deliverer.curl_loop import CurlLoop


async def test_a_deadline_may_follow_a_timer_that_is_due_at_once() -> None:
    loop = CurlLoop(1)
    loop._set_timer(asyncio.get_running_loop().time())  # of which uvloop makes a handle that has no time
    loop._set_deadline(1)
    loop._set_deadline(5000)
    assert loop._deadline is not None
    loop.close()
