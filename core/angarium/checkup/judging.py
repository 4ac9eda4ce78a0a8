"""From what Redis is and holds to what must be mended. No I/O."""

from collections.abc import Callable, Iterable

from angarium import __version__
from angarium.checkup.items import Item, ok, problem, some, unknown, warning
from angarium.checkup.reading import PodFacts, StoreFacts
from angarium.config.presence import DEAD_AFTER
from angarium.records import OrganizationRecord, ProductRecord

FULL, GETTING_FULL = 0.75, 0.6  # of maxmemory; beyond FULL gateways accept nothing new
SKEWED_MS, FAR_MS = 1_000, 30_000
OLDEST_S = 300
EDIT_MS = 30_000
SILENT_MS = DEAD_AFTER * 1000


def judge_store(facts: StoreFacts) -> list[Item]:
    """Redis first, then who uses it."""
    if facts.away:
        do = "see that the URL is right, that it runs, and that network policies and firewalls let this pod through"
        return [problem("redis", f"it can't be reached: {facts.away}", do)]
    items = [each for check in _SERVER for each in check(facts)] if facts.servers else [_no_info(facts)]
    return items + [each for check in _USE for each in check(facts)]


def _no_info(facts: StoreFacts) -> Item:
    told = facts.notes[0] if facts.notes else "INFO is refused"
    return unknown("redis", f"version, persistence and memory can't be seen ({told})", "allow it: ACL SETUSER … +info")


def _version(facts: StoreFacts) -> Iterable[Item]:
    for server in facts.servers:
        valkey = server.get("valkey_version", "")
        text = f"Valkey {valkey}" if valkey else f"Redis {server.get('redis_version', '?')}"
        least = 8 if valkey else 7
        number = (valkey or server.get("redis_version", "0")).split(".")[0]
        if number.isdigit() and int(number) >= least:
            yield ok("redis version", text)
        else:
            yield problem("redis version", text, "Redis 7.0 or Valkey 8.0 at least is needed")


def _persistence(facts: StoreFacts) -> Iterable[Item]:
    for server in facts.servers:
        if server.get("aof_enabled") != "1":
            told = "the append-only file is off: a restart loses what was accepted since the last snapshot, or all"
            yield problem("redis persistence", told, "CONFIG SET appendonly yes, and the same in its configuration")
        elif server.get("aof_last_write_status", "ok") != "ok":
            yield problem("redis persistence", "its last write to the append-only file failed", "see its disk and log")
        else:
            yield ok("redis persistence", "append-only file, and its last write went well")


def _eviction(facts: StoreFacts) -> Iterable[Item]:
    for server in facts.servers:
        policy = server.get("maxmemory_policy", "")
        if policy == "noeviction":
            yield ok("redis eviction", "noeviction")
        else:
            told = f"{policy or 'unknown'}: once it is full, Redis throws away what was accepted"
            yield problem("redis eviction", told, "CONFIG SET maxmemory-policy noeviction, and in its configuration")


def _memory(facts: StoreFacts) -> Iterable[Item]:
    for server in facts.servers:
        used, limit = int(server.get("used_memory", 0)), int(server.get("maxmemory", 0))
        if not limit:
            told = f"{_mb(used)} used, and no maxmemory: the kernel ends Redis when memory runs out"
            yield warning("redis memory", told, "set maxmemory to some 75 % of what its pod or machine has")
            continue
        told = f"{_mb(used)} of {_mb(limit)} used ({used / limit:.0%})"
        if used >= FULL * limit:
            do = "raise maxmemory, or see what waits: `angarium list --status pending`; a callback may be down"
            yield problem("redis memory", f"{told}: gateways accept nothing new", do)
        elif used >= GETTING_FULL * limit:
            yield warning("redis memory", told, f"at {FULL:.0%} gateways refuse: raise maxmemory in time")
        else:
            yield ok("redis memory", told)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def _replication(facts: StoreFacts) -> Iterable[Item]:
    replicated = [
        record.key
        for record in facts.records
        if isinstance(record, ProductRecord | OrganizationRecord) and record.replicated
    ]
    for server in facts.servers:
        count = int(server.get("connected_slaves", 0))
        if server.get("role", "master") != "master":
            yield problem("redis replication", "this server is a replica", "let the URL lead to the master")
        elif replicated and not count:
            told = f"no replica is in touch, and {len(replicated)} tenants ask for durability Replicated"
            yield problem("redis replication", f"{told}: they are answered 503", "bring the replicas back")
        else:
            yield ok("redis replication", f"a master with {count} replica{'s' * (count != 1)}")


def _clock(facts: StoreFacts) -> Iterable[Item]:
    ahead = facts.clock_ahead_ms
    told = f"{abs(ahead) / 1000:.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    if abs(ahead) < SKEWED_MS + facts.round_trip_ms:
        yield ok("redis clock", f"agrees with ours within {max(1.0, abs(ahead)):.0f} ms (round trip"
                 f" {facts.round_trip_ms:.1f} ms)")  # fmt: skip
    elif abs(ahead) < FAR_MS:
        yield warning("redis clock", told, "see that NTP runs on both machines")
    else:
        yield problem("redis clock", f"{told}: times of delivery and expiry are wrong", "mend NTP on both machines")


