"""API keys and seals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium import apikeys
from angarium.sealing import Sealer, SealError, generate_seal_key


def test_a_key_is_known_by_its_hash_alone() -> None:
    key, other = apikeys.mint(), apikeys.mint()
    assert apikeys.key_id(key.text) == key.id
    assert apikeys.digest(key.text) == key.sha256 != apikeys.digest(other.text)
    assert key.text not in repr(key)


@given(st.text(max_size=80))
def test_what_is_no_key_names_none(text: str) -> None:
    assert apikeys.key_id(text) is None


def test_a_typing_error_is_told_by_the_checksum() -> None:
    text = apikeys.mint().text
    for position in range(4, len(text)):
        if text[position] != "_":
            changed = text[:position] + ("x" if text[position] != "x" else "y") + text[position + 1 :]
            assert apikeys.key_id(changed) is None


def test_what_is_sealed_opens_with_any_key_at_hand() -> None:
    old, new = generate_seal_key(), generate_seal_key()
    sealed = Sealer([old]).seal(b"hunter2")
    assert Sealer([new, old]).open(sealed) == b"hunter2"
    assert "hunter2" not in sealed
    with pytest.raises(SealError):
        Sealer([new]).open(sealed)
    with pytest.raises(SealError):
        Sealer([old]).open(sealed[:-4] + "AAAA")


@pytest.mark.parametrize("keys", [[], ["short"], ["A" * 43 + "=", "short"]])
def test_a_malformed_seal_key_is_refused_without_being_shown(keys: list[str]) -> None:
    with pytest.raises(SealError) as caught:
        Sealer(keys)
    assert "short" not in str(caught.value)
