"""Whether an object is on its way or stuck, in the two conditions that tools which wait for anybody's objects look for.

kstatus (kubectl's cli-utils, Flux, Argo CD by its script) can't tell from `Ready=False` alone whether to go on waiting.
So `Reconciling` is there while what is missing may come by itself or with other objects of the same release, and
`Stalled` where nothing will come: a person must change this very object, or take away what stands in its way. Neither
is there otherwise, and never both.
"""

from collections.abc import Mapping

from angarium_operator.planning.verdicts import Verdict, yes

STUCK = frozenset({"SecretConflict"})  # beside all that is not accepted


def progress(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """At most one of `Reconciling` and `Stalled`; none for what is ready, and for kinds that never say Ready."""
    ready = verdicts.get("Ready")
    if ready is None or ready.good:
        return {}
    stuck = next((verdict for type_, verdict in verdicts.items() if _is_stuck(type_, verdict)), None)
    if stuck is not None:
        return {"Stalled": yes(stuck.reason, stuck.message)}
    return {"Reconciling": yes(ready.reason, ready.message)}


def _is_stuck(type_: str, verdict: Verdict) -> bool:
    return verdict.status == "False" and (type_ == "Accepted" or verdict.reason in STUCK)
