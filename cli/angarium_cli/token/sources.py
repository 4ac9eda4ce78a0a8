"""Where the Secret is: a folder as pods mount it, a manifest as kubectl writes it, or the cluster."""

import base64
import binascii
import sys
from pathlib import Path
from typing import Any

import yaml

from angarium import tokens
from angarium_cli.client import DEV_SECRETS
from angarium_cli.errors import Exit, Failure

GROUP, VERSION = "angarium.dev", "v1alpha1"
TIMEOUT = 15.0  # s, of one call to the API server


def from_dev() -> dict[str, str]:
    """What `angarium dev` wrote below this folder, if it is the only one."""
    found = sorted(path.parent for path in DEV_SECRETS.glob(f"*/{tokens.PRIVATE_KEY}"))
    if not found:
        raise Failure("no Secret: give --secret or --product, or start `angarium dev` in this folder", Exit.USAGE)
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise Failure(f"several Secrets are here, choose one with --secret: {names}", Exit.USAGE)
    return from_path(found[0])


def from_path(path: Path) -> dict[str, str]:
    """A mounted Secret (or one of its files), or a manifest; `-` is a manifest on standard input."""
    try:
        if path.is_dir():
            return _folder(path)
        if path.name in {tokens.PRIVATE_KEY, "api-key"}:
            return _folder(path.parent)
        return _manifest(sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}", Exit.BLOCKED) from None


def _folder(folder: Path) -> dict[str, str]:
    names = (tokens.PRIVATE_KEY, tokens.KEY_ID, tokens.ISSUER)
    return {name: (folder / name).read_text(encoding="utf-8").strip() for name in names if (folder / name).exists()}


def _manifest(text: str, where: str) -> dict[str, str]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        raise Failure(f"{where} is neither YAML nor JSON", Exit.USAGE) from None
    if not isinstance(document, dict) or document.get("kind") != "Secret":
        raise Failure(f"{where} is no Secret, like `kubectl get secret -o yaml` writes", Exit.USAGE)
    return _decoded(document.get("data") or {}) | dict(document.get("stringData") or {})


def _decoded(data: dict[str, Any]) -> dict[str, str]:
    try:
        return {name: base64.b64decode(value, validate=True).decode() for name, value in data.items()}
    except (binascii.Error, UnicodeDecodeError, TypeError):
        raise Failure("the Secret's data is not base64", Exit.USAGE) from None


def from_cluster(kind: str, name: str, namespace: str | None) -> dict[str, str]:
    """By kubectl's kubeconfig and current context: the Secret that the object's status names."""
    import kubernetes
    from kubernetes.config import ConfigException, list_kube_config_contexts, load_kube_config
    from urllib3.exceptions import HTTPError

    try:
        load_kube_config()  # type: ignore[no-untyped-call]  # kubernetes has no types
        if namespace is None:
            _, current = list_kube_config_contexts()  # type: ignore[no-untyped-call]  # likewise
            namespace = str(current["context"].get("namespace", "default"))
        with kubernetes.client.ApiClient() as client:
            custom = kubernetes.client.CustomObjectsApi(client)
            found: dict[str, Any] = custom.get_namespaced_custom_object(  # type: ignore[assignment]  # it says object
                GROUP, VERSION, namespace, f"{kind}s", name, _request_timeout=TIMEOUT
            )
            secret = found.get("status", {}).get("binding", {}).get("name")
            if not secret:
                raise Failure(f"the {kind} {namespace}/{name} has no Secret yet; its conditions say why")
            core = kubernetes.client.CoreV1Api(client)
            return _decoded(core.read_namespaced_secret(secret, namespace, _request_timeout=TIMEOUT).data or {})
    except ConfigException as error:
        raise Failure(f"no cluster: {error}", Exit.USAGE) from None
    except kubernetes.client.ApiException as error:
        raise Failure(f"the cluster says {error.status} {error.reason} for the {kind} {namespace}/{name}") from None
    except HTTPError as error:
        raise Failure(f"the cluster does not answer: {type(error).__name__}", Exit.UNREACHABLE) from None
