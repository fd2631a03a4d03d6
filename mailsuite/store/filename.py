"""Pure. File names: `<base>,U=<uid>,S=<size>,W=<wire size>[,D=<seconds>][,Z=<zone>]:2,<flags>`.

The base, `<seconds>.<unique>.<host>`, is made once and stays with the message through flag changes,
copies and moves: it names the message, and its seconds are when it was saved, unless D= says
another time (RFC 8474, RFC 8514). The internal date is the file's modification time; `Z=` is the
zone, as in +0530, in which it was given. `E=0`: the octets do not end with a line's end. Fields and
flag letters of other programs are kept.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

_BASE = re.compile(r"[!-+\--9;-~]+\Z")  # visible ASCII without "," ":" (and "/", refused below)
_OURS = re.compile(
    r"([^,:]*),U=[1-9][0-9]{0,8}(,S=[1-9][0-9]{0,17},W=[1-9][0-9]{0,17})(?:,D=[0-9]{1,18})?"
    r"(,Z=[+-][0-9]{4})?(?::.*)?\Z",
    re.DOTALL,
)
_COMMON = re.compile(
    r"([^,:]*+)(?:,U=([1-9][0-9]{0,8}))?(?:,S=([0-9]{1,18}))?(?:,W=([0-9]{1,18}))?(?::2,(.*))?\Z",
    re.DOTALL,
)
"""What nearly every name is like."""
_UNNUMBERED = re.compile(
    r"([0-9]{1,10}\.[!-+\-.0-9;-~]*),S=([1-9][0-9]{0,17}),W=([1-9][0-9]{0,17})(?::2,([A-Za-z]*))?\Z"
)
Unnumbered: TypeAlias = tuple[str, int, str | None]
"""Base, octets over the wire, flag letters."""
_SAFE_ID = re.compile(r"[^A-Za-z0-9_-]")
_ZONE = re.compile(r"([+-])([0-9]{2})([0-5][0-9])", re.ASCII)
_FIELDS = ("U=", "S=", "W=", "D=")
OPEN_END = "E=0"
"""Among the further fields: the last line has no CRLF, as a client that sends the message adds."""
MAX_UID = 0xFFFFFFFF


class FileName(NamedTuple):
    """A file name taken apart.

    base   before the first ","
    uid    of `U=`, or None
    size   octets of the file by `S=`, or None
    wire   octets with CRLF line ends by `W=`, or None; equal to `size`: given back as it is
    saved  seconds of `D=`: since when it is in this mailbox, or None: since the base was made
    zone   minutes east of UTC by `Z=`, of the internal date; 0: none is told
    extra  further fields, as they were
    info   flag letters after ":2,"; None when there is no info part
    """

    base: str
    uid: int | None = None
    size: int | None = None
    wire: int | None = None
    extra: tuple[str, ...] = ()
    info: str | None = None
    saved: int | None = None
    zone: int = 0

    def __str__(self) -> str:
        fields = [self.base]
        if self.uid is not None:
            fields.append(f"U={self.uid}")
        if self.size is not None:
            fields.append(f"S={self.size}")
        if self.wire is not None:
            fields.append(f"W={self.wire}")
        if self.saved is not None:
            fields.append(f"D={self.saved}")
        if self.zone:
            fields.append(f"Z={zone_text(self.zone)}")
        fields.extend(self.extra)
        head = ",".join(fields)
        return head if self.info is None else f"{head}:2,{self.info}"

    def with_uid(self, uid: int) -> FileName:
        """The same message under another UID."""
        return self._replace(uid=uid)

    def with_flags(self, letters: str) -> FileName:
        """The same file with these flag letters."""
        return self._replace(info=letters)

    @property
    def is_plain(self) -> bool:
        """The name has only characters that are safe everywhere, and is not too long."""
        return self.plain is not None

    @property
    def plain(self) -> str | None:
        """The name as a text, None unless it `is_plain`."""
        text = str(self)
        safe = (
            len(text) < 240
            and _BASE.match(self.base) is not None
            and text.isascii()
            and text.isprintable()
            and "/" not in text
        )
        return text if safe else None


def parse(name: str) -> FileName:
    """Take any file name apart; never raises. What is not understood stays in base and extra."""
    common = _COMMON.match(name)
    if common is not None:
        base, own, size, wire, info = common.groups()
        return FileName(
            base,
            None if own is None else int(own),
            None if size is None else int(size),
            None if wire is None else int(wire),
            (),
            info,
        )
    head, colon, info = name.partition(":")
    letters: str | None = None
    if colon:
        letters = info[2:] if info.startswith("2,") else ""
    base, *fields = head.split(",")
    numbers: dict[str, int] = {}
    extra = []
    zone = 0
    for field in fields:
        key, value = field[:2], field[2:]
        known = key in _FIELDS and value.isascii() and value.isdigit()
        if known and len(value) <= 19 and key not in numbers:
            numbers[key] = int(value)
        elif key == "Z=" and not zone and (minutes := zone_minutes(value)):
            zone = minutes
        else:
            extra.append(field)
    uid = numbers.get("U=")
    if uid is not None and not 0 < uid <= MAX_UID:
        uid = None
    return FileName(
        base,
        uid,
        numbers.get("S="),
        numbers.get("W="),
        tuple(extra),
        letters,
        numbers.get("D="),
        zone,
    )


def unnumbered(name: str, size: int) -> Unnumbered | None:
    """What a file's name tells when it lacks nothing but a UID: most names that Dovecot has given.

    None: it lacks more, has more, or says another size than the file has: `parse` it.
    """
    found = _UNNUMBERED.match(name)
    if found is None or len(name) > 220:
        return None
    base, size_text, wire_text, info = found.groups()
    wire = int(wire_text)
    return (base, wire, info) if int(size_text) == size and wire >= size else None


def numbered(base: str, uid: int, size: int, wire: int, info: str | None) -> str:
    """The whole name of such a file with its UID."""
    head = f"{base},U={uid},S={size},W={wire}"
    return head if info is None else f"{head}:2,{info}"


def with_end(extra: tuple[str, ...], *, is_open: bool) -> tuple[str, ...]:
    """Further fields that tell whether the octets end with a line's end."""
    others = tuple(field for field in extra if field != OPEN_END)
    return (*others, OPEN_END) if is_open else others


