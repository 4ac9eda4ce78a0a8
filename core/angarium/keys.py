"""Every Redis key: its name, type and lifetime. Nothing else spells a key but the scripts.

All keys of a shard carry the same hash tag, so that a shard is one slot of a Redis Cluster and one script may touch
them all; scripts are given one key and make the others from its prefix (queue/scripts/lines.lua). Config and presence
share the slot `{config}`, and each tenant's users and groups the slot of its id.
"""

from dataclasses import dataclass
from functools import cached_property

from angarium.notifications import LANES

GROUP = "deliverers"  # the consumer group of every lane


@dataclass(frozen=True)
class ShardKeys:
    """The keys of one shard of the queue."""

    shard: int
    prefix: str = "ang"

    @cached_property
    def _base(self) -> str:
        return f"{self.prefix}:{{{self.shard}}}:"

    @cached_property
    def lanes(self) -> tuple[str, ...]:
        """STREAMs test, high, normal, low: `d=<ticket>` for each delivery in flight, pending for its deliverer."""
        return tuple(f"{self._base}lane:{lane}" for lane in LANES)

    def line(self, lane: str, callback: str) -> str:
        """LIST of tickets: what is ready for a callback in a lane, or parked."""
        return f"{self._base}line:{lane}:{callback}"

    def ring(self, lane: str, tenant: str = "") -> str:
        """LIST of tenants whose turn comes in a lane; or of a tenant's callbacks whose turn comes in it."""
        return f"{self._base}ring:{lane}:{tenant}" if tenant else f"{self._base}ring:{lane}"

    @cached_property
    def turns(self) -> str:
        """HASH lane → what it is owed of the next slots; ring → `<tenant> <rest>` of a turn that was cut short."""
        return f"{self._base}turns"

    @cached_property
    def bell(self) -> str:
        """LIST of one element at most: deliverers with nothing to do wait for it."""
        return f"{self._base}bell"

    @cached_property
    def paused(self) -> str:
        """ZSET `<lane> <tenant> <callback>` → when to look again (ms; inf: when one in flight has landed)."""
        return f"{self._base}paused"

    @cached_property
    def ready(self) -> str:
        """HASH lane → tickets in its lines, parked ones too."""
        return f"{self._base}ready"

    @cached_property
    def limits(self) -> str:
        """HASH callback → `<revision> <most in flight> <µs between attempts> <burst>`; tenant → weight."""
        return f"{self._base}limits"

    @cached_property
    def schedule(self) -> str:
        """ZSET ticket → due time (ms): retries and future sends."""
        return f"{self._base}schedule"

    @cached_property
    def reports(self) -> str:
        """ZSET JSON of what a carrier tells of a delivery (queue/reports.py) → when it may be heard (ms)."""
        return f"{self._base}reports"

    @cached_property
    def counters(self) -> str:
        """HASH of totals: notifications, deliveries accepted, delivered, refused, dead; settles, stale; recoveries.

        A redrive lowers refused and dead.
        """
        return f"{self._base}counters"

    @cached_property
    def backlog(self) -> str:
        """HASH tenant → waiting deliveries."""
        return f"{self._base}backlog"

    @cached_property
    def dead(self) -> str:
        """HASH tenant → refused and dead deliveries that are kept."""
        return f"{self._base}dead"

    @cached_property
    def progress(self) -> str:
        """LIST of `<ms> <settles until then>`, the latest first, of the last minute or so."""
        return f"{self._base}progress"

    @cached_property
    def expiry(self) -> str:
        """ZSET `<notification> <tenant>` → when a finished notification is forgotten (ms)."""
        return f"{self._base}expiry"

    @cached_property
    def ended(self) -> str:
        """ZSET notification → when it ended (ms), until who wants to hear of it has been told."""
        return f"{self._base}ended"

    @cached_property
    def callback_backlog(self) -> str:
        """HASH callback → waiting deliveries."""
        return f"{self._base}callbacks:backlog"

    @cached_property
    def callback_standing(self) -> str:
        """HASH callback → how it stands, packed: 14 numbers and 2 words (codec.Standing reads them).

        In flight; whether one is waited for to land, or until when it had no share (lines.lua); µs from which its rate
        limit counts; next probe and since when its circuit is open (ms; 0: closed); start of the breaker's window (ms),
        successes and failures in it, and in the one before; last success, first and last failure (ms); failures in a
        row; endpoint token; last reason.
        """
        return f"{self._base}callbacks:standing"

    @cached_property
    def callback_gone(self) -> str:
        """HASH callback → `<endpoint token> <ms>`: the receiver at that endpoint answered 410 Gone."""
        return f"{self._base}callbacks:gone"

    def notification(self, notification: str) -> str:
        """HASH: doc, body, size, open, a field for each delivery, `r<n>`: what the n-th's carrier calls it, `w`: names
        of gateways where somebody waits for it; kept while it is retained.

        Where the n-th is a group's, `g<n>` says how far its expansion is (queue/expander.py), `g<n>:all`, `:delivered`,
        `:refused` and `:dead` count its recipients, and `open` counts those that wait, too. A part has `up`, `<the
        notification> <n> <number of the part>`, and no body: it is that of the notification.
        """
        return f"{self._base}n:{notification}"

    def signals(self, gateway: str) -> str:
        """LIST of notifications of which something was settled while a gateway waits for them; for 10 s."""
        return f"{self._base}signals:{gateway}"

    def failing_parts(self, notification: str) -> str:
        """ZSET `<n> <number>`, each of 7 digits, all of score 0: parts that hold a refused or dead delivery."""
        return f"{self._base}w:{notification}"

    def reached(self, notification: str) -> str:
        """SET of hashes of recipients that a notification for several groups has reached; for a day after the last."""
        return f"{self._base}s:{notification}"

    def timeline(self, notification: str) -> str:
        """LIST of `<at ms> <next attempt ms> <JSON>`; kept as long as the notification."""
        return f"{self._base}t:{notification}"

    def idempotency(self, tenant: str, digest: str) -> str:
        """STRING `<notification> <fingerprint>`, for 24 hours; `~` before what shards agreed on (queue/intake.py)."""
        return f"{self._base}i:{tenant}:{digest}"

    def replay(self, replay: str) -> str:
        """HASH of how far a replay is: at (queue/replays.py), matched, done, left_out; for 100 days after a step."""
        return f"{self._base}replay:{replay}"

    def index(self, tenant: str) -> str:
        """ZSET of the tenant's notification ids, all of score 0, in order of time."""
        return f"{self._base}x:{tenant}"

    def failed(self, tenant: str) -> str:
        """ZSET of the tenant's notification ids that hold a refused or dead delivery."""
        return f"{self._base}f:{tenant}"


