"""Messages as files that wait for their UID and name: written aside, in parallel.

Promises: what has been settled survives a power cut. Calls block, unless they say otherwise, and
may run beside everything else; they change no mailbox.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailsuite.base import durable
from mailsuite.base.tasks import attempt
from mailsuite.store import content, flags
from mailsuite.store.filename import delivery_mark
from mailsuite.store.files import AccountFiles
from mailsuite.store.temp import TempMessage
from mailsuite.store.values import Appended, NewMessage

JOINED = 1 << 16
NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)


@dataclass(slots=True)
class Prepared:
    """A message as a durable file in tmp/ that waits for its UID and name.

    saved  when it is saved in its mailbox, seconds; None: when `base` was made
    uid    the UID that it brings from elsewhere
    zone   minutes east of UTC, of the internal date
    unique_id  that it brings from elsewhere, or ""
    open_end   its octets do not end with a line's end; False also where nobody knows
    link   `path` is a durable file elsewhere, to be linked; what it is like is not known yet
    fd     descriptor of `path` while its octets are not yet known to be durable, or -1
    """

    path: str
    base: str
    size: int
    wire: int
    mtime: float
    letters: set[str]
    keywords: list[str]
    delivery: str | None
    repeat: bool
    saved: int | None = None
    uid: int | None = None
    link: bool = False
    zone: int = 0
    unique_id: str = ""
    open_end: bool = False
    fd: int = -1

    def close(self) -> None:
        """Give the descriptor back, where there is one."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


@dataclass(slots=True)
class Request:
    """One caller's append.

    begin   begins the messages' files, where that is left to the writer: small ones
    error   why they could not be made
    result  what has been answered: they are there
    """

    name: str
    messages: list[Prepared]
    begin: Callable[[], None] | None = None
    error: BaseException | None = None
    result: Appended | None = None


def make_ready(requests: Iterable[Request]) -> None:
    """Make the files that are left to the writer, once; what fails is in the request's `error`."""
    begun: list[tuple[Request, Prepared]] = []
    for request in requests:
        begin, request.begin = request.begin, None
        if begin is not None:
            # Also a mistake of ours is this request's alone: others are made ready with it.
            _, request.error = attempt(begin)
            begun += [(request, message) for message in request.messages]
    errors = _settled([message for _, message in begun])
    for (request, _), error in zip(begun, errors, strict=True):
        request.error = request.error or error


def settle(messages: Iterable[Prepared]) -> None:
    """Make the octets of all of them durable. Raises OSError."""
    for error in _settled(list(messages)):
        if error is not None:
            raise error


def _settled(messages: Sequence[Prepared]) -> list[OSError | None]:
    errors = iter(durable.sync_all([message.fd for message in messages if message.fd >= 0]))
    found = [next(errors) if message.fd >= 0 else None for message in messages]
    for message in messages:
        message.close()
    return found


def prepare(files: AccountFiles, message: NewMessage, source: bytes | Path) -> Prepared:
    """Make the file; octets from memory are durable only when they are settled.

    Raises OSError, CannotChange (an unknown flag).
    """
    letters, keywords = flags.split(message.flags)
    mark = None if message.delivery_id is None else delivery_mark(message.delivery_id)
    base = files.new_base(mark)
    path = f"{files.tmp}/{base}"
    fd = -1
    if isinstance(source, Path):
        size, bare, mtime = _from_file(message, source, path, files.clock.now())
        # What comes out of the queue ends with a line's end, and is not looked at.
        last = content.tail(path) if isinstance(message.source, TempMessage) else b""
    else:
        last = source[-2:] or message.prefix[-2:]
        given = message.internal_date
        mtime = files.clock.now() if given is None else given
        # One call to the disk for both, as long as a copy costs less than the call.
        pieces = (message.prefix + source,) if len(source) <= JOINED else (message.prefix, source)
        bare = 0 if message.exact else content.count_bare(pieces)
        fd, size = durable.begin_new(path, pieces, mtime=mtime)
    return Prepared(
        path,
        base,
        size,
        size + bare,
        mtime,
        letters,
        keywords,
        mark,
        message.repeat,
        uid=message.uid,
        zone=message.zone,
        fd=fd,
        unique_id=message.unique_id,
        open_end=content.has_open_end(last, exact=message.exact),
    )


def to_link(files: AccountFiles, message: NewMessage) -> Prepared | None:
    """A message that needs no `prepare`: its file can be linked into its mailbox as it is.

    Blocks on nothing. None where that is not so.
    """
    source = message.source
    if (
        not files.links
        or not isinstance(source, Path)
        or not message.exact
        or message.prefix
        or message.offset
        or message.internal_date is not None
        or message.flags
        or message.uid is not None
        or message.unique_id
    ):
        return None
    mark = None if message.delivery_id is None else delivery_mark(message.delivery_id)
    base = files.new_base(mark)
    return Prepared(str(source), base, 0, 0, 0.0, set(), [], mark, message.repeat, link=True)


def _from_file(message: NewMessage, source: Path, path: str, now: float) -> tuple[int, int, float]:
    status = source.stat()
    mtime = status.st_mtime if message.internal_date is None else message.internal_date
    if not message.prefix and not message.offset and mtime == status.st_mtime:
        try:
            os.link(source, path, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_LINK:
                raise
        else:
            bare = 0 if message.exact else content.measured(path)[0] - status.st_size
            return status.st_size, bare, mtime
    if message.internal_date is None:
        mtime = now
    pieces = _joined(message.prefix, content.chunks(source, message.offset))
    size, bare = _write(path, pieces, mtime, count=not message.exact)
    return size, bare, mtime


def _joined(prefix: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield prefix
    yield from rest


def _write(path: str, pieces: Iterable[bytes], mtime: float, *, count: bool) -> tuple[int, int]:
    counter = content.BareCounter()

    def counted() -> Iterator[bytes]:
        for piece in pieces:
            if count:
                counter.feed(piece)
            yield piece

    size = durable.write_new(path, counted(), mtime=mtime)
    return size, counter.bare


def own(files: AccountFiles, message: Prepared) -> None:
    """Its file cannot be linked: give it one of its own, in tmp/."""
    aside = f"{files.tmp}/{message.base}"
    pieces = content.chunks(message.path)
    message.path, message.link = aside, False
    _write(aside, pieces, message.mtime, count=False)


def clean_up(messages: Iterable[Prepared]) -> None:
    """Remove what was written aside and is not wanted; what has got its name is not there."""
    for message in messages:
        if message.link:
            continue  # the file is another's
        message.close()
        with contextlib.suppress(OSError):
            Path(message.path).unlink(missing_ok=True)
