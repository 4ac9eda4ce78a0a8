"""Which slot of a Redis Cluster a command belongs to: that of its first key, as all its keys share one."""

from redis.crc import key_slot

Argument = bytes | str | int | float
Command = tuple[Argument, ...]

KEYLESS = {"ACL", "CLIENT", "CLUSTER", "CONFIG", "DBSIZE", "FLUSHALL", "INFO", "PING", "SCRIPT", "TIME", "WAIT"}
SECOND = {"MEMORY", "OBJECT", "XGROUP", "XINFO"}  # the first argument is a subcommand


def slot_of(command: Command) -> int | None:
    """None: any node will do."""
    key = first_key(command)
    if key is None:
        return None
    return key_slot(key if isinstance(key, bytes) else str(key).encode())


def first_key(command: Command) -> Argument | None:
    """Of a command as we send them: in capitals."""
    name = command[0]
    if name in {"EVALSHA", "EVAL"}:
        return command[3] if int(command[2]) else None
    if name == "BLMPOP":
        return command[3]
    if name in {"XREAD", "XREADGROUP"}:
        return command[command.index("STREAMS") + 1]
    if name in KEYLESS or len(command) < 2:
        return None
    return command[2 if name in SECOND else 1]
