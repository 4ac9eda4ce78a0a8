"""One delivery: from facts to why it has not been delivered, what happens next and what a person can do. No I/O.

The checks are in the order in which deliverers decide; the first that holds is the cause.
"""

from collections.abc import Callable

from angarium.notifications import DeliveryState
from angarium.payload import instant
from angarium.queue import Place
from angarium.queue.inquiry import DRAINS
from angarium_gateway.why.facts import Facts, Finding, Kind
from angarium_gateway.why.reasons import advice, in_words

LATE_MS = 5_000  # what is due for longer should have been moved
NO_DELIVERER = (
    "see why none runs: `kubectl get pods -A -l app.kubernetes.io/component=deliverer`, then their logs",
    "`angarium-operator doctor` in an operator's pod looks at Redis, pods and config",
)


def judge(facts: Facts) -> Finding:
    """The cause."""
    if facts.delivery.state is not DeliveryState.WAITING:
        return _ended(facts)
    for check in _WAITING:
        finding = check(facts)
        if finding:
            return finding
    return _in_line(facts)


def _ended(facts: Facts) -> Finding:
    delivery = facts.delivery
    if delivery.state is DeliveryState.DELIVERED:
        return _delivered(facts)
    why = in_words(delivery.reason, facts.last.detail if facts.last and not facts.last.status else "")
    do = (*advice(delivery.reason), _redrive(facts))
    if delivery.state is DeliveryState.DEAD:
        used = f"all {delivery.attempts} attempts are used up; the last time " if delivery.attempts > 1 else ""
        return Finding("dead", f"{used}{why}", do=do)
    return Finding("refused", f"it was refused, and no retry would help: {why}", do=do)


def _delivered(facts: Facts) -> Finding:
    delivery = facts.delivery
    counts = delivery.recipients
    at = instant(delivery.changed_ms)
    if counts is None:
        return Finding("delivered", f"it was delivered at {at}, by attempt {delivery.attempts}")
    told = f"the group became {counts.total:,} deliveries: {counts.delivered:,} delivered"
    bad = counts.refused + counts.dead
    if counts.pending:
        return Finding(
            "recipients_pending",
            f"{told}, {bad:,} refused, {counts.pending:,} wait",
            "they are sent as the limits of channels and providers allow",
            do=(f"see one by one: GET /v1/notifications/{facts.notification.id}/recipients?status=pending",),
        )
    if bad:
        see = f"see whom: GET /v1/notifications/{facts.notification.id}/recipients?status=refused"
        return Finding("recipients_refused", f"{told}, {bad:,} refused", do=(see, _redrive(facts)))
    return Finding("delivered", f"{told}")


def _redrive(facts: Facts) -> str:
    return f"then try again: `angarium retry {facts.notification.id}`"


def _in_flight(facts: Facts) -> Finding | None:
    here, delivery = facts.whereabouts, facts.delivery
    if here.place is not Place.FLYING:
        return None
    since = facts.around.now_ms - here.held_ms if here.holder else delivery.changed_ms
    number = f"attempt {delivery.attempts}" if delivery.attempts else "it"
    told = f"{number} is being made by deliverer {here.holder or '(unknown)'} since {instant(since)}"
    if here.holder and here.holder not in facts.around.deliverers:
        if not facts.around.deliverers:
            told = f"{number} was being made by deliverer {here.holder}, which is silent; no other deliverer lives"
            return Finding("no_deliverer", told, "the first deliverer that lives makes it again", do=NO_DELIVERER)
        told = f"{number} was being made by deliverer {here.holder}, which has fallen silent"
        return Finding("deliverer_lost", told, "another deliverer takes it over within seconds, and spends no attempt")
    if facts.outlet.kind is Kind.GROUP:
        return Finding("in_flight", f"{told}: the group's members are found", "its recipients are sent to")
    longest = f"the attempt ends, or is cut short after {facts.outlet.timeout_s:g} s"
    return Finding("in_flight", told, longest, since + round(facts.outlet.timeout_s * 1000))


def _not_yet(facts: Facts) -> Finding | None:
    """What was asked for later. It waits for its time, whatever else may hold it up then."""
    due = facts.whereabouts.at_ms
    asked = facts.notification.due_ms
    if facts.whereabouts.place is not Place.SCHEDULED or facts.delivery.attempts or facts.delivery.reason:
        return None
    if not asked or due > asked or asked <= facts.around.now_ms:
        return None
    return Finding("scheduled", f"it was asked for at {instant(due)} (deliverAt)", "its first attempt is made", due)


