"""Settings: a wrong value ends the process at start and names the variable, never the secret."""

from pathlib import Path

import pytest

from angarium.settings import Settings, load
from angarium_deliverer.settings import DelivererSettings


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("ANGARIUM_REDIS_URL", "http://user:hunter2@x", "must begin with redis://"),
        ("ANGARIUM_REDIS_TIMEOUT", "soon", "valid number"),
        ("ANGARIUM_SHARDS", "0", "greater than or equal to 1"),
        ("ANGARIUM_POD", "a b", "match pattern"),
        ("ANGARIUM_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("ANGARIUM_DELIVERER_SLOTS", "many", "valid integer"),
        ("ANGARIUM_EGRESS_ALLOWED_CIDRS", "10.0.0.0/8,nonsense", "IPv4"),
        ("ANGARIUM_SEAL_KEYS", "hunter2", "32 bytes"),
        ("ANGARIUM_PUBLIC_URL", "notify.example.com", "must be a URL"),
        ("ANGARIUM_PUBLIC_URL", "https://me:hunter2@notify.example.com", "without query and credentials"),
        ("ANGARIUM_PUBLIC_URL", "https://notify.example.com/?a=b", "without query"),
    ],
)
def test_a_wrong_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv("ANGARIUM_SEAL_KEYS", "A" * 43 + "=")
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as ended:
        load(DelivererSettings)
    said = capsys.readouterr().err
    assert ended.value.code == 78
    assert said.startswith(variable)
    assert says in said
    assert "hunter2" not in said


def test_a_missing_seal_key_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(DelivererSettings)
    assert "ANGARIUM_SEAL_KEYS" in capsys.readouterr().err


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("redis://:hunter2@redis:6379/1\n")
    monkeypatch.setenv("ANGARIUM_REDIS_URL_FILE", str(file))
    monkeypatch.delenv("ANGARIUM_REDIS_URL", raising=False)
    loaded = load(Settings)
    assert loaded.redis.url.get_secret_value() == "redis://:hunter2@redis:6379/1"
    assert "hunter2" not in repr(loaded)


def test_a_file_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("ANGARIUM_REDIS_URL_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit):
        load(Settings)
    assert "nowhere" in capsys.readouterr().err
