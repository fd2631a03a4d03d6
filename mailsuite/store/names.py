"""Pure. Mailbox names <-> Maildir++ folder names, and addresses -> account folders.

Outside: Unicode, "/" between levels. On disk: `.Work.2024`, each level in modified UTF-7 (RFC 3501
§5.1.3), "." between levels. A "." within a level and other octets that mean something to a file
system are written in the base64 of modified UTF-7, which every decoder reads back. So no name can
point outside the account, whatever a client asks for.
"""

import binascii
import re
from functools import lru_cache
from hashlib import blake2b

from mailsuite.store.errors import InvalidName

INBOX = "INBOX"
MAX_OCTETS = 255
_DANGEROUS = frozenset('&./\\~:*?"<>|')
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PLAIN = re.compile(r"""[^\x00-\x1f\x7f-\U0010ffff&./\\~:*?"<>|]*\Z""")
_SAFE_IN_PATH = re.compile(r"[^a-z0-9_+=@.-]")


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """Check a mailbox name and spell INBOX, alone or as the first level, in capitals.

    Raises InvalidName.
    """
    if not name or _CONTROL.search(name):
        raise InvalidName("a mailbox name has at least one character and no control characters")
    levels = name.split("/")
    if "" in levels:
        raise InvalidName("a level of the mailbox name is empty")
    if levels[0].lower() == "inbox":  # not by capitals: that of a dotless i is an I
        levels[0] = INBOX
    name = "/".join(levels)
    if len(_encode(levels)) > MAX_OCTETS:
        raise InvalidName("the mailbox name is too long")
    return name


@lru_cache(maxsize=4096)
def to_folder(name: str) -> str:
    """The folder of a canonical name: "" for INBOX (the Maildir itself), else ".A.B"."""
    return "" if name == INBOX else _encode(name.split("/"))


def from_folder(folder: str) -> str | None:
    """The canonical name of a folder, or None when it is not one of a mailbox."""
    if folder == "":
        return INBOX
    if not folder.startswith("."):
        return None
    try:
        name = canonical("/".join(_decode_level(level) for level in folder[1:].split(".")))
    except (InvalidName, ValueError):
        return None
    return None if name == INBOX else name


def to_storage(name: str) -> str:
    """A canonical name as other programs' files (`subscriptions`) spell it: `Work.2024`."""
    return to_folder(name)[1:] or INBOX


def from_storage(text: str) -> str | None:
    """The reverse of `to_storage`."""
    return INBOX if text.lower() == "inbox" else from_folder("." + text)


def parents(name: str) -> list[str]:
    """The names of the levels above, outermost first."""
    levels = name.split("/")
    return ["/".join(levels[:count]) for count in range(1, len(levels))]


def account_folder(address: str) -> tuple[str, str]:
    """The two folder names (domain, local part) of an account; distinct for distinct addresses.

    Case is folded. Octets that could mean something to a file system are written as `%XX`.
    """
    local, at, domain = address.lower().rpartition("@")
    return (_safe(domain), _safe(local)) if at else (_safe(""), _safe(domain))


def _safe(text: str) -> str:
    if not text:
        return "%"
    out = _SAFE_IN_PATH.sub(
        lambda found: "".join(f"%{octet:02X}" for octet in found[0].encode(errors="replace")), text
    )
    if out.startswith("."):
        out = "%2E" + out[1:]
    if len(out) > MAX_OCTETS:
        digest = blake2b(text.encode(errors="replace"), digest_size=16).hexdigest()
        out = f"{out[:200]}%{digest}"
    return out


# -- modified UTF-7 ------------------------------------------------------------------------------


def _encode(levels: list[str]) -> str:
    return "".join("." + _encode_level(level) for level in levels)


def _encode_level(level: str) -> str:
    if _PLAIN.match(level):  # nearly every name
        return level
    out: list[str] = []
    run: list[str] = []
    for character in level:
        if " " <= character <= "~" and character not in _DANGEROUS:
            if run:
                out.append(_shifted("".join(run)))
                run.clear()
            out.append(character)
        elif character == "&" and not run:
            out.append("&-")
        else:
            run.append(character)
    if run:
        out.append(_shifted("".join(run)))
    return "".join(out)


def _shifted(text: str) -> str:
    base64 = binascii.b2a_base64(text.encode("utf-16-be"), newline=False)
    return "&" + base64.decode("ascii").rstrip("=").replace("/", ",") + "-"


def _decode_level(level: str) -> str:
    """Raises ValueError for what is not modified UTF-7, or holds a separator."""
    out: list[str] = []
    rest = level
    while rest:
        plain, shift, rest = rest.partition("&")
        out.append(plain)
        if not shift:
            break
        base64, end, rest = rest.partition("-")
        if not end:
            raise ValueError("unfinished base64")
        out.append(_unshifted(base64) if base64 else "&")
    text = "".join(out)
    if "/" in text:
        raise ValueError("separator within a level")
    return text


def _unshifted(base64: str) -> str:
    padded = base64.replace(",", "/") + "=" * (-len(base64) % 4)
    octets = binascii.a2b_base64(padded.encode("ascii"), strict_mode=True)
    return octets.decode("utf-16-be")
