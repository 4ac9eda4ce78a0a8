"""`python -m tests.tour FOLDER`: write the tour's manifests there, and stand in for all that it sends to."""

import asyncio
import sys
from pathlib import Path

from tests.tour.stand_ins import HTTP, MAIL, StandIns, standing_in, write_folder


def say(line: str) -> None:
    """What came in, as it comes."""
    print(line, flush=True)


async def main(folder: Path) -> None:
    """Until it is stopped."""
    async with standing_in(StandIns(say), HTTP, MAIL) as it:
        write_folder(folder, it)
        say(f"HTTP at 127.0.0.1:{HTTP}, mail at 127.0.0.1:{MAIL}; now: angarium dev {folder}")
        shown = 0
        while True:
            await asyncio.sleep(0.2)
            for _, _, recipient, mail in it.mailbox.got[shown:]:
                subject = next(line for line in mail.decode().splitlines() if line.lower().startswith("subject:"))
                say(f"mail      {recipient}: {subject}")
            shown = len(it.mailbox.got)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.tour FOLDER")
    try:
        asyncio.run(main(Path(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(0)
