"""The fixtures themselves: identities with little power, and servers that never outlive the tests."""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.cluster.api import Api, Refused
from tests.cluster.conftest import ROOT, ActAs
from tests.cluster.kubeconfig import read_kubeconfig
from tests.contract.refusals import manifest

RULES = [{"apiGroups": ["angarium.dev"], "resources": ["products"], "verbs": ["get"]}]
USER = """
    import sys, time
    from pathlib import Path
    from tests.cluster.apiserver import shared_api_server
    with shared_api_server(Path(sys.argv[1]), Path(sys.argv[2])) as kubeconfig:
        print(kubeconfig, flush=True)
        time.sleep(600)
"""


async def test_account_has_the_granted_power_alone(
    crds_installed: None, api: Api, namespace: str, act_as: ActAs
) -> None:
    """RBAC is real: what the rules don't name is refused."""
    product = manifest("Product", None, namespace=namespace)
    await api.create(product)
    async with Api(read_kubeconfig(await act_as("reader", rules=RULES))) as reader:
        assert (await reader.get(product))["metadata"]["namespace"] == namespace
        with pytest.raises(Refused) as caught:
            await reader.delete(product)
    assert caught.value.status == 403
    assert f"system:serviceaccount:{namespace}:reader" in caught.value.message


def test_servers_end_when_their_users_are_killed(tmp_path: Path) -> None:
    """kill -9 of all test processes leaves no etcd and no kube-apiserver behind, and the next run starts anew."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        pytest.skip("starts servers of its own, so it needs KUBEBUILDER_ASSETS")
    command: list[str | Path] = [sys.executable, "-c", textwrap.dedent(USER), tmp_path / "cluster", assets]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as user:
        assert user.stdout is not None
        kubeconfig = Path(user.stdout.readline().strip())
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as second:
            assert second.stdout is not None
            assert Path(second.stdout.readline().strip()) == kubeconfig
            user.send_signal(signal.SIGKILL)
            user.wait()
            assert kubeconfig.exists()  # the second user still has it
            second.send_signal(signal.SIGKILL)
    with (tmp_path / "cluster" / "keeper.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the keeper holds it to its end
    assert not (tmp_path / "cluster" / "data").exists()
    assert not kubeconfig.exists()
