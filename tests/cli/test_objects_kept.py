"""Objects keep what a server gives them over restarts: uid, generation, status."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.dev_process import callback, product

from angarium_cli.dev.manifests import read_folder
from angarium_cli.dev.objects import Objects
from angarium_cli.errors import Failure
from angarium_operator.planning import Key

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
WAREHOUSE = Key("callback", "shop", "warehouse")


def declare(folder: Path, text: str) -> Objects:
    """What a process that starts now makes of this text and of what the last one kept."""
    yaml = folder / "yaml"
    yaml.mkdir(exist_ok=True)
    (yaml / "a.yaml").write_text(text)
    objects = Objects(folder / "objects.json", "yaml")
    objects.take(read_folder(yaml), NOW)
    return objects


def test_only_a_changed_spec_makes_a_new_generation(tmp_path: Path) -> None:
    text = product() + callback("warehouse", "http://x")
    first = declare(tmp_path, text).by_key[WAREHOUSE]
    again = declare(tmp_path, text).by_key[WAREHOUSE]
    assert again == first
    annotated = declare(tmp_path, text.replace("warehouse,", "warehouse, annotations: {a: b},")).by_key[WAREHOUSE]
    assert (annotated.metadata.generation, annotated.metadata.uid) == (1, first.metadata.uid)
    changed = declare(tmp_path, text.replace("http://x", "http://y")).by_key[WAREHOUSE]
    assert (changed.metadata.generation, changed.metadata.uid) == (2, first.metadata.uid)


def test_a_status_is_kept_and_none_is_taken_from_a_file(tmp_path: Path) -> None:
    text = product() + callback("warehouse", "http://x")
    objects = declare(tmp_path, text + "status: {callbackID: cbk_mine}\n")
    assert objects.by_key[WAREHOUSE].status.callback_id is None  # type: ignore[union-attr]  # a Callback
    objects.set_status(WAREHOUSE, {"callbackID": "cbk_1"})
    objects.save()
    assert declare(tmp_path, text).by_key[WAREHOUSE].status.callback_id == "cbk_1"  # type: ignore[union-attr]  # likewise


def test_nothing_is_removed_while_a_file_is_bad(tmp_path: Path) -> None:
    declare(tmp_path, product() + callback("warehouse", "http://x"))
    assert WAREHOUSE in declare(tmp_path, product() + "---\nkind: [\n").by_key
    assert WAREHOUSE not in declare(tmp_path, product()).by_key


def test_a_damaged_state_is_told_and_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "objects.json").write_text("{")
    objects = declare(tmp_path, product())
    assert len(objects.lost) == 1
    assert len(objects.by_key) == 1


def test_another_source_is_refused(tmp_path: Path) -> None:
    declare(tmp_path, product())
    with pytest.raises(Failure, match="keeps the state of yaml, not of elsewhere"):
        Objects(tmp_path / "objects.json", "elsewhere")
