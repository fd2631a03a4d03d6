"""Pure. Addresses and domains as the directory compares and keeps them.

Case does not matter in our own addresses. The local part is kept in NFC and lower case (RFC 8265
§3.3, UsernameCaseMapped), the domain in lower case with A-labels (RFC 5890 §2.3.2.1).
"""

import re
import unicodedata

from mailsuite.base.errors import UserError
from mailsuite.message import normalise_domain

MAX_ADDRESS = 254  # octets, RFC 5321 §4.5.3.1.3 less the angle brackets
MAX_LOCAL_PART = 64  # octets, RFC 5321 §4.5.3.1.1
MAX_DOMAIN = 253  # octets without the final dot, RFC 1035 §2.3.4

# Dot-string of RFC 5321 §4.1.2 with the UTF-8 of RFC 6531 §3.3, without quoting.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]+"
_DOT_STRING = re.compile(rf"{_ATOM}(?:\.{_ATOM})*\Z")
_QUOTED_STRING = re.compile(r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"\Z')


def domain_key(domain: str) -> str | None:
    """The form in which a domain is compared, or None for what is no domain name."""
    domain = domain.removesuffix(".")
    if domain.startswith("["):
        return None  # an address literal: a host, never one of our domains
    try:
        key = normalise_domain(domain)
    except ValueError:
        return None
    return key if len(key) <= MAX_DOMAIN else None


def address_key(address: str) -> str | None:
    """The form in which an address of ours is compared, or None for what is no such address.

    Quoting that is not needed is taken off (RFC 5321 §4.1.2: `"alice"@` and `alice@` are equal).
    """
    local, at, domain = address.rpartition("@")
    if not at or len(address) > 4 * MAX_ADDRESS:
        return None
    if local[:1] == '"' and _QUOTED_STRING.match(local):
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    key = domain_key(domain)
    if key is None or not _DOT_STRING.match(local):
        return None
    local = local.lower() if local.isascii() else unicodedata.normalize("NFC", local.lower())
    if len(local.encode()) > MAX_LOCAL_PART or len(local.encode()) + len(key) + 1 > MAX_ADDRESS:
        return None
    return f"{local}@{key}"


def require_domain(domain: str) -> str:
    """`domain_key`, or a UserError that says what a domain looks like."""
    key = domain_key(domain)
    if key is None:
        raise UserError(
            f"not a domain name: {_shown(domain)} (expected something like example.org)"
        )
    return key


def require_address(address: str) -> str:
    """`address_key` of an address that can be an account, or a UserError."""
    key = address_key(address)
    if key is None or any(not character.isprintable() for character in key):
        raise UserError(
            f"not an address: {_shown(address)} (expected something like alice@example.org)"
        )
    return key


def require_alias(address: str) -> str:
    """As `require_address`, where `@domain` (the catch-all) may stand as well."""
    if address.startswith("@"):
        return "@" + require_domain(address[1:])
    return require_address(address)


def require_target(address: str) -> str:
    """An address that an alias may lead to: anywhere, so the local part stays as it is written."""
    local, at, domain = address.rpartition("@")
    key = domain_key(domain)
    known = _DOT_STRING.match(local) or _QUOTED_STRING.match(local)
    if not at or key is None or not known or len(local.encode()) > MAX_LOCAL_PART:
        raise UserError(
            f"not an address: {_shown(address)} (expected something like bob@example.org)"
        )
    return f"{local}@{key}"


def _shown(text: str) -> str:
    """Text from the command line, safe and short enough to be shown in an error."""
    clean = "".join(character if character.isprintable() else "?" for character in text)
    return (clean if len(clean) <= 80 else clean[:77] + "…") or "(empty)"
