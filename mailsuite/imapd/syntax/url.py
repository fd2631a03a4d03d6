"""Pure. IMAP URLs of messages and their parts (RFC 5092), with URLAUTH (RFC 4467).

    imap://user@host/mailbox;UIDVALIDITY=1/;UID=2/;SECTION=1.2/;PARTIAL=0.100;EXPIRE=...;URLAUTH=...
    /mailbox/;UID=2            relative: this server, this user
    ;UID=2/;SECTION=1          relative: the selected mailbox

Takes any octets; raises ValueError for what is no such URL. Names of mailboxes are UTF-8 in URLs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote_to_bytes

from mailsuite.imapd.syntax.cursor import MAX_NUMBER, MAX_NUMBER64, Cursor, SyntaxProblem
from mailsuite.imapd.syntax.model import Section
from mailsuite.imapd.syntax.parse_fetch import section
from mailsuite.imapd.syntax.parse_mailbox import canonical

MAX_URL = 8192
"""Octets"""

# uchar, achar and bchar of RFC 5092 §11: nothing else stands there without being encoded,
# but for the @ of who may use it: names of accounts have one.
_ACHAR = r"(?:[A-Za-z0-9._~!$'()*+,&=-]|%[0-9A-Fa-f]{2})"
_BCHAR = _ACHAR.replace("A-Z", ":@/A-Z", 1)
_NZ = "[1-9][0-9]*"
_SERVER = re.compile(
    rf"imap://(?:(?=[^/@])(?P<user>{_ACHAR}*)(?:;AUTH={_ACHAR}+)?@)?"
    rf"(?P<host>\[[0-9A-Fa-f:.]+\]|(?:;|{_ACHAR})+)(?::(?P<port>[0-9]{{0,5}}))?/",
    re.IGNORECASE,
)
_MESSAGE = re.compile(
    rf"(?:(?P<mailbox>{_BCHAR}+?)(?:;UIDVALIDITY=(?P<uidvalidity>{_NZ}))?/)?;UID=(?P<uid>{_NZ})"
    rf"(?:/;SECTION=(?P<section>{_BCHAR}+?))?"
    rf"(?:/;PARTIAL=(?P<first>[0-9]+)(?:\.(?P<count>{_NZ}))?)?"
    rf"(?P<authorized>(?:;EXPIRE=(?P<expire>[0-9T:.Z+-]+))?;URLAUTH=(?P<access>(?:@|{_ACHAR})+))?"
    r"(?P<verifier>:(?P<mechanism>[A-Za-z0-9.-]+):(?P<token>[0-9A-Fa-f]{32,}))?",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+://|//")
_PRINTABLE = re.compile(r"[!-~]+")
_DATE_TIME = re.compile(
    r"[0-9]{4}(?:-[0-9]{2}){2}T[0-9]{2}(?::[0-9]{2}){2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)
_WHO = re.compile(r"(user|submit)\+(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use it (RFC 4467 §3): "user" and "submit" with a name; "authuser", "anonymous"."""

    kind: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """A message, or some octets of it.

    user, host   None where the URL is relative, or names no user
    mailbox      None: the selected one
    partial      (first octet, count)
    expire       seconds since the epoch
    rump         the URL up to the verifier, as written: what a token vouches for
    token        hexadecimal, lower-case
    """

    uid: int
    mailbox: str | None
    user: str | None = None
    host: str | None = None
    uidvalidity: int | None = None
    section: Section = field(default_factory=Section)
    partial: tuple[int, int] | None = None
    expire: float | None = None
    access: Access | None = None
    rump: str = ""
    mechanism: str | None = None
    token: str | None = None


def parse_url(text: str) -> MessageUrl:
    """Take a URL apart. Raises ValueError."""
    if len(text) > MAX_URL or not _PRINTABLE.fullmatch(text):
        raise ValueError("not printable ASCII, or too long")
    user = host = None
    rest = text
    if server := _SERVER.match(text):
        user = None if server["user"] is None else _decoded(server["user"])
        host = _decoded(server["host"]).lower()
        _number(server["port"] or "0", 65535, 0)
        rest = text[server.end() :]
    elif _SCHEME.match(text):
        raise ValueError("not an IMAP URL")
    found = _MESSAGE.fullmatch(rest)
    if found is None or (found["verifier"] and not found["access"]):
        raise ValueError("not the URL of a message")
    name = found["mailbox"]
    if host is None:
        name = name.removeprefix("/") if name else None
    return MessageUrl(
        uid=_number(found["uid"], MAX_NUMBER),
        mailbox=_mailbox(name) if name else None,
        user=user or None,
        host=host,
        uidvalidity=_optional(found["uidvalidity"]),
        section=_section(found["section"]),
        partial=_partial(found["first"], found["count"]),
        expire=None if found["expire"] is None else _time(found["expire"]),
        access=None if found["access"] is None else _access(_decoded(found["access"])),
        rump=text[: len(text) - len(found["verifier"] or "")],
        mechanism=None if found["mechanism"] is None else found["mechanism"].upper(),
        token=None if found["token"] is None else found["token"].lower(),
    )


def _decoded(text: str) -> str:
    """Percent-encoded UTF-8. Raises ValueError."""
    if "%00" in text:
        raise ValueError("NUL stands in no name")
    return unquote_to_bytes(text).decode("utf-8")


def _mailbox(text: str) -> str:
    return canonical(_decoded(text))


def _number(text: str, high: int, low: int = 1) -> int:
    value = int(text) if len(text) <= 20 else -1
    if not low <= value <= high:
        raise ValueError("a number out of range")
    return value


def _optional(text: str | None) -> int | None:
    return None if text is None else _number(text, MAX_NUMBER)


def _section(text: str | None) -> Section:
    if text is None:
        return Section()
    cursor = Cursor((f"[{_decoded(text)}]".encode(),))
    try:
        found = section(cursor)
        cursor.end()
    except SyntaxProblem as problem:
        raise ValueError(str(problem)) from None
    return found


def _partial(first: str | None, count: str | None) -> tuple[int, int] | None:
    if first is None:
        return None
    begin = _number(first, MAX_NUMBER64, 0)
    return begin, MAX_NUMBER64 if count is None else _number(count, MAX_NUMBER64)


def _time(text: str) -> float:
    """RFC 3339 date-time."""
    if not _DATE_TIME.fullmatch(text):
        raise ValueError("no date-time")
    return datetime.fromisoformat(text.upper()).timestamp()


def _access(text: str) -> Access:
    if who := _WHO.fullmatch(text):
        return Access(who[1].lower(), who[2])
    if text.lower() in ("authuser", "anonymous"):
        return Access(text.lower())
    raise ValueError("no such access identifier")
