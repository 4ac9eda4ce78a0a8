"""ServiceAccounts with given rules, and tokens to act as them."""

import asyncio

from tests.cluster.api import Api, Object, collection

RBAC = "rbac.authorization.k8s.io"
SUBJECT_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def grant(account: Object, rules: list[Object]) -> tuple[Object, Object]:
    """The ClusterRole and the binding that give the account these rules."""
    name = f"{account['metadata']['namespace']}-{account['metadata']['name']}"
    base: Object = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": name}}
    binding = {
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount"} | account["metadata"]],
    }
    return base | {"kind": "ClusterRole", "rules": rules}, base | {"kind": "ClusterRoleBinding"} | binding


def grant_within(account: Object, rules: list[Object]) -> tuple[Object, Object]:
    """The Role and the binding that give the account these rules in its own namespace."""
    role, binding = grant(account, rules)
    namespace, name = account["metadata"]["namespace"], f"{account['metadata']['name']}-within"
    metadata = {"namespace": namespace, "name": name}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": name}
    return (
        role | {"kind": "Role", "metadata": metadata},
        binding | {"kind": "RoleBinding", "metadata": metadata, "roleRef": reference},
    )


async def wait_until_granted(api: Api, account: Object, rules: list[Object]) -> None:
    """The authorizer learns of a new binding a moment later."""
    attributes = {
        "group": rules[0]["apiGroups"][0],
        "resource": rules[0]["resources"][0],
        "verb": rules[0]["verbs"][0],
        "namespace": account["metadata"]["namespace"],
    }
    user = "system:serviceaccount:{namespace}:{name}".format(**account["metadata"])
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {"user": user, "resourceAttributes": attributes},
    }
    async with asyncio.timeout(30):
        allowed = False
        while not allowed:
            answer = await api.request("POST", SUBJECT_ACCESS_REVIEWS, json=review)
            allowed = answer["status"]["allowed"]


async def token_of(api: Api, account: Object) -> str:
    """A token of an hour, as a pod of the account would mount it."""
    answer = await api.request(
        "POST",
        f"{collection(account)}/{account['metadata']['name']}/token",
        json={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}},
    )
    token: str = answer["status"]["token"]
    return token
