"""The deliverer: reads what is ready, delivers it through a channel, decides, settles.

`relay.py` is the way of a delivery; `limiter`, `promoter`, `announcer`, `recoverer`,
`listener`, `janitor` and `sampler` are the loops beside it.
"""
