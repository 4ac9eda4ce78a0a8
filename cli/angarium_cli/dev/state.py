"""`.angarium/`: what `angarium dev` keeps over restarts. For its owner's eyes alone, and for one process at a time."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from angarium.sealing import generate_seal_key
from angarium_cli.errors import Exit, Failure

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


class StateFolder:
    """Where data, secrets, the seal key and the objects' state are."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        self.secrets = root / "secrets"
        self.objects = root / "objects.json"
        self.valkey_port = root / "valkey.port"
        try:
            for folder in (root, self.data, self.secrets):
                private_folder(folder)
        except OSError as error:
            raise Failure(f"{error.filename}: {error.strerror}; choose another with --state", Exit.BLOCKED) from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process works here; the lock dies with it, however it dies."""
        with (self.root / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise Failure(
                    f"{self.root} is in use by another angarium dev (process {owner}); stop it or choose another"
                    " folder with --state",
                    Exit.BLOCKED,
                ) from None
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield

    def seal_key(self) -> str:
        """The key that signing keys are sealed with in Redis; made at the first start."""
        path = self.root / "seal-key"
        if not path.exists():
            write_private(path, generate_seal_key() + "\n")
        return path.read_text(encoding="ascii").strip()


def private_folder(path: Path) -> None:
    """Make a folder that only its owner may enter."""
    path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read: wholly or not at all, and on the disk when this returns."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
