"""Pure. DKIM signatures (RFC 6376): which fields are signed, in what form, and the field itself.

    header = header_of(data, 0, len(data))                 # raises Unsignable
    field = signature(data, len(data), header, domain=…, selector=…, now=…, rsa=…)

Promises: relaxed/relaxed, rsa-sha256 (RFC 8301), the whole body; linear time; a mapped file of any
size costs no memory. Keeps no key: `rsa` signs. Never touches the message.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mailsuite.message.address import mailboxes, parse_addresses
from mailsuite.message.header import Field, fields, header_end
from mailsuite.message.limits import Limits
from mailsuite.message.traits import SLICE, Source

LIMIT = 1 << 19
"""Octets of a header block that is signed; submission takes half as much."""
_ALL = Limits(fields=1 << 30)
_MAX_AUTHORS = 50
_MAX_NAMES = 300  # in h=
_WIDTH = 76

# RFC 6376 §5.4.1, and what tells a reader how the body is to be read. One more than there are is
# named (§8.15): who sends the message again can't add another without breaking the signature.
_SEALED = (
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "reply-to",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
)
# Signed as they are; a list or somebody who resends the message may add its own.
_PLAIN = (
    "sender",
    "in-reply-to",
    "references",
    "auto-submitted",
    "content-disposition",
    "content-id",
    "content-description",
    "resent-date",
    "resent-from",
    "resent-sender",
    "resent-to",
    "resent-cc",
    "resent-message-id",
    "list-id",
    "list-help",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-subscribe",
    "list-post",
    "list-owner",
    "list-archive",
)


class Unsignable(ValueError):
    """A message that is not to be signed, because readers would not agree on it (RFC 6376 §3.8)."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a message that may be signed.

    authors  addresses in From, at least one
    body     where the body begins
    """

    fields: Mapping[str, list[Field]]
    authors: tuple[str, ...]
    body: int


def header_of(data: Source, start: int, end: int) -> Header:
    """Take the header of the message from `start` to `end` apart. Raises Unsignable."""
    stop = min(end, start + LIMIT)
    last, body = header_end(data, start, stop)
    if body == stop < end:
        raise Unsignable("the header is too large")
    block = data[start:last]
    ends = block.count(b"\r\n")
    if block.count(b"\r") != ends or block.count(b"\n") != ends or b"\0" in block:
        raise Unsignable("a header field holds NUL, CR or LF")
    if not block.endswith(b"\r\n") or data[last:body] not in (b"\r\n", b""):
        raise Unsignable("the header does not end with an empty line")
    found: dict[str, list[Field]] = {}
    for field in fields(block, limits=_ALL):
        if not field.name:
            raise Unsignable("a line of the header is no field")
        found.setdefault(field.key, []).append(field)
    return Header(found, _authors(found.get("from", [])), body)


def _authors(found: list[Field]) -> tuple[str, ...]:
    if len(found) != 1:
        raise Unsignable(f"there are {len(found)} From fields")
    addresses = mailboxes(parse_addresses(found[0].value))
    if not 1 <= len(addresses) <= _MAX_AUTHORS:
        raise Unsignable(f"From has {len(addresses)} addresses")
    if not all(each.mailbox and each.host for each in addresses):
        raise Unsignable("From has what is no address")
    return tuple(each.address for each in addresses)


def signature(
    data: Source,
    end: int,
    header: Header,
    *,
    domain: str,
    selector: str,
    now: float,
    rsa: Callable[[bytes], bytes],
) -> bytes:
    """The DKIM-Signature field, with its CRLF, for a message that ends at `end`.

    header    as `header_of` gives it for the same octets
    domain    in A-labels, and so is `selector` (RFC 8616 §5 lets them stay so)
    now       seconds since the epoch
    rsa       gives the RSASSA-PKCS1-v1_5 signature with SHA-256 of octets (RFC 6376 §3.3.2)

    Raises Unsignable.
    """
    names = _names(header.fields)
    hashed = body_hash(data[at : min(at + SLICE, end)] for at in range(header.body, end, SLICE))
    tags = [
        " v=1;",
        " a=rsa-sha256;",
        " c=relaxed/relaxed;",
        f" d={domain};",
        f" s={selector};",
        f" t={int(now)};",
        f" h={names[0]}",
        *(f":{name}" for name in names[1:]),
        ";",
        f" bh={base64.b64encode(hashed).decode('ascii')};",
    ]
    unsigned = (_folded(tags) + "\r\n b=").encode("ascii")
    # §3.7: the fields in the order of h=, then this one without its value of b= and last CRLF.
    signed = b"".join([*_chosen(header.fields, names), relaxed_field(Field(unsigned))[:-2]])
    value = base64.b64encode(rsa(signed))
    lines = [value[at : at + _WIDTH - 3] for at in range(0, len(value), _WIDTH - 3)]
    return unsigned + b"\r\n ".join(lines) + b"\r\n"


def _names(found: Mapping[str, list[Field]]) -> list[str]:
    names = [name for key in _SEALED for name in [key] * (len(found.get(key, ())) + 1)]
    names += [name for key in _PLAIN for name in [key] * len(found.get(key, ()))]
    if len(names) > _MAX_NAMES:
        raise Unsignable(f"{len(names)} header fields would have to be signed")
    return names


def _chosen(found: Mapping[str, list[Field]], names: Iterable[str]) -> Iterator[bytes]:
    """The fields that `names` stand for: of equal ones the last is taken first (§5.4.2)."""
    left = {key: list(several) for key, several in found.items()}
    for name in names:
        if several := left.get(name):
            yield relaxed_field(several.pop())


def _folded(tags: Iterable[str]) -> str:
    """The field so far: lines of less than 78 octets where no tag alone is longer."""
    lines = ["DKIM-Signature:"]
    for tag in tags:
        if tag == ";" or len(lines[-1]) + len(tag) <= _WIDTH:
            lines[-1] += tag
        elif tag.startswith(":"):  # white space may stand behind it (§3.5)
            lines[-1] += ":"
            lines.append(f" {tag[1:]}")
        else:
            lines.append(tag)
    return "\r\n".join(lines)


def relaxed_field(field: Field) -> bytes:
    """A field in relaxed form (RFC 6376 §3.4.2), with its CRLF."""
    value = _reduced(field.value.replace(b"\r\n", b"")).strip(b" ")
    return b"%b:%b\r\n" % (field.key.encode("ascii"), value)


def body_hash(blocks: Iterable[bytes]) -> bytes:
    """SHA-256 of a body that comes in `blocks`, in relaxed form."""
    body = RelaxedBody()
    for block in blocks:
        body.feed(block)
    return body.digest()


class RelaxedBody:
    """The hash of a body in relaxed form (RFC 6376 §3.4.4), however it is cut.

    White space is reduced first, then empty lines at the end go (erratum 1384). Only CRLF ends a
    line: CR and LF by themselves are octets as others are.
    """

    __slots__ = ("_hash", "_held", "_lines", "_some")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._held = b""  # at most a space and a CR, whose meaning the next octet decides
        self._lines = 0  # line ends that count only if something follows
        self._some = False

    def feed(self, block: bytes) -> None:
        """The next octets."""
        data = _reduced(self._held + block)
        if b" \r\n" in data:
            data = data.replace(b" \r\n", b"\r\n")
        whole = data.removesuffix(b"\r").removesuffix(b" ")
        self._held = data[len(whole) :]
        count = _line_ends(whole)
        self._put(whole[: len(whole) - 2 * count])
        self._lines += count

    def _put(self, octets: bytes) -> None:
        if not octets:
            return
        while self._lines:
            few = min(self._lines, SLICE)
            self._hash.update(b"\r\n" * few)
            self._lines -= few
        self._hash.update(octets)
        self._some = True

    def digest(self) -> bytes:
        """The hash. Feed nothing after it."""
        self._put(self._held if self._held.endswith(b"\r") else b"")
        if self._some:
            self._hash.update(b"\r\n")  # also where the last line has none (§3.4.4)
        return self._hash.digest()


def _reduced(data: bytes) -> bytes:
    """One space for each run of white space; each turn halves the runs, so there are few."""
    if b"\t" in data:
        data = data.replace(b"\t", b" ")
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data


def _line_ends(data: bytes) -> int:
    """How many CRLFs `data` ends with."""
    if not data.endswith(b"\r\n"):
        return 0
    rest = data.rstrip(b"\r\n")
    tail = data[len(rest) :]
    # The last place where CR and LF do not take turns.
    start = max(tail.rfind(b"\n\n"), tail.rfind(b"\r\r")) + 1
    return (len(tail) - start) // 2
