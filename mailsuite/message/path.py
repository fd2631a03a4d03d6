"""Pure. Paths and parameters of MAIL and RCPT (RFC 5321 §4.1.2, RFC 6531 §3.3), and address keys.

The grammar is taken by the letter, with four leniencies in paths. Blanks after the colon, and an
address without its angle brackets: old devices and small programs send both. Dots where no
Dot-string has them (`a..b@c`, `.a@c`, `a.@c`): some providers have given out such addresses; they
are quoted from then on, as RFC 5321 wants them. A local part longer than 64 octets, as senders that
name the recipient in it have (VERP, SRS): §4.5.3.1 wants no such limit where it can be avoided.
Errors are ValueErrors that say which part was wrong.
"""

from __future__ import annotations

import re
import unicodedata

from mailsuite.message.domain import MAX_DOMAIN, normalise_domain

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"
_DOT_STRING = re.compile(rf"{_ATEXT}++(?:\.{_ATEXT}++)*+")
_ANY_DOTS = re.compile(rf"(?:\.|{_ATEXT})++")
_QUOTED_STRING = re.compile(r'"((?:[ !#-\[\]-~\u0080-\U0010ffff]++|\\[ -~])*+)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
_DOMAIN = re.compile(r"\[[^\[\]\\\x00-\x20\x7f]+\]|[A-Za-z0-9\u0080-\U0010ffff.-]+")
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*+")
_VALUE = re.compile(r"[!-<>-~\u0080-\U0010ffff]++")

MAX_LOCAL = 64
"""Octets of a local part (RFC 5321 §4.5.3.1.1); one that others have given out may be longer."""
MAX_PATH = 256
"""Octets of a path with its punctuation (RFC 5321 §4.5.3.1.3)."""
_MAX_ROUTE_HOPS = 20


class PathError(ValueError):
    """The address in the argument of MAIL or RCPT is wrong (replies 501 5.1.7, 501 5.1.3)."""


class ParameterError(ValueError):
    """A parameter after the path is wrong in its form (reply 501 5.5.4)."""


def parse_mail_argument(argument: str | bytes) -> tuple[str, dict[str, str | None]]:
    """`FROM:<path> [parameters]` into the address ("" for `<>`) and the parameters.

    Keywords come in upper case, values as written, None where there is no `=`. Raises PathError,
    ParameterError, or ValueError where not even `FROM:` is there.
    """
    text = _text(argument)
    path, at = _path_at(text, _after_keyword(text, "FROM:"), null=True, bare=True)
    return path, _parameters(text, at)


def parse_rcpt_argument(argument: str | bytes) -> tuple[str, dict[str, str | None]]:
    """`TO:<path> [parameters]`, as parse_mail_argument; `<postmaster>` gives "postmaster"."""
    text = _text(argument)
    path, at = _path_at(text, _after_keyword(text, "TO:"), postmaster=True, bare=True)
    return path, _parameters(text, at)


def parse_path(path: str | bytes, *, null: bool = False, postmaster: bool = False) -> str:
    """`<route:local@domain>` into the address in canonical form; the route is dropped.

    null: accept `<>` (reverse-path) and give ""; postmaster: accept `<postmaster>` without a
    domain (forward-path) and give "postmaster". Raises PathError.
    """
    text = _text(path)
    address, at = _path_at(text, 0, null=null, postmaster=postmaster)
    if at != len(text):
        raise PathError("text after the path")
    return address


def parse_mailbox(mailbox: str | bytes, most: int = MAX_LOCAL) -> str:
    """`local@domain` (RFC 5321 Mailbox, no brackets) into the canonical form. Raises PathError.

    Canonical: quotes only where the local part needs them, its case kept; the domain in lower case
    and A-labels. most: octets of the local part.
    """
    text = _text(mailbox)
    address, at = _mailbox_at(text, 0, _DOT_STRING, most)
    if at != len(text):
        raise PathError("text after the address")
    return address


def split_address(address: str) -> tuple[str, str]:
    """(local part without quoting, domain) of a canonical address; the domain may be ""."""
    local, at, domain = address.rpartition("@")
    if not at or (domain.endswith('"') and address.startswith('"')):
        local, domain = address, ""
    if len(local) >= 2 and local[0] == local[-1] == '"':
        local = _QUOTED_PAIR.sub(r"\1", local[1:-1])
    return local, domain


def quote_local(local: str) -> str:
    """A local part as it is written in an address: quoted where it is no Dot-string."""
    if _DOT_STRING.fullmatch(local):
        return local
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'


def address_key(address: str) -> str:
    """A form in which addresses that the directory holds to be the same are equal.

    The local part without quoting, NFC and case-folded; the domain as `normalise_domain` gives it.
    An address without a domain is its local part. Raises ValueError for a bad domain.
    """
    local, domain = split_address(address)
    folded = local.casefold() if local.isascii() else _fold(local)
    return f"{folded}@{normalise_domain(domain)}" if domain else folded


def _fold(local: str) -> str:
    if len(local) > MAX_LOCAL:  # nobody's; to compose it may take long
        return local.casefold()
    composed = unicodedata.normalize("NFC", local)
    return unicodedata.normalize("NFC", composed.casefold())


def _text(argument: str | bytes) -> str:
    if isinstance(argument, str):
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            raise PathError("not UTF-8") from None
        return argument
    try:
        return argument.decode("utf-8")
    except UnicodeDecodeError:
        raise PathError("not UTF-8") from None


def _after_keyword(text: str, keyword: str) -> int:
    text_start = len(text) - len(text.lstrip(" "))
    at = text_start + len(keyword)
    if text[text_start:at].upper() != keyword:
        raise ValueError(f"{keyword} is missing")
    while text[at : at + 1] == " ":
        at += 1
    return at


def _path_at(
    text: str, start: int, *, null: bool = False, postmaster: bool = False, bare: bool = False
) -> tuple[str, int]:
    """The address in the path at `start` (`bare`: or without brackets), and where it ends."""
    if text[start : start + 1] != "<":
        if not bare:
            raise PathError("address is not in angle brackets")
        return _bare_at(text, start, postmaster=postmaster)
    at = start + 1
    if text[at : at + 1] == ">":
        if null:
            return "", at + 1
        raise PathError("address is empty")
    if postmaster and text[at : at + 11].lower() == "postmaster>":
        return "postmaster", at + 11
    if text[at : at + 1] == "@":
        at = _route_end(text, at)
    address, at = _mailbox_at(text, at, _ANY_DOTS, MAX_PATH)
    if text[at : at + 1] != ">":
        raise PathError("bad domain" if text[at : at + 1] else "address is not closed")
    at += 1
    if len(text[start:at].encode("utf-8")) > MAX_PATH:
        raise PathError("address is longer than 256 octets")
    return address, at


def _bare_at(text: str, start: int, *, postmaster: bool) -> tuple[str, int]:
    """The same without angle brackets: a Mailbox that ends at a blank or where the text ends."""
    if start == len(text):
        raise PathError("address is missing")
    name = text[start : start + 11].partition(" ")[0]
    if postmaster and name.lower() == "postmaster":
        return "postmaster", start + len(name)
    address, at = _mailbox_at(text, start, _ANY_DOTS, MAX_PATH)
    if text[at : at + 1] not in ("", " "):
        raise PathError("bad domain")
    if len(text[start:at].encode("utf-8")) > MAX_PATH - 2:
        raise PathError("address is longer than 254 octets")
    return address, at


def _route_end(text: str, at: int) -> int:
    """Read over a source route `@a,@b:`, which is accepted and ignored (RFC 5321 §4.1.1.3, §C)."""
    for _ in range(_MAX_ROUTE_HOPS):
        if text[at : at + 1] != "@":
            break
        _, at = _domain_at(text, at + 1)
        mark = text[at : at + 1]
        at += 1
        if mark == ":":
            return at
        if mark != ",":
            break
    raise PathError("bad source route")


def _mailbox_at(text: str, at: int, unquoted: re.Pattern[str], most: int) -> tuple[str, int]:
    """The canonical address of the Mailbox at `at`, and where it ends.

    most: octets of its local part.
    """
    match = _QUOTED_STRING.match(text, at)
    if match:
        local = _QUOTED_PAIR.sub(r"\1", match[1])
    else:
        match = unquoted.match(text, at)
        if match is None:
            raise PathError("bad local part")
        local = match[0]
    if len(local.encode("utf-8")) > most:
        raise PathError(f"local part is longer than {most} octets")
    at = match.end()
    if text[at : at + 1] != "@":
        raise PathError("bad local part" if text[at : at + 1] not in ("", ">") else "no domain")
    domain, at = _domain_at(text, at + 1)
    return f"{quote_local(local)}@{domain}", at


def _domain_at(text: str, at: int) -> tuple[str, int]:
    match = _DOMAIN.match(text, at)
    if match is None:
        raise PathError("bad domain")
    if len(match[0]) > MAX_DOMAIN:
        raise PathError("domain is longer than 255 octets")
    try:
        return normalise_domain(match[0]), match.end()
    except ValueError as error:
        raise PathError(str(error)) from None


def _parameters(text: str, at: int) -> dict[str, str | None]:
    """Mail-parameters / Rcpt-parameters from `at` to the end of the argument."""
    found: dict[str, str | None] = {}
    rest = text[at:]
    if rest.strip(" ") == "":
        return found
    if rest[0] != " ":
        raise PathError("text after the address")
    for word in rest.split(" "):
        if not word:
            continue
        keyword, equals, value = word.partition("=")
        if not _KEYWORD.fullmatch(keyword) or (equals and not _VALUE.fullmatch(value)):
            raise ParameterError("bad parameter")
        keyword = keyword.upper()
        if keyword in found:
            raise ParameterError(f"parameter {keyword} is given twice")
        found[keyword] = value if equals else None
    return found
