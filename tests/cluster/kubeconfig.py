"""How to reach an API server: read from a kubeconfig, or written to one."""

import base64
import ssl
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Access:
    """A server and who we are there; certificates and key are PEM."""

    server: str
    authority: str
    certificate: str = ""
    key: str = ""
    token: str = ""

    def with_token(self, token: str) -> "Access":
        """The same server for the bearer of a token alone."""
        return replace(self, certificate="", key="", token=token)

    def tls(self) -> ssl.SSLContext:
        """Trusts the server's authority alone, and shows our certificate if there is one."""
        context = ssl.create_default_context(cadata=self.authority)
        if self.certificate:
            with tempfile.NamedTemporaryFile("w") as file:  # the ssl module takes them from files alone
                file.write(self.certificate + self.key)
                file.flush()
                context.load_cert_chain(file.name)
        return context

    def headers(self) -> dict[str, str]:
        """What a request needs beside the certificate."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}


def write_kubeconfig(path: Path, access: Access) -> None:
    """Appears whole or not at all, readable for us alone."""
    user = {
        "client-certificate-data": _encoded(access.certificate),
        "client-key-data": _encoded(access.key),
        "token": access.token,
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "test",
                "cluster": {"server": access.server, "certificate-authority-data": _encoded(access.authority)},
            }
        ],
        "users": [{"name": "test", "user": {key: value for key, value in user.items() if value}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(yaml.safe_dump(config))
    draft.rename(path)


def read_kubeconfig(path: Path) -> Access:
    """The current context; what needs a plugin to log in is not supported."""
    config = yaml.safe_load(path.read_text())
    context = _named(config, "contexts", "context", config["current-context"])
    cluster = _named(config, "clusters", "cluster", context["cluster"])
    user = _named(config, "users", "user", context["user"])
    return Access(
        cluster["server"],
        authority=_pem(cluster, "certificate-authority", path.parent),
        certificate=_pem(user, "client-certificate", path.parent),
        key=_pem(user, "client-key", path.parent),
        token=user.get("token", ""),
    )


def _named(config: dict[str, Any], many: str, one: str, name: str) -> dict[str, Any]:
    return next(entry[one] for entry in config[many] if entry["name"] == name)


def _pem(entry: dict[str, Any], field: str, folder: Path) -> str:
    if data := entry.get(f"{field}-data"):
        return base64.b64decode(data).decode()
    return (folder / entry[field]).read_text() if field in entry else ""


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
