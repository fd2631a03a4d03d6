"""Pure. What a submission server adds to and takes out of a header block (RFC 6409 §8, row M2).

Missing Date, From, To and Message-ID are added, a Date or Message-ID that breaks its syntax is
replaced, Sender added where From is somebody else's, Bcc and Return-Path removed, overlong lines
folded; every other octet stays where it is.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from mailsuite.message.address import mailboxes, parse_addresses
from mailsuite.message.date import format_date, is_date, parse_date
from mailsuite.message.folding import fold_long_lines
from mailsuite.message.header import Field, fields, split_header
from mailsuite.message.limits import Limits
from mailsuite.message.writing import Mailbox, MailboxGroup, address_field

_ALL = Limits(fields=1 << 30)
_MAX_AUTHORS = 50  # addresses of From that are looked at
# Row M3: where an added field goes. After trace fields; fields of other names stand behind.
_TRACE = ("return-path", "received", "delivered-to")
_ORDER = ("date", "from", "subject", "sender", "to", "cc")
_ID = re.compile(rb"[^<>]*+<[^<>\s@][^<>@]*+@[^<>]++(?<!\s)>[^<>]*+")
_DESTINATIONS = ("to", "cc", "bcc", "apparently-to")


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who hands the message in.

    address     the one to name: the envelope sender, or the account's own
    owns        whether an address is the submitter's too
    recipients  of the envelope
    apparently  write Apparently-From and Apparently-To, as mail systems of old, instead of From and
                `To: undisclosed-recipients:;`. The latter only for a single recipient who was not
                a Bcc one, for it would tell the others of each other.
    """

    address: str
    owns: Callable[[str], bool]
    recipients: tuple[str, ...] = ()
    apparently: bool = False


def repair_submission(
    block: bytes,
    *,
    now: float,
    hostname: str,
    message_id: Callable[[], str],
    zone: int = 0,
    submitter: Submitter | None = None,
) -> bytes:
    """The header block with what it must have and without Bcc, Resent-Bcc and Return-Path.

    block       the header with or without its blank line; octets after the blank line are kept too
    now, zone   seconds since the epoch, and minutes east of Greenwich, for the Date: local time
                (RFC 5322 §3.3)
    message_id  gives a unique id-left, or a whole msg-id in angle brackets; only called if needed
    submitter   None: From, Sender and To are left as they are

    Where the block holds no field at all it is taken as the beginning of a body and put below a
    blank line. A resent message (RFC 5322 §3.6.6) keeps its author, sender and recipients; what it
    lacks of Resent-Date, Resent-From and Resent-Sender is added.
    """
    _, end = split_header(block)
    head, rest = block[:end], block[end:]
    found = fields(head, limits=_ALL)
    if head and not any(field.name for field in found):
        found, rest = [], b"\r\n" + block
    elif found and not found[-1].raw.endswith(b"\n"):
        found[-1] = Field(found[-1].raw + b"\r\n")
    lines = _Lines(found)
    hidden = lines.remove("bcc") | lines.remove("resent-bcc")
    lines.remove("return-path")  # the delivering server's to write (RFC 5321 §4.4)
    if "date" not in lines:
        lines.add(b"Date: " + format_date(now, offset=zone) + b"\r\n")
    lines.mend("date", lambda value: _date(value, now, zone))
    resent = any(field.key.startswith("resent-") for field in lines.found)
    if resent:
        _resent(lines, submitter, format_date(now, offset=zone))
    if submitter is not None and not resent:
        _authors(lines, submitter)
        if not any(key in lines for key in _DESTINATIONS):
            lines.add(_destination(submitter, hidden))
    if "message-id" not in lines:
        lines.add(_message_id(message_id(), hostname))
    lines.mend("message-id", lambda value: _id(value, message_id, hostname))
    return fold_long_lines(b"".join(field.raw for field in lines.found)) + rest


