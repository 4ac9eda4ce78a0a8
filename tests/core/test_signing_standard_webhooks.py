"""Signatures are read here by another implementation than the one that made them."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from angarium.signing import InvalidSigningKey, Signer, generate_ed25519_key, generate_hmac_key

ID = "dlv_01KAH6ABCDEFGHJKMNPQRSTV00_1"
BODY = '{"type": "order.paid", "data": {"name": "Zoë ✓"}}'.encode()


def now() -> int:
    """The receiver refuses what is older than five minutes."""
    return int(datetime.now(UTC).timestamp())


def received(signature: str, timestamp: int, message_id: str = ID) -> dict[str, str]:
    """The headers as a receiver's library wants them."""
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def verifies_v1a(public: str, signature: str, message: bytes) -> None:
    """Ed25519 as the specification says it, by cryptography alone."""
    raw = base64.b64decode(public.removeprefix("whpk_"))
    Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(signature.removeprefix("v1a,")), message)


def test_an_independent_library_verifies_an_hmac_signature() -> None:
    key, at = generate_hmac_key(), now()
    assert Webhook(key).verify(BODY, received(Signer([key]).sign(ID, at, BODY), at))


def test_a_changed_body_id_or_time_does_not_verify() -> None:
    key, at = generate_hmac_key(), now()
    signature = Signer([key]).sign(ID, at, BODY)
    forged = [
        (BODY + b" ", received(signature, at)),
        (BODY, received(signature, at + 1)),
        (BODY, received(signature, at, "dlv_x")),
    ]
    for body, headers in forged:
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(body, headers)


def test_the_vector_of_the_specification() -> None:
    """Published with the reference implementations: key, id, time, body and the signature they give."""
    signer = Signer(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(
    message_id=st.text("abcXYZ019_-", min_size=1),
    body=st.text(st.characters(codec="utf-8"), max_size=300),
    at=st.integers(0, 2**33),
)
def test_any_id_time_and_body_sign_as_the_reference_does(message_id: str, body: str, at: int) -> None:
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    reference = Webhook(key).sign(message_id, datetime.fromtimestamp(at, UTC), body)
    assert Signer([key]).sign(message_id, at, body.encode()) == reference


def test_cryptography_verifies_an_ed25519_signature() -> None:
    key, at = generate_ed25519_key(), now()
    signature = Signer([key.private]).sign(ID, at, BODY)
    verifies_v1a(key.public, signature, f"{ID}.{at}.".encode() + BODY)
    with pytest.raises(InvalidSignature):
        verifies_v1a(key.public, signature, f"{ID}.{at}.".encode() + BODY + b" ")


def test_every_live_key_signs_and_the_current_one_comes_first() -> None:
    current, previous, pair, at = generate_hmac_key(), generate_hmac_key(), generate_ed25519_key(), now()
    signature = Signer([current, previous, pair.private]).sign(ID, at, BODY)
    first, second, third = signature.split(" ")
    assert first == Signer([current]).sign(ID, at, BODY)
    assert second == Signer([previous]).sign(ID, at, BODY)
    assert third.startswith("v1a,")
    for key in (current, previous):
        assert Webhook(key).verify(BODY, received(signature, at))
    verifies_v1a(pair.public, third, f"{ID}.{at}.".encode() + BODY)


def test_keys_of_the_reference_tools_are_read() -> None:
    """Padding may be missing, and an Ed25519 key may be the private half alone."""
    pair = generate_ed25519_key()
    seed = "whsk_" + base64.b64encode(base64.b64decode(pair.private.removeprefix("whsk_"))[:32]).decode()
    key = generate_hmac_key()
    assert Signer([seed]).sign(ID, 1, BODY) == Signer([pair.private]).sign(ID, 1, BODY)
    assert Signer([key.rstrip("=")]).sign(ID, 1, BODY) == Signer([key]).sign(ID, 1, BODY)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "starts with"),
        ("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "starts with"),
        ("whsec_", "24 to 64 bytes, not 0"),
        ("whsec_" + base64.b64encode(b"short").decode(), "24 to 64 bytes, not 5"),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), "24 to 64 bytes, not 65"),
        ("whsec_?geheim?", "not base64"),
        ("whsk_" + base64.b64encode(b"x" * 33).decode(), "64 bytes"),
        ("whsk_" + base64.b64encode(b"x" * 64).decode(), "another private one"),
        ("whpk_" + base64.b64encode(bytes(32)).decode(), "starts with"),
    ],
)
def test_a_bad_key_is_refused_in_words_that_do_not_hold_it(key: str, says: str) -> None:
    with pytest.raises(InvalidSigningKey, match=says) as refusal:
        Signer([generate_hmac_key(), key])
    assert key.partition("_")[2] == "" or key.partition("_")[2] not in str(refusal.value)


def test_no_keys_at_all_are_refused() -> None:
    with pytest.raises(InvalidSigningKey):
        Signer([])


def test_an_id_with_a_dot_is_refused() -> None:
    with pytest.raises(ValueError, match="dot"):
        Signer([generate_hmac_key()]).sign("a.b", 1, b"")


def test_secrets_do_not_show() -> None:
    pair, key = generate_ed25519_key(), generate_hmac_key()
    assert pair.private not in f"{pair!r} {pair}"
    assert key.removeprefix("whsec_") not in repr(Signer([key]))


def test_generated_keys_differ_and_have_their_size() -> None:
    assert generate_hmac_key() != generate_hmac_key()
    assert len(base64.b64decode(generate_hmac_key().removeprefix("whsec_"))) == 32
    assert len(base64.b64decode(generate_ed25519_key().private.removeprefix("whsk_"))) == 64
