"""The dashboards, from which helm/angarium/files/dashboards/*.json are written (`make dashboards`).

Each query stands beside what its panel means; the JSON around it is the same for all. Nothing here runs in a service.
"""

from angarium.telemetry.dashboards.grafana import document
from angarium.telemetry.dashboards.overview import OVERVIEW
from angarium.telemetry.dashboards.process import PROCESS
from angarium.telemetry.dashboards.product import PRODUCT

DASHBOARDS = (OVERVIEW, PRODUCT, PROCESS)

__all__ = ["DASHBOARDS", "document"]
