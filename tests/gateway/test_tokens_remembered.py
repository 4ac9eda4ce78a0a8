"""Verifying without a server: what is remembered, for how long, and that nothing one may send is more than a 401."""

import time
from typing import Any

import jwt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.gateway.issuing import claims, part, signing_key, token
from tests.gateway.records import product

from angarium import apikeys, tokens
from angarium.egress import EgressPolicy
from angarium_gateway import tokens as gateway_tokens
from angarium_gateway.directory import Directory
from angarium_gateway.fetching import Fetcher
from angarium_gateway.issuers import Issuers
from angarium_gateway.problems import Problem
from angarium_gateway.tokens import Tokens, scopes_of

KEY = apikeys.mint()


def knowing(*keys: Any) -> tuple[Directory, Tokens]:
    """A directory with the shop, and what checks its tokens."""
    directory = Directory()
    directory.apply({"product/shop/shop": product(KEY, keys=keys or (signing_key(KEY),))})
    return directory, Tokens(directory, Issuers(directory.issuers, Fetcher(EgressPolicy())))


def caller(checker: Tokens, text: str) -> Any:
    return checker.caller(text, apikeys.digest(text))


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was checked."""
    checked: list[str] = []
    decode = jwt.decode

    def noted(text: str, *more: Any, **named: Any) -> Any:
        checked.append(text)
        return decode(text, *more, **named)

    monkeypatch.setattr(jwt, "decode", noted)
    return checked


def test_a_signature_is_checked_once(checks: list[str]) -> None:
    directory, checker = knowing()
    text = token(KEY)
    assert caller(checker, text) is caller(checker, text)
    assert checks == [text]
    directory.apply({"product/shop/shop": product(KEY, keys=(signing_key(KEY),), backlog=5)})
    assert caller(checker, text).tenant.backlog == 5
    assert checks == [text, text]


def test_nothing_is_remembered_beyond_its_end(checks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, checker = knowing()
    text, now = token(KEY), time.time()
    caller(checker, text)
    monkeypatch.setattr(time, "time", lambda: now + 601)
    caller(checker, text)  # by the leeway
    caller(checker, text)
    assert len(checks) == 3


def test_nothing_is_remembered_beyond_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    _, checker = knowing(signing_key(KEY, expires_ms=int(now * 1000) + 60_000))
    text = token(KEY)
    caller(checker, text)
    monkeypatch.setattr(time, "time", lambda: now + 61)
    with pytest.raises(Problem, match="credentials"):
        caller(checker, text)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_tokens, "REMEMBERED", 3)
    _, checker = knowing()
    for number in range(10):
        caller(checker, token(KEY, claims(sub=str(number))))
    assert len(checker._known) == 3


def test_a_caller_shows_no_token() -> None:
    _, checker = knowing()
    text = token(KEY)
    assert text[-30:] not in repr(caller(checker, text))
    assert tokens.token_key(KEY.text).private not in repr(tokens.token_key(KEY.text))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(KEY.id),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
CLAIMS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("iss", "aud", "sub", "iat", "exp", "nbf", "scope", "scp", "jti"), JSON)
)


@given(said=CLAIMS)
@settings(max_examples=300, deadline=None)
def test_signed_claims_of_any_shape_end_in_a_caller_or_a_problem(said: dict[str, Any]) -> None:
    _, checker = knowing()
    try:
        text = token(KEY, claims() | said)
    except (TypeError, ValueError):
        return  # PyJWT makes no such token
    status = 401
    try:
        assert caller(checker, text).tenant.id == "prd_shop"
    except Problem as problem:
        status = problem.kind.status
    assert status == 401


@given(parts=st.lists(JSON.map(part) | st.text("abc-_=AZ09", max_size=20), min_size=3, max_size=3))
@settings(max_examples=300, deadline=None)
def test_whatever_else_is_sent_ends_in_a_problem(parts: list[str]) -> None:
    _, checker = knowing()
    with pytest.raises(Problem) as caught:
        caller(checker, ".".join(parts))
    assert caught.value.kind.status == 401


@given(place=st.integers(0), other=st.integers(1, 255))
@settings(max_examples=200, deadline=None)
def test_no_byte_can_be_another(place: int, other: int) -> None:
    _, checker = knowing()
    text = token(KEY)
    place %= text.rindex(".")  # of a signature's last character some bits mean nothing
    changed = chr((ord(text[place]) + other) % 128)
    assume(changed != text[place])
    with pytest.raises(Problem):
        caller(checker, text[:place] + changed + text[place + 1 :])


@pytest.mark.parametrize(
    ("said", "may"),
    [
        ({"scope": "send read"}, {"send", "read"}),
        ({"scope": "openid angarium:send mail.send x:admin"}, {"send"}),
        ({"scp": ["read", "admin", 7, None]}, {"read", "admin"}),
        ({"scp": "send"}, {"send"}),
        ({"scope": "", "scp": "admin"}, set()),
        ({"scope": 5}, set()),
        ({}, set()),
    ],
)
def test_scopes_are_read_from_scope_or_scp(said: dict[str, Any], may: set[str]) -> None:
    assert scopes_of(said) == may
