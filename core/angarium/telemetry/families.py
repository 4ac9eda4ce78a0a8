"""Gauges for things that come and go: what is gone must not go on being shown."""

from collections.abc import Mapping

from prometheus_client import Gauge


class Family:
    """One gauge, shown for what there is now, by the values of its labels."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._shown: set[tuple[str, ...]] = set()

    def show(self, values: Mapping[tuple[str, ...], float]) -> None:
        """These, and no others."""
        for labels, value in values.items():
            self._gauge.labels(*labels).set(value)
        for gone in self._shown - values.keys():
            self._gauge.remove(*gone)
        self._shown = set(values)
