"""`mailsuite import ADDR mbox FILE…`: mbox files into an account, a folder each.

A message is known again by its octets, and by its number among equal ones: a file may be imported
again after it has grown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from mailsuite.base.errors import UserError
from mailsuite.base.tasks import Threads, committed
from mailsuite.transfer import mbox
from mailsuite.transfer.choice import Choice
from mailsuite.transfer.filling import Filling
from mailsuite.transfer.names import INBOX, Named, assign, local_name
from mailsuite.transfer.state import Known
from mailsuite.transfer.target import Arrival, Target

SUFFIXES = (".mbox", ".mbx", ".mboxrd")
PASSED_OVER = (".msf", ".lock", ".dat", ".json", ".cmeta", ".sbd")
HEAD = 512
AT_ONCE = 100
AT_ONCE_OCTETS = 1 << 22


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    named: Named
    size: int


class MboxImport:
    """See the module."""

    def __init__(
        self, paths: Sequence[Path], target: Target, threads: Threads, choice: Choice
    ) -> None:
        """`paths`: files, and folders that hold files (and folders) of mail."""
        self._paths = paths
        self._target = target
        self._threads = threads
        self._choice = choice
        self._progress = target.progress

    async def run(self) -> None:
        """Bring everything over. Raises UserError, StoreError."""
        self._progress.unit = "octets"
        links: list[Path] = []
        files = await self._threads.run(lambda: _distinct(_files(self._paths, links)))
        for link in links:
            self._progress.note(f"{link} is a symbolic link, which is not followed")
        if not files:
            raise UserError(f"{', '.join(map(str, self._paths))}: no mbox file is there")
        names = [file.named.name for file in files]
        files = [file for file in files if self._choice.takes(file.named.name)]
        self._choice.require(files, names)
        self._progress.total = sum(file.size for file in files)
        locals_ = assign([file.named for file in files], await self._target.special_uses())
        before = 0
        for file in files:
            local = self._choice.placed(locals_[file.named.name])
            self._progress.doing = local
            try:
                await self._file(file, local, before)
            except OSError as error:
                raise UserError(f"{file.path}: {error.strerror}") from error
            except ValueError as error:
                raise UserError(f"{file.path}: {error}") from error
            before += file.size
            self._progress.done = before
            self._progress.folders += 1

    async def _file(self, file: _File, local: str, before: int) -> None:
        # Files of one name may be of many people: only the messages tell what has come over.
        target = await self._target.folder(file.named.name, local, subscribed=True, by_name=False)
        seen: Counter[str] = Counter()
        there: set[str] = set()
        some_known = False
        with await committed(self._threads.run(file.path.open, "rb")) as octets:
            mails = mbox.read(octets)
            async with Filling(target) as filling:
                while some := await committed(self._threads.run(_some, mails)):
                    keyed = [(_key(mail, seen), mail) for mail in some]
                    known = await target.known([key for key, _ in keyed])
                    changed: list[tuple[str | int, Known, frozenset[str]]] = []
                    for key, mail in keyed:
                        there.add(key)
                        if (old := known.get(key)) is None:
                            size = len(mail.octets)
                            await filling.add(
                                Arrival(key, mail.octets, size, mail.flags, mail.date)
                            )
                        elif old.flags != mail.flags:
                            changed.append((key, old, mail.flags))
                    self._progress.known += len(known)
                    some_known = some_known or bool(known)
                    self._progress.done = before + some[-1].end
                    if changed:
                        await filling.flush()
                        await target.reflag(changed)
        if not some_known:
            await target.make()
        if self._choice.remove_vanished:
            await target.remove_all_but(there.__contains__)


def _some(mails: Iterator[mbox.Mail]) -> list[mbox.Mail]:
    found: list[mbox.Mail] = []
    size = 0
    for mail in mails:
        found.append(mail)
        size += len(mail.octets)
        if len(found) >= AT_ONCE or size >= AT_ONCE_OCTETS:
            break
    return found


def _key(mail: mbox.Mail, seen: Counter[str]) -> str:
    digest = blake2b(mail.octets, digest_size=16).hexdigest()
    seen[digest] += 1
    return digest if seen[digest] == 1 else f"{digest}.{seen[digest]}"


def _distinct(files: Iterable[_File]) -> list[_File]:
    """Each file a folder: `a.mbox` and `a.mbx` must not pass for two states of one."""
    taken: set[str] = set()
    found = []
    for file in files:
        name = file.named.name
        while name in taken:
            name += "_"
        taken.add(name)
        found.append(replace(file, named=Named(name)))
    return found


def _files(paths: Sequence[Path], links: list[Path]) -> Iterator[_File]:
    """Raises UserError for what is no mbox file. `links`: as of `maildir_source.folders`."""
    for path in paths:
        if path.is_dir():
            yield from _below(path, "", links)
        elif path.exists() and not path.is_file():
            raise UserError(f"{path}: no regular file")
        else:
            head = _head(path)
            if not mbox.is_mbox(head):
                raise UserError(f"{path}: no mbox file (it does not begin with a From line)")
            yield _File(path, Named(_name(path, "")), path.stat().st_size)


def _below(folder: Path, above: str, links: list[Path]) -> Iterator[_File]:
    """Files of a tree; Thunderbird keeps what is below a folder in `folder.sbd`."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_symlink():
            links.append(path)
        elif path.is_dir():
            yield from _below(path, f"{above}{path.name.removesuffix('.sbd')}/", links)
        elif path.is_file() and path.suffix not in PASSED_OVER and mbox.is_mbox(_head(path)):
            yield _File(path, Named(_name(path, above)), path.stat().st_size)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def _name(path: Path, above: str) -> str:
    name = path.name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            name = name[: -len(suffix)]
            break
    name = local_name(above + name, "/")
    return INBOX if name.casefold() == "inbox" else name
