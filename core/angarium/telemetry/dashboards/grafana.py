"""What Grafana wants of a dashboard, in the few shapes that ours have."""

from dataclasses import dataclass
from typing import Any, Literal

import orjson

COLUMNS = 24
HEIGHT = {"stat": 4, "timeseries": 8, "table": 8}
HERE = 'namespace=~"$namespace"'  # where a query's series come from; `All` matches those without the label as well
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Query:
    """One expression, and what its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """`unit` is one of Grafana's; `width` in columns."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["stat", "timeseries", "table"] = "timeseries"
    width: int = 8
    warn: float | None = None  # from where a stat is red; below it, where `low`
    low: bool = False


@dataclass(frozen=True)
class Variable:
    """Something to choose: the values of a label."""

    name: str
    query: str


@dataclass(frozen=True)
class Dashboard:
    """Rows of panels under titles."""

    uid: str
    title: str
    description: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    variables: tuple[Variable, ...] = ()

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them."""
        return tuple(panel for _, panels in self.rows for panel in panels)


def stat(title: str, description: str, unit: str, expr: str, warn: float | None = None, *, low: bool = False) -> Panel:
    """One number."""
    return Panel(title, description, unit, (Query(expr),), "stat", 4, warn, low)


def series(title: str, description: str, unit: str, *queries: tuple[str, str], width: int = 8) -> Panel:
    """Lines over time; each an expression and a legend."""
    return Panel(title, description, unit, tuple(Query(*query) for query in queries), width=width)


def quantiles(metric: str, labels: str = HERE, by: str = "") -> tuple[tuple[str, str], ...]:
    """Half, nine in ten, 99 of 100 of a histogram."""
    named, also = (f"{{{{{by}}}}} ", f", {by}") if by else ("", "")
    buckets = f"sum by (le{also}) (rate({metric}_bucket{{{labels}}}[$__rate_interval]))"
    return tuple((f"histogram_quantile({q}, {buckets})", f"{named}p{round(q * 100)}") for q in (0.5, 0.9, 0.99))


def document(dashboard: Dashboard) -> str:
    """Its JSON."""
    whole = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["angarium"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "",
        "links": [
            {"type": "dashboards", "tags": ["angarium"], "title": "Angarium", "keepTime": True, "asDropdown": True}
        ],
        "templating": {"list": [_source(), *map(_variable, (NAMESPACE, *dashboard.variables))]},
        "panels": _panels(dashboard),
    }
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode() + "\n"


NAMESPACE = Variable("namespace", "label_values(angarium_build_info, namespace)")


def _source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    placed: list[dict[str, Any]] = []
    y = 0
    for title, panels in dashboard.rows:
        placed.append({"id": len(placed) + 1, "type": "row", "title": title, "gridPos": _at(0, y, COLUMNS, 1)})
        x, y, tallest = 0, y + 1, 0
        for panel in panels:
            height = HEIGHT[panel.kind]
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            placed.append(_panel(panel, len(placed) + 1) | {"gridPos": _at(x, y, panel.width, height)})
            x, tallest = x + panel.width, max(tallest, height)
        y += tallest
    return placed


def _at(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel, number: int) -> dict[str, Any]:
    at_once = panel.kind == "table"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "thresholds": _thresholds(panel)}, "overrides": []},
        "options": {} if panel.kind != "stat" else {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "area"},
        "targets": [
            {
                "refId": chr(ord("A") + n),
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend or "__auto",
                "instant": at_once,
                "format": "table" if at_once else "time_series",
            }
            for n, query in enumerate(panel.queries)
        ],
    }


def _thresholds(panel: Panel) -> dict[str, Any]:
    first, then = ("red", "green") if panel.low else ("green", "red")
    steps: list[dict[str, Any]] = [{"color": first, "value": None}]
    if panel.warn is None:
        steps = [{"color": "text", "value": None}]
    else:
        steps.append({"color": then, "value": panel.warn})
    return {"mode": "absolute", "steps": steps}
