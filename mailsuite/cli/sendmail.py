"""A stand-in for sendmail(1), for cron, mutt, git and every other program that sends.

Takes the options that programs use, of sendmail and Postfix; those that mean nothing here are
passed over. Promises: exit code 0 means that the server has the message durably, or that it lies in
the queue of a server that is not running; any other code (sysexits.h) means that nothing was sent.
"""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mailsuite.base.errors import UserError
from mailsuite.cli import output
from mailsuite.cli.handing import (
    EX_DATAERR,
    EX_TEMPFAIL,
    EX_USAGE,
    NoServer,
    NotSent,
    connect,
    find_socket,
    hand_in,
    local_server,
    origin,
)
from mailsuite.cli.letter import Letter, Wanted, user_name

if TYPE_CHECKING:
    pass

HEADER_LIMIT = 1 << 18  # octets of a header that is looked at, as the server does
LINE = 1 << 16
BUSY_TRIES, BUSY_WAIT = 40, 0.25  # the queue of a server that is not running, in use by another

# Options with a value, in the same word or the next; and what they are to us.
VALUED = {
    "B": "body", "C": "config", "F": "name", "f": "sender", "r": "sender", "N": "notify",
    "R": "ret", "V": "envid", "h": "", "L": "", "M": "", "o": "", "O": "", "p": "", "X": "",
    "D": "", "A": "",
}  # fmt: skip
# Whose value, if any, stands in the same word.
GLUED = frozenset("oAqdpD")
FLAGS = frozenset("GnUvmsx")


def run(arguments: list[str]) -> int:
    """Do what the arguments say; gives the exit code. Raises UserError."""
    wanted = parse(arguments)
    config = Path(wanted.values["config"]) if "config" in wanted.values else None
    if wanted.mode == "i":
        return 0  # aliases are in force at once
    path, data = find_socket(config, None)
    if wanted.mode == "p" or wanted.flush:
        from mailsuite.cli import queue

        if wanted.mode == "p":
            queue.list_(config=config, data=None if config else data)
        else:
            queue.retry(ids=None, config=config, data=None if config else data, every=True)
        return 0
    if wanted.mode == "s":
        return _speak(path)
    return _send(wanted, sys.stdin.buffer, path, data)


def parse(arguments: list[str]) -> Wanted:
    """The options and addresses; NotSent (usage) for an option that would change the meaning."""
    wanted = Wanted()
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            wanted.addresses += rest
        elif not word.startswith("-") or word == "-":
            wanted.addresses.append(word)
        elif word[1] == "b":
            wanted.mode = word[2:] or next(rest, "")
        else:
            _option(wanted, word, rest)
    if wanted.mode not in ("m", "s", "p", "i"):
        raise NotSent(EX_USAGE, f"-b{wanted.mode} is not offered (-bm, -bs, -bp and -bi are)")
    return wanted


def _option(wanted: Wanted, word: str, rest: Iterator[str]) -> None:
    letter, value = word[1], word[2:]
    if letter == "t" and not value:
        wanted.from_header = True
    elif word in ("-i", "-oi", "-ti", "-it"):
        wanted.ignore_dots = True
        wanted.from_header |= "t" in word
    elif letter == "I":
        wanted.mode = "i"
    elif letter == "q":
        wanted.flush = True
    elif letter in VALUED:
        if not value and letter not in GLUED:
            found = next(rest, None)
            if found is None:
                raise NotSent(EX_USAGE, f"-{letter} needs a value")
            value = found
        if VALUED[letter]:
            wanted.values[VALUED[letter]] = value
    elif not set(word[1:]) <= FLAGS:
        raise NotSent(EX_USAGE, f"the option {word} is not known")


# -- the message on standard input ---------------------------------------------------------------


def lines(source: BinaryIO, *, ignore_dots: bool) -> Iterator[bytes]:
    """Lines with CRLF, up to the end or a lone dot; a line of any length comes in pieces."""
    begin = True
    while line := source.readline(LINE):
        while line.endswith(b"\r") and (more := source.read(1)):
            line += more  # a CR at the cut of a long line may belong to a CRLF
        if begin and not ignore_dots and line in (b".\n", b".\r\n", b"."):
            return
        begin = line.endswith(b"\n")
        plain = line.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield plain.replace(b"\n", b"\r\n")


