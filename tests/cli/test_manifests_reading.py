"""Each mistake in a folder of YAML is named by file, line and field; the rest is read all the same."""

from pathlib import Path

import pytest
from tests.cli.dev_process import callback, product

from angarium_cli.dev.manifests import Reading, read_folder
from angarium_operator.planning import Key

HEAD = "apiVersion: angarium.dev/v1alpha1\nkind: Callback\nmetadata: {name: w, namespace: shop}\n"


def read(folder: Path, text: str) -> Reading:
    (folder / "a.yaml").write_text(text)
    return read_folder(folder)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            HEAD + "spec:\n  productRef: {name: shop}\n  events: [a]\n  url: ftp://x\n",
            "7: spec.url: must be an http or",
        ),
        (
            HEAD + "spec:\n  productRef: {name: shop}\n  events: [a]\n",
            "4: spec: exactly one of url, serviceRef must be",
        ),
        (HEAD + "spec:\n  url: http://x\n  events: [a]\n", "4: spec: exactly one of productRef, organizationRef"),
        (HEAD + "spec:\n  url: http://x\n  productRef: {name: shop}\n", "4: spec.events: must be set"),
        (
            HEAD + "spec:\n  url: http://x\n  productRef: {name: shop}\n  events:\n  - a\n  - b..c\n",
            "9: spec.events[1]: segments are letters, digits, - and _",
        ),
        (
            HEAD + "spec:\n  url: http://x\n  productRef: {name: shop}\n  events: [a]\n  retries: 3\n",
            "8: spec.retries: there is no such field",
        ),
        (
            HEAD + "spec:\n  productRef: {name: shop}\n  events: [a]\n  serviceRef:\n    name: w\n    port: '80'\n",
            "9: spec.serviceRef.port: Input should be a valid integer",
        ),
        (HEAD.replace("Callback", "Calback"), "1: kind: angarium.dev/v1alpha1 Calback is unknown"),
        (HEAD.replace("v1alpha1", "v2"), "1: kind: angarium.dev/v2 Callback is unknown"),
        ("name: x\n", "1: kind: must be set"),
        ("- x\n", "1: kind: must be set"),
        ("kind: Product\nkind: Product\n", "2: not YAML: 'kind' stands here twice"),
        ("a: [\n", "2: not YAML: "),
        ("a: \x01\n", "1: not YAML: "),
        (product() + product(), "6: metadata.name: this object is declared at"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, problem: str) -> None:
    found = [str(each) for each in read(tmp_path, text).problems]
    assert len(found) == 1, found
    assert found[0].startswith(f"{tmp_path}/a.yaml:{problem}")


def test_what_is_good_beside_it_is_read(tmp_path: Path) -> None:
    reading = read(tmp_path, product() + HEAD.join(("---\n", "---\n")) + callback("good", "http://x"))
    assert set(reading.manifests) == {Key("product", "shop", "shop"), Key("callback", "shop", "good")}
    assert [problem.field for problem in reading.problems] == ["spec"]


def test_times_stay_text_as_for_kubectl(tmp_path: Path) -> None:
    asked = "{name: shop, namespace: shop, annotations: {angarium.dev/rotate-requested-at: 2026-11-21T08:00:00Z}}"
    reading = read(tmp_path, product().replace("{name: shop, namespace: shop}", asked))
    [manifest] = reading.manifests.values()
    assert manifest.object.rotation_request == "2026-11-21T08:00:00Z"


def test_lists_namespaces_secrets_and_others(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text(
        "kind: Namespace\napiVersion: v1\nmetadata: {name: shop, labels: {team: a}}\n"
        "---\nkind: Secret\napiVersion: v1\nmetadata: {name: s, namespace: shop}\n"
        "data: {a: YQ==, b: YQ==}\nstringData: {b: c}\n"
        "---\nkind: Service\napiVersion: v1\n---\n"
    )
    items = "".join("  " + line for line in product().removeprefix("---\n").splitlines(keepends=True))
    reading = read(tmp_path, "apiVersion: v1\nkind: List\nitems:\n- " + items[2:])
    assert list(reading.manifests) == [Key("product", "shop", "shop")]
    assert reading.namespaces["shop"]["team"] == "a"
    assert reading.secrets == {("shop", "s"): {"a": "a", "b": "c"}}
    assert reading.skipped == [f"Service at {tmp_path}/b.yml:11"]
    assert not reading.problems


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("data:\n  password: not base64\n", "5: data.password: must be base64; plain text belongs into stringData"),
        ("stringData:\n  port: 25\n", "5: stringData.port: must be text: put it in quotes"),
    ],
)
def test_a_secret_that_kubectl_would_refuse_is_named_without_its_content(
    tmp_path: Path, content: str, problem: str
) -> None:
    reading = read(tmp_path, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n" + content)
    assert [str(each) for each in reading.problems] == [f"{tmp_path}/a.yaml:{problem}"]
    assert not reading.manifests
