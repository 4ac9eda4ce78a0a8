"""Why something has not been delivered: facts are gathered from Redis and config, then judged without I/O."""

from angarium_gateway.why.judging import judge
from angarium_gateway.why.whole import judge_unmatched, judge_whole

__all__ = ["judge", "judge_unmatched", "judge_whole"]