def read_header(source: Iterator[bytes]) -> tuple[bytes, bytes]:
    """(header fields, the line that ends them): a blank one, or what is no field any more."""
    header: list[bytes] = []
    size = 0
    for line in source:
        if not header and line.startswith((b"From ", b">From ")):
            continue  # of an mbox file
        if line == b"\r\n":
            return b"".join(header), line
        name, colon, _ = line.partition(b":")
        folded = line[:1] in (b" ", b"\t") and header
        if not folded and (not colon or not name.strip() or b" " in name.strip()):
            return b"".join(header), b"\r\n" + line  # the blank line was forgotten
        header.append(line)
        size += len(line)
        if size > HEADER_LIMIT:
            raise NotSent(EX_DATAERR, "the header of the message is too large")
    return b"".join(header), b"\r\n"


def _speak(path: Path) -> int:
    """Speak SMTP on standard input and output (RFC 5321), as a program asks with -bs."""
    sock = connect(path)

    def upload() -> None:
        with contextlib.suppress(OSError):
            while octets := os.read(0, LINE):
                sock.sendall(octets)
            sock.shutdown(socket.SHUT_WR)

    threading.Thread(target=upload, daemon=True).start()
    with sock:
        while octets := sock.recv(LINE):
            output.write_octets(octets)
    return 0


def _send(wanted: Wanted, stdin: BinaryIO, path: Path, data: Path | None) -> int:
    body = lines(stdin, ignore_dots=wanted.ignore_dots)
    header, blank = read_header(body)
    try:
        with local_server(path) as client:
            letter = Letter(wanted, header, origin(client))
            hand_in(client, letter.mail, _chain(letter.header, blank, body))
    except NoServer as error:
        if data is None or not os.access(data, os.W_OK):
            raise
        _keep(wanted, header, _chain(b"", blank, body), data, error)
    return 0


def _chain(*parts: bytes | Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        if isinstance(part, bytes):
            yield part
        else:
            yield from part


# -- without a server ----------------------------------------------------------------------------


def _keep(
    wanted: Wanted, header: bytes, body: Iterator[bytes], data: Path, error: NoServer
) -> None:
    """Put the message into the queue of a server that is not running; it begins with it."""
    from mailsuite.accounts import Directory
    from mailsuite.base.clock import zone
    from mailsuite.base.lock import Busy
    from mailsuite.mail import Envelope, Recipient
    from mailsuite.message import Submitter, received, repair_submission
    from mailsuite.queue import Offline
    from mailsuite.routing import Router

    uid = os.getuid()
    wanted.values.setdefault("sender", user_name())  # not that of the server's user below
    owner = data.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        # What root writes the server could not read.
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
    if not (data / "accounts.db").exists():
        raise error
    hostname, limit = _server(wanted)
    directory = Directory(data / "accounts.db")
    try:
        letter = Letter(wanted, header, Router(directory).origin(hostname))
    finally:
        directory.close()

    def message(id: str) -> Iterator[bytes]:
        now = time.time()
        yield received(
            helo="localhost", peer="", by=hostname, protocol="ESMTP", queue_id=id, epoch=now,
            zone=zone(now), rdns=f"uid {uid}",
        )  # fmt: skip
        yield repair_submission(
            letter.header,
            now=now,
            zone=zone(now),
            hostname=hostname,
            message_id=lambda: id,
            submitter=Submitter(
                letter.sender, owns=lambda address: True, recipients=tuple(letter.mail.recipients)
            ),
        )
        yield from body

    envelope = Envelope(
        letter.sender,
        tuple(Recipient(address) for address in letter.mail.recipients),
        body="8BITMIME",
        smtputf8=letter.mail.utf8,
        internal=True,
    )
    for _ in range(BUSY_TRIES):
        try:
            with Offline(data / "queue") as queue:
                queue.submit(envelope, message, limit=limit)
            return
        except Busy:
            time.sleep(BUSY_WAIT)
        except UserError as failure:
            raise NotSent(EX_TEMPFAIL, str(failure)) from failure
    raise NotSent(EX_TEMPFAIL, f"the queue in {data} is in use by another process") from error


def _server(wanted: Wanted) -> tuple[str, int]:
    """Host name and largest message by the settings, else by their defaults."""
    from mailsuite.cli.options import load_settings
    from mailsuite.config import Config, system_hostname

    try:
        config = load_settings(Path(named) if (named := wanted.values.get("config")) else None)
        found = config.config
    except UserError:
        found = Config()
    return found.hostname or system_hostname(), found.limits.max_message_size
