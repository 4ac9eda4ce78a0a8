"""Finding one's way among rendered objects."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

CHART = Path(__file__).parents[2] / "helm/angarium"
Object = dict[str, Any]
Objects = list[Object]
Render = Callable[..., Objects]


def of_kind(objects: Iterable[Object], kind: str) -> list[Object]:
    """All of a kind."""
    return [found for found in objects if found["kind"] == kind]


def one(objects: Iterable[Object], kind: str, name: str) -> Object:
    """The one of that kind and name."""
    (found,) = [found for found in of_kind(objects, kind) if found["metadata"]["name"] == name]
    return found


def pods(objects: Iterable[Object]) -> dict[str, Object]:
    """Pod templates by component."""
    owners = [found for found in objects if found["kind"] in ("Deployment", "StatefulSet")]
    return {each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]["template"] for each in owners}


def container(pod: Object) -> Object:
    """Its only container."""
    (found,) = pod["spec"]["containers"]
    return dict(found)


def environment(pod: Object) -> dict[str, Any]:
    """Plain values of its environment."""
    return {each["name"]: each.get("value") for each in container(pod)["env"]}
