"""What can go wrong in a command, as one message and an exit code; nobody ever sees a traceback."""

from enum import IntEnum


class Exit(IntEnum):
    """What a script can tell from the exit code."""

    OK = 0
    REFUSED = 1  # the server said no, or what was waited for did not come
    USAGE = 2  # the command line or a file is wrong
    UNREACHABLE = 3  # gateway or Redis does not answer
    BLOCKED = 4  # something on this machine is in the way: a port, a lock, a permission
    INTERNAL = 70  # a mistake of ours
    INTERRUPTED = 130


class Failure(Exception):
    """Ends a command. The message says what is wrong and what to do, in one or few lines."""

    def __init__(self, message: str, code: Exit = Exit.REFUSED) -> None:
        super().__init__(message)
        self.code = code
