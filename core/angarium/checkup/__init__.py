"""Is what Angarium runs on as it must be? What is found is read here, judged without I/O, and told as items.

Redis is looked at here, since nothing but core speaks to it; Kubernetes by the operator (angarium_operator/doctor).
"""

from angarium.checkup.items import Item, Level, as_json, as_text, exit_code
from angarium.checkup.judging import judge_store
from angarium.checkup.reading import StoreFacts, read_store

__all__ = ["Item", "Level", "StoreFacts", "as_json", "as_text", "exit_code", "judge_store", "read_store"]