def _no_deliverer(facts: Facts) -> Finding | None:
    if facts.around.deliverers:
        return None
    return Finding(
        "no_deliverer", "no deliverer lives, so nothing is sent", "it is sent once one runs", do=NO_DELIVERER
    )


def _unknown_callback(facts: Facts) -> Finding | None:
    outlet = facts.outlet
    if outlet.kind is not Kind.CALLBACK:
        return None
    if not outlet.known:
        if not facts.around.current:
            return Finding("config_pending", "this gateway has not yet heard of its callback", "its config comes")
        return Finding(
            "callback_deleted", "its callback was deleted", "what waits for it is refused (callback_deleted)"
        )
    if outlet.disabled:
        why = in_words(outlet.disabled)
        told = f"its callback is disabled: {why}"
        return Finding(
            "callback_disabled", told, f"what waits for it is refused ({outlet.disabled})", do=_enable(facts)
        )
    if outlet.rejected_by:
        pods = ", ".join(outlet.rejected_by[:3])
        told = f"deliverers can't use the callback's record ({pods}): perhaps they lack the seal key"
        keys = "see that operator and deliverers have the same seal keys; the deliverer's log names the record"
        return Finding("config_rejected", told, "it is tried again every 10 s", do=(keys,))
    return None


def _enable(facts: Facts) -> tuple[str, ...]:
    if facts.outlet.api_made:
        return (f"mend the receiver, then `angarium callbacks activate {facts.outlet.name}`",)
    when = 'angarium.dev/enable-requested-at="$(date -u +%FT%TZ)" --overwrite'
    return (f"mend the receiver, then `kubectl annotate callback {facts.outlet.resource} {when}`",)


def _suspended(facts: Facts) -> Finding | None:
    outlet, owner = facts.outlet, facts.around.suspended
    if owner:
        told, do = f"the {owner} is suspended", f"set spec.suspend of the {owner} to false"
        return Finding("suspended", told, f"it is sent once the {owner} is no longer suspended", do=(do,))
    if outlet.kind is Kind.CALLBACK and (outlet.suspended or facts.whereabouts.limits.most == 0):
        do = f"set spec.suspend to false: `kubectl edit callback {outlet.resource}`"
        if outlet.api_made:
            do = f"`angarium callbacks activate {outlet.name}`"
        told = f"the callback {outlet.name} is suspended"
        return Finding("suspended", told, "it is sent once the callback is no longer suspended", do=(do,))
    if outlet.kind is Kind.CHANNEL and not any(not each.suspended for each in outlet.carriers):
        names = ", ".join(each.name for each in outlet.carriers)
        if names:
            told = f"all providers of {outlet.name} are suspended: {names}"
            return Finding("suspended", told, _due_words(facts), _due(facts), ("set spec.suspend to false in one",))
        told = f"the product has no provider for {outlet.name} that can be used"
        return Finding("no_provider", told, _due_words(facts), _due(facts), advice("no_provider"))
    return None


def _due(facts: Facts) -> int:
    return facts.whereabouts.at_ms if facts.whereabouts.place is Place.SCHEDULED else 0


def _due_words(facts: Facts) -> str:
    return "it is tried again" if _due(facts) else "it is tried once there is one"


def _parked(facts: Facts) -> Finding | None:
    here = facts.whereabouts
    standing = here.standing
    if here.place is not Place.PARKED or here.limits.most == DRAINS:
        return None
    if standing.probe > facts.around.now_ms:
        return _circuit_open(facts)
    if standing.in_flight >= here.limits.most:
        told = (
            f"{standing.in_flight:,} attempts to {facts.outlet.name} are in flight in this shard, and no more may be"
            f" (maxInFlight); {_place(facts)}"
        )
        do = "make the receiver answer faster, or raise delivery.maxInFlight"
        return Finding("max_in_flight", told, "it is sent as those before it land", do=(do,))
    if here.limits.interval:
        told = f"the rate limit of {facts.outlet.name} is used up for now; {_place(facts)}"
        at = max(0, here.at_ms)
        return Finding("rate_limited", told, "the line goes on", at, ("raise rateLimit if the receiver takes more",))
    return None


