"""What a caller may have changed about a Callback, and what follows from it for the object. Pure.

A gateway is believed in who asks, and in nothing else: what may be set, where, and whose it becomes is judged here.
"""

from typing import Any, NamedTuple

from pydantic import ValidationError

from angarium.edits import API, MADE_BY, MEMBERS, REQUEST, REQUESTED_BY, Edit, EditError, Refusal
from angarium.identifiers import resource_id
from angarium.records import CallbackRecord
from angarium.resources import API_VERSION, Callback, Organization, Product, problems
from angarium.resources.meta import ENABLE
from angarium_operator.planning.addresses import refusal
from angarium_operator.planning.disabling import disabled
from angarium_operator.planning.records import callback_record
from angarium_operator.planning.references import Resolved, resolve
from angarium_operator.planning.snapshot import Key, Snapshot, references

Object = dict[str, Any]
MOST_CALLBACKS = 100  # of a tenant, where no quota says otherwise
GONE = "there is no such callback"
GITOPS = "it was not made through the API; change it where it is declared"


class EditRefused(Exception):
    """Asking again won't help, unless something else changes first."""

    def __init__(self, refused: Refusal, detail: str = "", errors: tuple[EditError, ...] = ()) -> None:
        super().__init__(refused)
        self.refused, self.detail, self.errors = refused, detail, errors


class Caller(NamedTuple):
    """For whom an edit is asked."""

    key: Key
    owner: Product | Organization
    resolved: Resolved
    product: Product


def caller_of(snapshot: Snapshot, edit: Edit) -> Caller:
    """Who asks; raises EditRefused where it may not."""
    key = Key.parse(edit.owner)
    owner = snapshot.objects.get(key)
    if not isinstance(owner, Product | Organization) or _tenant(owner) != edit.tenant:
        raise EditRefused("forbidden", "the product or organization of this key is gone")
    resolved = resolve(snapshot, key, owner)
    if resolved.product is None:
        raise EditRefused("forbidden", resolved.verdict.message)
    if resolved.product.spec.api.callbacks == "Forbidden":
        raise EditRefused("forbidden", "the product does not allow it (spec.api.callbacks)")
    return Caller(key, owner, resolved, resolved.product)


def _tenant(owner: Product | Organization) -> str:
    return resource_id("prd" if isinstance(owner, Product) else "org", owner.metadata.uid)


def new_callback(snapshot: Snapshot, edit: Edit, caller: Caller) -> Object:
    """The object to create: in the namespace of its owner, and for nobody else."""
    made = sum(each.metadata.labels.get(MADE_BY) == API for each in snapshot.callbacks_of(caller.key))
    quota = caller.owner.spec.quotas.callbacks
    most = MOST_CALLBACKS if quota is None else quota
    if made >= most:
        raise EditRefused("quota", f"{most} callbacks may be made through the API; delete one first")
    _require_members(edit)
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "Callback",
        "metadata": {
            "name": edit.name,
            "namespace": caller.key.namespace,
            "labels": {MADE_BY: API},
            "annotations": {REQUEST: edit.id, REQUESTED_BY: edit.by},
        },
        "spec": edit.members | {f"{caller.key.kind}Ref": {"name": caller.key.name}},
    }
    checked(snapshot, manifest)
    return manifest


def made_by(found: Object, edit: Edit) -> bool:
    """Whether this very edit has made the object before: its operator was killed, or its answer lost."""
    return bool((found["metadata"].get("annotations") or {}).get(REQUEST) == edit.id) and is_api_made(found)


def is_api_made(found: Object) -> bool:
    """Whether the API may change it. Who takes the label away has taken the object over."""
    return bool((found["metadata"].get("labels") or {}).get(MADE_BY) == API)


def own(found: Object | None, caller: Caller) -> Object:
    """The object, if it is the caller's and the API's; raises EditRefused. Others' look as if they weren't there."""
    callback = read(found) if found is not None else None
    if found is None or callback is None or caller.key not in references(Key.of(callback), callback):
        raise EditRefused("not_found", GONE)
    if not is_api_made(found):
        raise EditRefused("gitops", GITOPS)
    return found


def change(snapshot: Snapshot, edit: Edit, found: Object) -> Object:
    """The merge patch to send: of this very version, so that nothing happens to an object that is another by now."""
    _require_members(edit)
    metadata = {name: found["metadata"][name] for name in ("uid", "resourceVersion")}
    patch: Object = {"metadata": metadata, "spec": edit.members}
    if edit.enable:
        patch["metadata"]["annotations"] = {ENABLE: edit.id}
    checked(snapshot, merged(found, {"spec": edit.members}))
    return patch


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _require_members(edit: Edit) -> None:
    """Where requests go inside the cluster, and which Secret is written, is the platform's to say."""
    names = [(name, f"/{name}") for name in edit.members if name not in MEMBERS]
    signing = edit.members.get("signing")
    if isinstance(signing, dict) and "secretName" in signing:
        names.append(("secretName", "/signing/secretName"))
    if names:
        raise EditRefused("invalid", errors=tuple(EditError(pointer=at, detail="can't be set here") for _, at in names))


def checked(snapshot: Snapshot, manifest: Object) -> Callback:
    """As the API server will; and an address that nobody may dial is refused here and now."""
    try:
        callback = Callback.model_validate(manifest)
    except ValidationError as error:
        raise EditRefused("invalid", errors=tuple(_error(each.at, each.message) for each in problems(error))) from None
    policy = snapshot.policy
    refused = refusal(callback.spec.url or "", policy.allowed, policy.denied, allow_private=policy.allow_private)
    if refused is not None:
        raise EditRefused("invalid", errors=(EditError(pointer="/url", detail=refused),))
    return callback


def refused_by_server(message: str, causes: tuple[tuple[str, str], ...]) -> EditRefused:
    """What the API server found, in its own words; `causes` are (`spec.url`, message)."""
    errors = tuple(_error(tuple(field.replace("[", ".").replace("]", "").split(".")), said) for field, said in causes)
    return EditRefused("invalid", "" if errors else message, errors)


def _error(at: tuple[str | int, ...], message: str) -> EditError:
    """A field of the object as a member of the body: `spec.url` is /url, `metadata.name` is /name."""
    below = at[1:] if at and at[0] in ("spec", "metadata") else at
    return EditError(
        pointer="".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in below), detail=message
    )


def read(found: Object) -> Callback | None:
    """The object, or None where it can't be read."""
    try:
        return Callback.model_validate(found)
    except ValidationError:
        return None


def told(snapshot: Snapshot, found: Object, caller: Caller) -> CallbackRecord | None:
    """The callback as its caller is told of it: as gateways will know it, but for the keys."""
    callback = read(found)
    if callback is None:
        return None
    reason = disabled(snapshot, callback, caller.product) or ""
    return callback_record(callback, caller.resolved, caller.product, "", reason)
