"""Asking the accounts of providers whether they take their credentials: the only requests of ours to the outside.

Each probe goes through the egress guard, takes ten seconds at most, and runs beside everything else.
"""

from angarium_operator.probing.prober import Prober, examine

__all__ = ["Prober", "examine"]
