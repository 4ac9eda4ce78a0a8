"""Whether an object is on its way or stuck, in the two conditions that tools which wait for anybody's objects look for.

kstatus (kubectl's cli-utils, Flux, Argo CD by its script) can't tell from `Ready=False` alone whether to go on waiting.
So `Reconciling` is there while what is missing may come by itself or with other objects of the same release, and
`Stalled` where nothing will come: a person must change this very object, or take away what stands in its way. Neither
is there otherwise, and never both.
"""

from collections.abc import Mapping

from angarium_operator.planning.verdicts import Verdict, yes

ENDS = ("Ready", "Complete", "Succeeded")  # what is waited for: a kind has one of them
FINAL = frozenset({"Accepted", "Succeeded"})  # where these are false, waiting won't help
STUCK = frozenset({"SecretConflict"})


def progress(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """At most one of `Reconciling` and `Stalled`; none for what is ready, complete or has succeeded."""
    end = next((verdicts[type_] for type_ in ENDS if type_ in verdicts), None)
    if end is None or end.good:
        return {}
    stuck = next((verdict for type_, verdict in verdicts.items() if _is_stuck(type_, verdict)), None)
    if stuck is not None:
        return {"Stalled": yes(stuck.reason, stuck.message)}
    return {"Reconciling": yes(end.reason, end.message)}


def _is_stuck(type_: str, verdict: Verdict) -> bool:
    return verdict.status == "False" and (type_ in FINAL or verdict.reason in STUCK)
