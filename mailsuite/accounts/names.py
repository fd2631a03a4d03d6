"""Pure. Addresses and domains as the directory compares and keeps them.

Case does not matter in our own addresses: the local part is kept in NFC and case-folded, the domain
in lower case with A-labels (RFC 5890 §2.3.2.1). Local parts that need quoting are no accounts.
"""

import re
from functools import lru_cache

from mailsuite.base.errors import UserError
from mailsuite.message import MAX_LOCAL, address_key, normalise_domain, parse_mailbox

MAX_ADDRESS = 254  # octets: a path of RFC 5321 §4.5.3.1.3 without its brackets
KEYS = 1024
"""Latest answers that are remembered: one message asks several times for the same."""
MAX_DOMAIN = 253  # octets without the final dot, RFC 1035 §2.3.4

# Dot-string of RFC 5321 §4.1.2 with the UTF-8 of RFC 6531 §3.3.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\ud7ff\ue000-\U0010ffff]++"
_DOT_STRING = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+\Z")


@lru_cache(KEYS)
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


@lru_cache(KEYS)
def account_key(address: str) -> str | None:
    """The form in which an address of ours is compared, or None for what is no such address.

    Quoting that is not needed is taken off (RFC 5321 §4.1.2: `"alice"@` and `alice@` are equal).
    """
    local, at, domain = address.rpartition("@")
    if not at or len(local) > 4 * MAX_LOCAL or (key := domain_key(domain)) is None:
        return None
    local = address_key(f"{local}@").removesuffix("@")
    if not _DOT_STRING.match(local):
        return None
    octets = len(local.encode())
    return f"{local}@{key}" if octets <= MAX_LOCAL and octets + len(key) < MAX_ADDRESS else None


def require_domain(domain: str) -> str:
    """`domain_key`, or a UserError that says what a domain looks like."""
    key = domain_key(domain)
    if key is None:
        raise UserError(
            f"not a domain name: {_shown(domain)} (expected something like example.org)"
        )
    return key


def require_address(address: str) -> str:
    """`account_key` of an address that can be an account, or a UserError."""
    key = account_key(address)
    if key is None or not key.isprintable():
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
    try:
        target = parse_mailbox(address)
    except ValueError:
        target = ""
    if not target or not target.isprintable():
        raise UserError(
            f"not an address: {_shown(address)} (expected something like bob@example.org)"
        )
    return target


def _shown(text: str) -> str:
    """Text from the command line, safe and short enough to be shown in an error."""
    clean = "".join(character if character.isprintable() else "?" for character in text)
    return (clean if len(clean) <= 80 else clean[:77] + "…") or "(empty)"