def _acl(facts: StoreFacts) -> Iterable[Item]:
    if facts.refused:
        told = f"its user may not: {', '.join(facts.refused)}"
        yield problem("redis acl", told, "ACL SETUSER <user> ~ang:* +@all -@dangerous +info (docs/redis.md)")
    else:
        yield ok("redis acl", "all commands that are needed are allowed")


def _config(facts: StoreFacts) -> Iterable[Item]:
    if not facts.epoch:
        yield problem("config", "no operator has published any: gateways answer 503", "see that an operator runs")
    elif facts.unreadable:
        told = f"{len(facts.unreadable)} records can't be read by this version: {some(facts.unreadable)}"
        yield warning("config", told, f"operator, gateways and deliverers should be of one version ({__version__})")
    else:
        yield ok("config", f"{len(facts.records)} records, revision {facts.revision}")


def _seals(facts: StoreFacts) -> Iterable[Item]:
    seals = facts.seals
    if seals is None:
        yield unknown("seal keys", "they are not at hand here", "run it in the operator's pod (docs/doctor.md)")
    elif seals.closed:
        told = f"the keys at hand do not open {len(seals.closed)} records: {some(seals.closed)}"
        do = "give operator and deliverers the same Secret of seal keys; put a lost key back behind the current one"
        yield problem("seal keys", told, do)
    elif seals.former:
        told = f"{seals.former} records are still sealed with a former key, {seals.current} with the current"
        yield warning("seal keys", told, "keep the former key until the operator has sealed them anew")
    else:
        yield ok("seal keys", f"the current one opens all {seals.current} sealed records")


def _pods(facts: StoreFacts) -> Iterable[Item]:
    for role in ("gateway", "deliverer"):
        here = [pod for pod in facts.pods if pod.role == role]
        yield from _pods_of(f"{role}s", here, facts.revision)
    versions = sorted({pod.version for pod in facts.pods if pod.version and pod.silent_ms <= SILENT_MS})
    if len(versions) > 1:
        told = f"pods of several versions live: {', '.join(versions)}"
        yield warning("versions", told, "let the rollout end, or see why it does not: `kubectl rollout status`")


def _pods_of(check: str, pods: list[PodFacts], revision: int) -> Iterable[Item]:
    live = [pod for pod in pods if pod.silent_ms <= SILENT_MS]
    silent = [pod.name for pod in pods if pod.silent_ms > SILENT_MS]
    behind = [pod.name for pod in live if pod.revision < revision]
    rejecting = {key for pod in live for key in pod.rejected}
    if not live:
        gone = f"; silent: {some(silent)}" if silent else ""
        yield problem(check, f"none lives{gone}", f"`kubectl get pods -A -l app.kubernetes.io/component={check[:-1]}`")
        return
    yield ok(check, f"{len(live)} live: {some([pod.name for pod in live])}")
    if silent:
        do = "nothing, if they were killed: others took over what they held; they are forgotten in an hour"
        yield warning(check, f"fell silent without leaving: {some(silent)}", do)
    if behind:
        yield warning(
            check, f"behind the config's revision {revision}: {some(behind)}", "look again; then see their logs"
        )
    if rejecting:
        do = "see the pods' logs; a record that can't be opened lacks its seal key there"
        yield problem(check, f"records that can't be used there: {some(sorted(rejecting))}", do)


def _edits(facts: StoreFacts) -> Iterable[Item]:
    if facts.oldest_edit_ms > EDIT_MS:
        told = f"a change to a Callback by the API waits for the operator since {facts.oldest_edit_ms / 1000:.0f} s"
        yield problem("operator", told, "see that an operator runs and is ready")


def _backlog(facts: StoreFacts) -> Iterable[Item]:
    backlog = facts.backlog
    if backlog is None:
        yield unknown("backlog", "it can't be counted")
        return
    ready, oldest = sum(backlog.ready.values()), max(backlog.oldest_ready.values())
    told = (
        f"{ready:,} ready, {sum(backlog.in_flight.values()):,} in flight, {backlog.scheduled:,} scheduled,"
        f" {backlog.parked:,} parked; {backlog.counters.get('dead', 0):,} dead"
    )
    if oldest > OLDEST_S:
        yield warning(
            "backlog", f"{told}; the oldest is ready since {oldest:,.0f} s", "add deliverers (docs/scaling.md)"
        )
    else:
        yield ok("backlog", told)


Check = Callable[[StoreFacts], Iterable[Item]]
_SERVER: tuple[Check, ...] = (_version, _persistence, _eviction, _memory, _replication)
_USE: tuple[Check, ...] = (_clock, _acl, _config, _seals, _pods, _edits, _backlog)
