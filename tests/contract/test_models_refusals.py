"""The models refuse what the API server refuses, with the same words: `angarium dev` must not promise more."""

import pytest
from pydantic import ValidationError
from tests.contract.refusals import MINIMAL, REFUSALS, Refusal, manifest

from angarium.resources import KINDS, Callback, Problem, Product, problems

MODELS = {model.__name__: model for model in KINDS}


def problems_of(kind: str, spec: object) -> list[Problem]:
    """What the model says of a spec."""
    with pytest.raises(ValidationError) as caught:
        MODELS[kind].model_validate(manifest(kind, MINIMAL[kind]) | {"spec": spec})
    return list(problems(caught.value))


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_model_refuses_with_field_and_message(refusal: Refusal) -> None:
    """One message, and no other beside it, as from the API server."""
    (problem,) = problems_of(refusal.kind, refusal.spec)
    assert problem.field == refusal.field.replace("[x-team]", ".x-team")  # a model can't tell a map from an object
    assert problem.message == refusal.message


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"colour": "red"}, "spec.colour: unknown field"),
        ({"signing": {"key": "x"}}, "spec.signing.key: unknown field"),
        ({"events": None}, "spec.events: is required"),
        ({"events": ["a", "a"]}, "spec.events: must not hold the same value twice"),
        ({"delivery": {"rateLimit": {}}}, "spec.delivery.rateLimit.requests: is required"),
        ({"delivery": {"maxInFlight": "20"}}, "spec.delivery.maxInFlight: Input should be a valid integer"),
        ({"suspend": "yes"}, "spec.suspend: Input should be a valid boolean"),
        (
            {"url": None, "serviceRef": {"name": "a", "port": "80"}},
            "spec.serviceRef.port: Input should be a valid integer",
        ),
    ],
)
def test_what_is_no_rule_is_named_too(change: dict[str, object], problem: str) -> None:
    """Unknown and missing fields, and types that YAML got wrong."""
    assert [str(found) for found in problems_of("Callback", Refusal("Callback", change, "", "").spec)] == [problem]


def test_what_others_add_is_ignored() -> None:
    """Metadata and status belong to Kubernetes and to newer operators too."""
    resource = manifest("Product", None)
    resource["metadata"] |= {
        "managedFields": [{}],
        "labels": None,
        "annotations": {"angarium.dev/rotate-requested-at": "1"},
    }
    product = Product.model_validate(resource | {"spec": None, "status": {"later": 1, "productID": "prd_1"}})
    assert product.metadata.labels == {}
    assert product.rotation_request == "1"
    assert product.status.product_id == "prd_1"


def test_null_is_left_out() -> None:
    """As the API server prunes it: `headers:` with nothing after it, in YAML."""
    nothing = {"headers": None, "delivery": None, "signing": {"type": None}}
    callback = Callback.model_validate(manifest("Callback", MINIMAL["Callback"] | nothing))
    assert callback == Callback.model_validate(manifest("Callback", MINIMAL["Callback"]))
    assert [str(found) for found in problems_of("Callback", None)] == ["spec: is required"]


def test_unset_follows_others() -> None:
    """What a callback leaves out is told apart from what it says, so that the product's word counts."""
    callback = Callback.model_validate(manifest("Callback", MINIMAL["Callback"]))
    assert callback.spec.delivery.timeout is None
    assert callback.spec.delivery.retry.schedule is None
    empty: dict[str, object] = {"delivery": {"retry": {"schedule": []}}}
    assert Callback.model_validate(manifest("Callback", MINIMAL["Callback"] | empty)).spec.delivery.retry.schedule == ()
