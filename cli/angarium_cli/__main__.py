"""`angarium`: whatever goes wrong is said in a line or two, with an exit code that means something."""

import os
import sys
import traceback

from angarium.process import CantListenError
from angarium_cli.errors import Exit, Failure

TRACE = "ANGARIUM_TRACE"  # set it to see where a mistake of ours comes from


def main() -> None:
    """The command."""
    from angarium_cli.app import app  # heavy: an interrupt while it loads is caught below

    try:
        app()
    except Failure as failure:
        _end(str(failure), failure.code)
    except CantListenError as error:
        _end(str(error), Exit.BLOCKED)
    except KeyboardInterrupt:
        raise SystemExit(Exit.INTERRUPTED) from None
    except BrokenPipeError:  # `angarium list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(Exit.OK) from None
    except Exception as error:  # noqa: BLE001 - the last place where it can be told without a traceback
        if os.environ.get(TRACE):
            traceback.print_exc()
        _end(f"a mistake of ours: {type(error).__name__}: {error} ({TRACE}=1 shows where)", Exit.INTERNAL)


def _end(message: str, code: Exit) -> None:
    print(f"angarium: {message}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
