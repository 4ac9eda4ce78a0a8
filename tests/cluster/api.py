"""The few verbs that tests need of a Kubernetes API, for any kind, over HTTP; no client library stands between.

Objects are dicts as in YAML. A refusal is an exception that carries the server's own words.
"""

from types import TracebackType
from typing import Any, Self

import httpx
from tests.cluster.kubeconfig import Access

CLUSTER_SCOPED = {"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}

Object = dict[str, Any]


class Refused(Exception):
    """The API server said no; `status` is the HTTP status, the text its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Api:
    """A client for one identity."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.client = httpx.AsyncClient(
            base_url=access.server, verify=access.tls(), headers=access.headers(), timeout=30, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.client.aclose()

    async def create(self, manifest: Object, *, dry_run: bool = False) -> Object:
        """POST; unknown fields are refused, as kubectl does."""
        query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return await self.request("POST", collection(manifest), params=query, json=manifest)

    async def get(self, manifest: Object) -> Object:
        """Read the object that the manifest names."""
        return await self.request("GET", path(manifest))

    async def list_all(self, manifest: Object, **query: str) -> list[Object]:
        """All of the manifest's kind and namespace; `query` as in the API (`fieldSelector`)."""
        answer = await self.request("GET", collection(manifest), params=query)
        items: list[Object] = answer["items"]
        return items

    async def replace(self, manifest: Object) -> Object:
        """PUT; it needs the resourceVersion that was read."""
        return await self.request("PUT", path(manifest), params={"fieldValidation": "Strict"}, json=manifest)

    async def apply(self, manifest: Object, *, manager: str = "tests", subresource: str = "") -> Object:
        """Server-side apply, taking over what others manage."""
        return await self.request(
            "PATCH",
            path(manifest) + (f"/{subresource}" if subresource else ""),
            params={"fieldManager": manager, "force": "true", "fieldValidation": "Strict"},
            headers={"content-type": "application/apply-patch+yaml"},
            json=manifest,
        )

    async def patch(self, manifest: Object, change: Object, *, subresource: str = "") -> Object:
        """Merge the change into the object that the manifest names; None removes."""
        return await self.request(
            "PATCH",
            path(manifest) + (f"/{subresource}" if subresource else ""),
            params={"fieldValidation": "Strict"},
            headers={"content-type": "application/merge-patch+json"},
            json=change,
        )

    async def delete(self, manifest: Object) -> None:
        """Delete the object that the manifest names."""
        await self.request("DELETE", path(manifest))

    async def table(self, manifest: Object) -> tuple[list[Object], list[list[Any]]]:
        """What `kubectl get` shows of the object: column definitions and rows of cells."""
        headers = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        answer = await self.request("GET", path(manifest), headers=headers)
        return answer["columnDefinitions"], [row["cells"] for row in answer["rows"]]

    async def request(self, method: str, url: str, **options: Any) -> Object:
        """Any request; raises Refused for 4xx and 5xx."""
        response = await self.client.request(method, url, **options)
        if response.is_error and "json" not in response.headers.get("content-type", ""):
            raise Refused(response.status_code, response.text)
        body: Object = response.json()
        if response.is_error:
            raise Refused(response.status_code, body.get("message", response.text))
        return body


def collection(manifest: Object) -> str:
    """The path of the manifest's kind in its namespace."""
    version, kind = manifest["apiVersion"], manifest["kind"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = "" if kind in CLUSTER_SCOPED else f"/namespaces/{manifest['metadata'].get('namespace', 'default')}"
    return f"{base}{namespace}/{_plural(kind)}"


def path(manifest: Object) -> str:
    """The path of the object that the manifest names."""
    return f"{collection(manifest)}/{manifest['metadata']['name']}"


def _plural(kind: str) -> str:
    lower = kind.lower()
    if lower.endswith("y") and lower[-2] not in "aeiou":
        return f"{lower[:-1]}ies"
    return f"{lower}es" if lower.endswith("s") else f"{lower}s"
