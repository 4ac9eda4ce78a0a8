"""The checked-in CRDs are those of the models, and the check says which are not."""

from pathlib import Path

import pytest

from angarium.resources.crds import main

ROOT = Path(__file__).parents[2]
FOLDERS = ("crds", "helm/angarium/files/crds")


def test_checked_in_crds_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    """`make crds` makes them so."""
    code = main(["--check", *(str(ROOT / folder) for folder in FOLDERS)])
    assert (code, capsys.readouterr().err) == (0, "")


@pytest.mark.parametrize("spoil", ["edited", "missing", "left over"])
def test_stale_file_is_named(spoil: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the file to look at."""
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert main(["--write", *folders]) == 0
    assert main(["--check", *folders]) == 0
    file = tmp_path / "b" / "callbacks.angarium.dev.yaml"
    match spoil:
        case "edited":
            file.write_text(file.read_text() + "\n")
        case "missing":
            file.unlink()
        case _:
            file = file.with_name("pigeons.angarium.dev.yaml")
            file.touch()
    assert main(["--check", *folders]) == 1
    assert capsys.readouterr().err == f"{file} is stale: run `make crds`\n"