def _circuit_open(facts: Facts) -> Finding:
    standing, name = facts.whereabouts.standing, facts.outlet.name
    bad, good = standing.bad + standing.was_bad, standing.good + standing.was_good
    told = (
        f"the circuit of {name} is open since {instant(standing.opened or facts.around.now_ms)}: {bad:,} of the last"
        f" {bad + good:,} attempts failed, the last time as {standing.reason or 'unknown'}; {_place(facts)}"
    )
    return Finding(
        "circuit_open", told, "one delivery is tried as a probe; when it is taken, the others follow", standing.probe,
        (*advice(standing.reason), f"see whether it answers: `angarium callbacks test {name}`")
        if facts.outlet.kind is Kind.CALLBACK else advice(standing.reason),
    )  # fmt: skip


def _place(facts: Facts) -> str:
    here = facts.whereabouts
    if here.ahead < 0:
        return f"it is far back among the {here.line:,} that wait there"
    return f"{here.ahead:,} of the {here.line:,} that wait there are before it" if here.line > 1 else "it is next"


def _retrying(facts: Facts) -> Finding | None:
    here, delivery = facts.whereabouts, facts.delivery
    if here.place is not Place.SCHEDULED:
        return None
    if here.at_ms < facts.around.now_ms - LATE_MS:
        told = f"it is due since {instant(here.at_ms)}, and no deliverer has moved it to its line"
        return Finding("late", told, "a deliverer moves it", do=NO_DELIVERER[1:])
    if delivery.reason == "sent":
        return _sent(facts)
    if not delivery.attempts:
        return _put_off(facts)
    why = in_words(delivery.reason, facts.last.detail if facts.last and not facts.last.status else "")
    told = f"attempt {delivery.attempts} of {facts.outlet.attempts} failed: {why}"
    if here.standing.probe > facts.around.now_ms:
        told += f"; the circuit is open, so nothing but a probe is sent before {instant(here.standing.probe)}"
    hasten = f"do not wait: `angarium retry {facts.notification.id}`"
    what, do = f"attempt {delivery.attempts + 1} is made", (*advice(delivery.reason), hasten)
    expires = facts.notification.expires_ms
    if expires and here.at_ms >= expires:
        what = f"it is refused as expired (expiresAt {instant(expires)})"
    return Finding("retrying", told, what, here.at_ms, do)


def _sent(facts: Facts) -> Finding:
    at = facts.whereabouts.at_ms
    detail = f" ({facts.last.detail})" if facts.last and facts.last.detail else ""
    if facts.outlet.kind is Kind.GROUP:
        counts = facts.delivery.recipients
        told = f"the group is being turned into deliveries{detail}: {counts.total if counts else 0:,} so far"
        return Finding("expanding", told, "it goes on", at)
    told = f"the provider has taken it{detail}, and has not told yet whether it arrived"
    return Finding("sent", told, "the provider is asked, unless it tells before", at)


def _put_off(facts: Facts) -> Finding:
    waits = [each for each in facts.outlet.carriers if each.wait_s and not each.suspended]
    at = facts.whereabouts.at_ms
    if waits:
        told = f"the rate of provider {waits[0].name} is used up for now, by this tenant and others"
        return Finding("provider_limited", told, "it is tried again, and has spent no attempt", at,
                       ("raise the Provider's rateLimit if the account takes more",))  # fmt: skip
    if facts.outlet.behind:
        told = (
            f"not all deliverers have heard of {facts.outlet.name} as it is now: {', '.join(facts.outlet.behind[:3])}"
        )
        return Finding("config_pending", told, "it is tried again, and has spent no attempt", at)
    told = "the deliverer that had it could not send it yet (config on its way, or a provider's rate)"
    return Finding("put_off", told, "it is tried again, and has spent no attempt", at)


def _in_line(facts: Facts) -> Finding:
    here, count = facts.whereabouts, len(facts.around.deliverers)
    if here.place is not Place.SEATED:
        return Finding("moving", "it is on its way from one place to another, or was this moment", "ask again")
    told = f"it is ready in lane {here.lane}: {_place(facts)}; {count} deliverer{'s' * (count != 1)} live"
    if here.standing.failures:
        told += f"; {facts.outlet.name} failed last time, so few slots are given to it"
    return Finding("ready", told, "a deliverer takes it when its turn comes")


_WAITING: tuple[Callable[[Facts], Finding | None], ...] = (
    _in_flight, _not_yet, _no_deliverer, _unknown_callback, _suspended, _parked, _retrying,
)  # fmt: skip