def zone_minutes(text: str) -> int:
    """+0530 in minutes; 0 for what is no zone."""
    found = _ZONE.fullmatch(text)
    if found is None:
        return 0
    minutes = int(found[2]) * 60 + int(found[3])
    return -minutes if found[1] == "-" else minutes


def zone_text(minutes: int) -> str:
    """The inverse."""
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{rest:02}"


def elsewhere(name: str, uid: int, letters: str, saved: int) -> str:
    """The message's name in another mailbox: in new/ when it has no letters."""
    plain = _OURS.match(name)
    if plain is None:
        return str(parse(name)._replace(uid=uid, info=letters or None, saved=saved))
    base, sizes, zone = plain.groups()
    head = f"{base},U={uid}{sizes},D={saved}{zone or ''}"
    return f"{head}:2,{letters}" if letters else head


def saved(name: FileName) -> int | None:
    """Since when the message is in its mailbox, in seconds; None when the name does not tell."""
    if name.saved is not None:
        return name.saved
    seconds = name.base.partition(".")[0]
    known = seconds.isascii() and seconds.isdigit() and len(seconds) <= 10
    return int(seconds) if known else None


def identity(name: FileName) -> str:
    """What copies of a message share and no other message has: letters and digits."""
    # A base of another program may be less than unique.
    text = f"{undelivered(name.base)} {name.wire or 0}"
    return blake2b(text.encode(errors="surrogateescape"), digest_size=14).hexdigest()


def undelivered(base: str) -> str:
    """The base without a delivery mark."""
    mark = delivery_of(base)
    return base if mark is None else base.replace(mark, "", 1)


def head(name: str) -> str:
    """What stays the same when another program changes the flags: all before ":"."""
    return name.partition(":")[0]


def letters_of(name: str) -> str:
    """The flag letters of a name, sorted, each once; "" without info."""
    return letters(name.partition(":2,")[2])


def letters(info: str) -> str:
    """The same of what follows ":2,"."""
    if not info:
        return ""
    return "".join(sorted({letter for letter in info if letter.isascii() and letter.isalpha()}))


def relettered(name: str, letters: str) -> str:
    """The name with these flag letters."""
    return f"{head(name)}:2,{letters}"


def delivery_mark(delivery_id: str) -> str:
    """How a delivery id is written in the unique part: one word, whatever the id holds."""
    text = _SAFE_ID.sub(lambda found: "+" + found[0].encode().hex(), delivery_id)
    if len(text) > 64:
        text = "+" + blake2b(delivery_id.encode(), digest_size=16).hexdigest()
    return f"D{text}"


def delivery_of(base: str) -> str | None:
    """The delivery mark in a base, or None."""
    unique = base.split(".")[1:2]
    if unique:
        before, _, mark = unique[0].partition("D")
        if mark and before.startswith("M") and "Q" in before:
            return "D" + mark
    return None


def make_base(now: float, token: str, counter: int, host: str, mark: str | None) -> str:
    """A base that no other message has: `token` is the process's own, `counter` counts in it."""
    seconds = int(now)
    micro = int((now - seconds) * 1_000_000)
    return f"{seconds}.M{micro}P{token}Q{counter}{mark or ''}.{host}"


def safe_host(host: str) -> str:
    r"""A host name for file names: "/" and ":" as octal escapes by the Maildir convention."""
    text = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in host)
    return text[:64] or "localhost"
