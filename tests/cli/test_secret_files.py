"""Secrets as files: each where a pod would see it, and nobody else's touched."""

from pathlib import Path

from angarium_cli.dev.secrets import SecretFiles
from angarium_operator.planning import OwnerReference, SecretContent
from angarium_operator.planning.snapshot import SecretName


def content(namespace: str, uid: str, **data: str) -> SecretContent:
    return SecretContent(namespace, "keys", "t", OwnerReference("Product", "shop", uid), data)


def test_the_same_name_in_two_namespaces_is_two_folders(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path)
    files.write(content("a", "u1", key="1"))
    files.write(content("b", "u2", key="2"))
    assert (tmp_path / "keys/key").read_text() == "1"
    assert (tmp_path / "keys.b/key").read_text() == "2"
    found = files.read().managed
    assert found[SecretName("a", "keys")].data == {"key": "1"}
    assert found[SecretName("b", "keys")].owners == ("u2",)
    files.remove_owned_by("u1")
    assert list(files.read().managed) == [SecretName("b", "keys")]
    assert files.folder("b", "keys") == tmp_path / "keys.b"


def test_what_is_no_longer_wanted_goes_and_what_a_person_added_stays(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path)
    files.write(content("a", "u", key="1", previous="0"))
    (tmp_path / "keys/mine").write_text("x\n")
    files.write(content("a", "u", key="1"))
    assert files.read().managed[SecretName("a", "keys")].data == {"key": "1", "mine": "x"}


def test_a_folder_that_a_person_made_is_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    files = SecretFiles(tmp_path)
    assert files.read().foreign == {}
    (tmp_path / "keys/key").write_text("x")
    assert files.read().foreign == {"keys": {"key": "x"}}
    assert files.read().given(SecretName("a", "keys")) == {"key": "x"}
    (tmp_path / "keys.a").mkdir()
    (tmp_path / "keys.a/key").write_text("of a\n")
    assert files.read().given(SecretName("a", "keys")) == {"key": "of a"}
    assert files.read().given(SecretName("b", "keys")) == {"key": "x"}
    assert files.read().given(SecretName("b", "others")) is None
