"""A real kube-apiserver and its etcd for a run of tests, shared by all xdist workers, gone with the last of them.

Each test process holds a shared lock on `users.lock`; the keeper, a process of its own that starts the servers, waits
for the exclusive lock and so learns from the kernel when nobody is left, be it by the end of the tests, Ctrl-C or
kill -9 of them all. It then ends the servers and forgets their data. Nothing is counted, so no count can be wrong.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import httpx
import trustme

if not __package__:  # run as a script, by `_start_keeper`
    sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.cluster.kubeconfig import Access, write_kubeconfig
from tests.ports import free_port

START_SECONDS = 60
AUDIT_LOG = "audit.log"  # in the folder, beside the kubeconfig
AUDIT_POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:  # what ServiceAccounts do, with the content of what they write; the tests' own admin is left out
- {level: Request, userGroups: ["system:serviceaccounts"], verbs: [create, update, patch, delete, deletecollection]}
- {level: Metadata, userGroups: ["system:serviceaccounts"]}
- {level: None}
"""
TRIES = 3  # a free port may be taken before the server has it


@contextlib.contextmanager
def shared_api_server(folder: Path, assets: Path) -> Iterator[Path]:
    """The admin kubeconfig of the server that all processes with the same `folder` share."""
    folder.mkdir(parents=True, exist_ok=True)
    kubeconfig = folder / "admin.kubeconfig"
    with _locked(folder / "users.lock", fcntl.LOCK_SH):
        with _locked(folder / "start.lock", fcntl.LOCK_EX):
            if not kubeconfig.exists():
                _start_keeper(folder, assets)
        yield kubeconfig


@contextlib.contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    with path.open("w") as file:  # closing it unlocks it
        fcntl.flock(file, kind)
        yield


def _start_keeper(folder: Path, assets: Path) -> None:
    with (folder / "keeper.log").open("w") as log:
        keeper = subprocess.Popen(
            [sys.executable, __file__, folder, assets], stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    assert keeper.stdout is not None
    with keeper.stdout:
        if keeper.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the API server did not start:\n{(folder / 'keeper.log').read_text()[-4000:]}")
    keeper.returncode = 0  # it outlives us by design; without this its Popen would warn


def keep(folder: Path, assets: Path) -> None:
    """Run the servers, say so, and end them when no test process is left."""
    signal.signal(signal.SIGTERM, _exit)
    kubeconfig = folder / "admin.kubeconfig"
    with contextlib.ExitStack() as stack:
        stack.enter_context(_locked(folder / "keeper.lock", fcntl.LOCK_EX))  # one keeper at a time, to its very end
        stack.callback(kubeconfig.unlink, missing_ok=True)
        write_kubeconfig(kubeconfig, stack.enter_context(_servers(folder, assets)))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        with _locked(folder / "users.lock", fcntl.LOCK_EX):
            kubeconfig.unlink()


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _servers(folder: Path, assets: Path) -> Iterator[Access]:
    data = folder / "data"
    for left in reversed(range(TRIES)):
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, data, ignore_errors=True)
            access = _start_servers(stack, folder, data, assets)
            if access is not None:
                yield access
                return
        sys.stderr.write(f"servers did not become ready, {left} tries left\n")
    raise SystemExit((folder / "kube-apiserver.log").read_text()[-3000:])


def _start_servers(stack: contextlib.ExitStack, folder: Path, data: Path, assets: Path) -> Access | None:
    data.mkdir(parents=True)
    etcd_port, peer_port, port = free_port(), free_port(), free_port()
    etcd = stack.enter_context(_running(folder, [assets / "etcd", *_etcd_flags(data, etcd_port, peer_port)]))
    access, flags = _api_server_flags(data, etcd_port, port)
    flags += _audit_flags(folder)
    server = stack.enter_context(_running(folder, [assets / "kube-apiserver", *flags]))
    return access if _becomes_ready(access, (etcd, server)) else None


@contextlib.contextmanager
def _running(folder: Path, command: list[str | Path]) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()  # its data is thrown away, so there is nothing to finish
        process.wait()


def _etcd_flags(data: Path, port: int, peer_port: int) -> list[str]:
    return [
        f"--data-dir={data / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{port}",
        f"--advertise-client-urls=http://127.0.0.1:{port}",
        f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _api_server_flags(data: Path, etcd_port: int, port: int) -> tuple[Access, list[str]]:
    """The admin's access to it, and its flags; keys and certificates are written to `data`."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    admin = authority.issue_cert("admin@localhost", common_name="admin", organization_name="system:masters")
    certificate, key, trusted = data / "server.crt", data / "server.key", data / "ca.crt"
    server.cert_chain_pems[0].write_to_path(certificate)
    server.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(trusted)
    access = Access(
        f"https://127.0.0.1:{port}",
        authority=authority.cert_pem.bytes().decode(),
        certificate=admin.cert_chain_pems[0].bytes().decode(),
        key=admin.private_key_pem.bytes().decode(),
    )
    return access, [
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={trusted}",
        f"--service-account-signing-key-file={key}",
        f"--service-account-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--endpoint-reconciler-type=none",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",  # no controller makes the default accounts here
        f"--cert-dir={data}",
    ]


def _audit_flags(folder: Path) -> list[str]:
    """Each line is in the log before the next request of the same connection is served."""
    policy = folder / "audit-policy.yaml"
    policy.write_text(AUDIT_POLICY)
    return [f"--audit-policy-file={policy}", f"--audit-log-path={folder / AUDIT_LOG}", "--audit-log-mode=blocking"]


def _becomes_ready(access: Access, processes: tuple[subprocess.Popen[bytes], ...]) -> bool:
    end = time.monotonic() + START_SECONDS
    with httpx.Client(base_url=access.server, verify=access.tls(), timeout=5, trust_env=False) as client:
        while time.monotonic() < end and all(process.poll() is None for process in processes):
            with contextlib.suppress(httpx.TransportError):
                if client.get("/readyz").is_success:
                    return True
            time.sleep(0.1)
    return False


if __name__ == "__main__":
    os.environ.pop("KUBECONFIG", None)
    keep(Path(sys.argv[1]), Path(sys.argv[2]))
