"""The mailboxes on disk: made once into a cache, then hard-linked for each server.

Both servers read the same inodes; neither ever writes into a message's file.
"""

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.imap.mail import Writer

VERSION = 1
"""To be raised when the generator makes other mail."""


def cached(cache: Path, count: int) -> Path:
    """A folder with `count` message files, named as in cur/; made when it is not there yet."""
    folder = cache / f"mail-{VERSION}-{count}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix="making-", dir=cache))
    for number, message in enumerate(Writer(count).messages()):
        size = len(message.octets)
        name = f"{message.time}.M{number}P1.bench,S={size},W={size}:2,{message.flags}"
        path = f"{aside}/{name}"
        with open(path, "wb", buffering=0) as file:  # noqa: PTH123 (a third faster)
            file.write(message.octets)
        os.utime(path, (message.time, message.time))
    aside.chmod(0o755)
    aside.rename(folder)
    return folder


def make(maildir: Path) -> None:
    """An empty Maildir folder."""
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True, exist_ok=True)


def fill(
    maildir: Path, source: Path, first: int = 0, count: int | None = None, *, new: bool = False
) -> None:
    """Link messages of a cached folder into a Maildir folder; into its new/, without flags."""
    make(maildir)
    names = sorted(os.listdir(source))[first : None if count is None else first + count]
    into = maildir / ("new" if new else "cur")

    def link(some: list[str]) -> None:
        for name in some:
            os.link(f"{source}/{name}", f"{into}/{name.partition(':')[0] if new else name}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(link, [names[at : at + 5000] for at in range(0, len(names), 5000)]))


def give(path: Path, uid: int, gid: int) -> None:
    """Make all of it the property of another user."""
    os.chown(path, uid, gid)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(f"{folder}/{name}", uid, gid)


def remove(path: Path) -> None:
    """Throw a run's folder away."""
    shutil.rmtree(path, ignore_errors=True)
