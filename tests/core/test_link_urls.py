"""What ANGARIUM_REDIS_URL may be, and where each form leads."""

import pytest

from angarium.redis_url import Kind, Place, read_url
from angarium.settings import Settings, load
from angarium.slots import slot_of


def test_a_server() -> None:
    url = read_url("rediss://me:p%40ss@redis:6380/3?ssl_ca_certs=/ca.pem")
    assert (url.kind, url.options["host"], url.options["db"]) == (Kind.SERVER, "redis", 3)
    assert (url.options["password"], url.options["ssl_ca_certs"]) == ("p@ss", "/ca.pem")


def test_a_master_that_sentinels_know() -> None:
    url = read_url("redis+sentinel://me:pw@a,b:26380,[::1]:1/main/2?sentinel_password=sp&sentinel_username=su")
    assert (url.kind, url.master) == (Kind.SENTINEL, "main")
    assert url.places == (Place("a", 26379), Place("b", 26380), Place("::1", 1))
    assert url.options["db"] == 2
    assert (url.options["username"], url.options["password"]) == ("me", "pw")
    assert dict(url.sentinel_options) == {"username": "su", "password": "sp"}


def test_without_their_own_credentials_sentinels_get_none() -> None:
    assert dict(read_url("redis+sentinel://:pw@a/main").sentinel_options) == {}


def test_tls_goes_for_sentinels_too() -> None:
    url = read_url("rediss+sentinel://a/main?ssl_ca_certs=/ca.pem")
    assert url.sentinel_options["ssl_ca_certs"] == "/ca.pem"
    assert url.sentinel_options["connection_class"] is url.options["connection_class"]


def test_a_cluster() -> None:
    url = read_url("redis+cluster://:pw@a:1,b")
    assert (url.kind, url.places, url.options["password"]) == (Kind.CLUSTER, (Place("a", 1), Place("b", 6379)), "pw")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://hunter2@x", "must begin with redis://"),
        ("redis+magic://x", "must begin with redis://"),
        ("unix+cluster://x", "must begin with redis://"),
        ("redis://x:hunter2", "can't be read"),
        ("redis://:hunter2#@x", "can't be read"),
        ("redis://x/hunter2", "number of the database"),
        ("redis://x/0?hunter2=1", "query parameter"),
        ("redis://x:1,y:2/0", "names several hosts"),
        ("redis+sentinel://x:1", "must name the master"),
        ("redis+sentinel://x:1/main/hunter2", "number of the database"),
        ("redis+sentinel://x:hunter2/main", "host:port,host:port"),
        ("redis+sentinel:///main", "host:port,host:port"),
        ("redis+cluster://x:1,", "host:port,host:port"),
        ("redis+cluster://x:1/1", "must not name a database"),
        ("redis+cluster://x:1?db=5", "must not name a database"),
    ],
)
def test_a_bad_url_ends_the_process_at_start_and_does_not_show(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, says: str
) -> None:
    monkeypatch.setenv("ANGARIUM_REDIS_URL", url)
    with pytest.raises(SystemExit):
        load(Settings)
    said = capsys.readouterr().err
    assert said.startswith("ANGARIUM_REDIS_URL: ")
    assert says in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", "ang:{1}:x"), "1"),
        (("EVALSHA", "sha", 2, "ang:{1}:a", "ang:{1}:b", "ang:{2}:c"), "1"),
        (("EVAL", "return 1", 1, b"ang:{1}:a"), "1"),
        (("BLPOP", "ang:{1}:bell", 2.0), "1"),
        (("BLMPOP", 2.0, 1, "ang:{1}:signals:g", "LEFT"), "1"),
        (("XREAD", "COUNT", 500, "BLOCK", 2000, "STREAMS", "ang:{1}:changes", "0-0"), "1"),
        (("XGROUP", "CREATE", "ang:{1}:lane:high", "g", "0"), "1"),
        (("XREVRANGE", "ang:{1}:changes", "+", "-", "COUNT", 1), "1"),
    ],
)
def test_a_command_belongs_to_the_slot_of_its_first_key(command: tuple[str | int, ...], key: str) -> None:
    assert slot_of(command) == slot_of(("GET", key))


@pytest.mark.parametrize("command", [("TIME",), ("INFO", "memory"), ("EVALSHA", "sha", 0, "x"), ("SCRIPT", "FLUSH")])
def test_a_command_without_keys_may_go_anywhere(command: tuple[str | int, ...]) -> None:
    assert slot_of(command) is None