@dataclass(frozen=True)
class ConfigKeys:
    """The keys of config and presence."""

    prefix: str = "ang"

    @cached_property
    def _base(self) -> str:
        return f"{self.prefix}:{{config}}:"

    @cached_property
    def records(self) -> str:
        """HASH `<kind>/<namespace>/<name>` → `<revision> <JSON record>`."""
        return f"{self._base}records"

    @cached_property
    def state(self) -> str:
        """HASH: epoch (made anew when records were lost), revision (of the last change), term (of who may write)."""
        return f"{self._base}state"

    @cached_property
    def changes(self) -> str:
        """STREAM of changes: key, revision, epoch; its last 10,000 or so."""
        return f"{self._base}changes"

    @cached_property
    def shards(self) -> str:
        """HASH number of shards → when a gateway that writes into so many last lived (ms)."""
        return f"{self._base}shards"

    @cached_property
    def beats(self) -> str:
        """ZSET `<role> <pod>` → last beat (ms)."""
        return f"{self._base}beats"

    @cached_property
    def applied(self) -> str:
        """HASH `<role> <pod>` → JSON {e: epoch, r: revision that it has applied, x: keys of records it rejected,
        v: its version}."""
        return f"{self._base}applied"

    @cached_property
    def edits(self) -> str:
        """STREAM of what callers want changed about Callbacks (e: JSON, f: fingerprint), until the operator answers."""
        return f"{self._base}edits"

    def edit_reply(self, edit: str) -> str:
        """STRING `<fingerprint>[ <reply JSON>]` to an edit: a minute, or a day where an Idempotency-Key names it."""
        return f"{self._base}edit:{edit}"


def pace_key(name: str, prefix: str = "ang") -> str:
    """STRING: when the next would be due if all had gone evenly (µs); forgotten once that is past."""
    return f"{prefix}:pace:{name}"


@dataclass(frozen=True)
class PeopleKeys:
    """The keys of one tenant's users, groups and devices. All but `once` are kept until they are deleted.

    Scripts are given `users` and make the others from its prefix (people/scripts/people.lua).
    """

    tenant: str
    prefix: str = "ang"

    @cached_property
    def _base(self) -> str:
        return f"{self.prefix}:{{{self.tenant}}}:"

    @cached_property
    def users(self) -> str:
        """ZSET of user ids, all of score 0, in the order in which they were made."""
        return f"{self._base}users"

    def user(self, user: str) -> str:
        """STRING: JSON of a user and its devices (people/user.py reads it)."""
        return f"{self._base}user:{user}"

    def by(self, field: str) -> str:
        """HASHes from key, phone, email (in lower case) or device token to the one user who has it."""
        return f"{self._base}by:{field}"

    def once(self, digest: str) -> str:
        """STRING: the delivery that a recipient gets of all with the same key of the caller's; for 24 hours."""
        return f"{self._base}once:{digest}"

    @cached_property
    def memberships(self) -> str:
        """HASH user → `,<number of a group>,…,`; it may hold numbers of groups that were deleted since."""
        return f"{self._base}memberships"

    @cached_property
    def groups(self) -> str:
        """HASH name of a group → `<number> <made at ms> <maker: see create.lua>`; numbers are not used again."""
        return f"{self._base}groups"

    @cached_property
    def numbers(self) -> str:
        """HASH number of a group → its name; `last` → the last number given."""
        return f"{self._base}numbers"

    @cached_property
    def names(self) -> str:
        """ZSET of the groups' names, all of score 0."""
        return f"{self._base}names"

    def members(self, number: int) -> str:
        """ZSET of a group's user ids, all of score 0."""
        return f"{self._base}group:{number}"