class _Lines:
    """The fields of a header block, to be changed."""

    __slots__ = ("found",)

    def __init__(self, found: list[Field]) -> None:
        self.found = found

    def __contains__(self, key: str) -> bool:
        return any(field.key == key for field in self.found)

    def all(self, key: str) -> list[Field]:
        return [field for field in self.found if field.key == key]

    def remove(self, key: str) -> bool:
        """Take all fields of a name away; whether there were any."""
        before = len(self.found)
        self.found = [field for field in self.found if field.key != key]
        return len(self.found) < before

    def mend(self, key: str, mended: Callable[[bytes], bytes]) -> None:
        """Put `mended` of the body of the first field of a name in its place; b"" leaves it."""
        for place, field in enumerate(self.found):
            if field.key == key:
                if raw := mended(field.unfolded):
                    self.found[place] = Field(raw)
                return

    def add(self, raw: bytes) -> None:
        """Put a field in its place by row M3."""
        field = Field(raw)
        at = len(self.found)
        if field.key in _ORDER:
            before = _ORDER[: _ORDER.index(field.key)]
            places = [i for i, other in enumerate(self.found) if other.key in before]
            at = places[-1] + 1 if places else self._after_trace()
        self.found.insert(at, field)

    def begin_resent(self, raw: bytes) -> None:
        """Put a field before the first Resent field, which is of the last resending."""
        resent = [field.key.startswith("resent-") for field in self.found]
        self.found.insert(resent.index(True), Field(raw))

    def _after_trace(self) -> int:
        """Behind trace fields, and behind lines at the very beginning that are no field.

        These would become folds of what is put before them.
        """
        at = 0
        while at < len(self.found) and self.found[at].raw[:1] in (b" ", b"\t"):
            at += 1
        while at < len(self.found) and self.found[at].key in _TRACE:
            at += 1
        return at


def _authors(lines: _Lines, submitter: Submitter) -> None:
    """From and Sender agree with who hands the message in (RFC 6409 §8.1, RFC 5322 §3.6.2)."""
    if not submitter.address:
        return
    mine = Mailbox("", submitter.address)
    if "from" not in lines:
        name = "Apparently-From" if submitter.apparently else "From"
        if name.lower() not in lines:
            lines.add(_addresses(name, mine))
        return
    authors = _of(lines, "from")
    senders = _of(lines, "sender")
    if "sender" in lines and any(map(submitter.owns, senders)):
        return
    if len(authors) == 1 and submitter.owns(authors[0]):
        lines.remove("sender")  # another's name
        return
    if len(authors) > 1 and (owned := next(filter(submitter.owns, authors), "")):
        mine = Mailbox("", owned)
    lines.remove("sender")
    lines.add(_addresses("Sender", mine))


def _resent(lines: _Lines, submitter: Submitter | None, date: bytes) -> None:
    """RFC 5322 §3.6.6: Resent-Date and Resent-From must be there, and say who resent it.

    Of several sets the first is the one of now.
    """
    if "resent-date" not in lines:
        lines.begin_resent(b"Resent-Date: " + date + b"\r\n")
    if submitter is None or not submitter.address:
        return
    mine = Mailbox("", submitter.address)
    if "resent-from" not in lines:
        lines.begin_resent(_addresses("Resent-From", mine))
        return
    first = [found[0] for key in ("resent-from", "resent-sender") if (found := lines.all(key))]
    named = [who for field in first for who in _in(field.unfolded)]
    if not any(map(submitter.owns, named)):
        lines.begin_resent(_addresses("Resent-Sender", mine))


def _of(lines: _Lines, key: str) -> list[str]:
    return _in(b",".join(field.unfolded for field in lines.all(key)))


def _in(value: bytes) -> list[str]:
    return [one.address for one in mailboxes(parse_addresses(value))[:_MAX_AUTHORS]]


def _destination(submitter: Submitter, hidden: bool) -> bytes:
    if submitter.apparently and len(submitter.recipients) == 1 and not hidden:
        return _addresses("Apparently-To", Mailbox("", submitter.recipients[0]))
    return address_field("To", [MailboxGroup("undisclosed-recipients")])


def _addresses(name: str, mailbox: Mailbox) -> bytes:
    try:
        return address_field(name, [mailbox], utf8=not mailbox.address.isascii())
    except ValueError:  # "postmaster" alone is an address in an envelope
        return f"{name}: {mailbox.address}\r\n".encode()


def _date(value: bytes, now: float, zone: int) -> bytes:
    """A Date field in place of one that breaks the syntax; b"": it does not (RFC 6409 §8.2)."""
    if is_date(value):
        return b""
    meant = parse_date(value)
    if meant is None:
        return b"Date: " + format_date(now, offset=zone) + b"\r\n"
    offset = meant.utcoffset() or timedelta()
    return (
        b"Date: "
        + format_date(meant.timestamp(), offset=int(offset.total_seconds()) // 60)
        + b"\r\n"
    )


def _id(value: bytes, message_id: Callable[[], str], hostname: str) -> bytes:
    """The same for Message-ID (§8.3). What is in brackets and has an @ is taken for one."""
    return b"" if _ID.fullmatch(value) else _message_id(message_id(), hostname)


def _message_id(unique: str, hostname: str) -> bytes:
    whole = unique if unique.startswith("<") else f"<{unique}@{hostname}>"
    return f"Message-ID: {whole}\r\n".encode("ascii")
