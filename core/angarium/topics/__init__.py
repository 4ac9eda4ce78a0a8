"""Topics: what is posted is a few variables, and each integration makes of them what its recipients get. Pure.

The operator renders a topic's examples with the very functions that the gateway renders posts with, so what is wrong
with a template shows when it is applied, before anybody sends.
"""

from angarium.topics.posts import FIRST, Made, Positions, payload_of, read_post, write_post
from angarium.topics.rendering import Rendered, mistakes, render
from angarium.topics.segments import segments
from angarium.topics.variables import Fault, Number, Unfit, read_metadata

__all__ = [
    "FIRST",
    "Fault",
    "Made",
    "Number",
    "Positions",
    "Rendered",
    "Unfit",
    "mistakes",
    "payload_of",
    "read_metadata",
    "read_post",
    "render",
    "segments",
    "write_post",
]
