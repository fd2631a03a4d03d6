"""Pure. Domain names in one canonical spelling (RFC 5321 §2.3.5, RFC 5890 §2.3.2.1, RFC 6531).

Internationalised labels become A-labels by the mapping that browsers and mail programs use today
(UTS #46, non-transitional: `straße` stays a name of its own, other than in IDNA 2003).
"""

import ipaddress
import re
import unicodedata
from collections.abc import Container
from functools import lru_cache

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_LITERAL = re.compile(r"\[([^\[\]\\]+)\]")
_GENERAL = re.compile(r"([A-Za-z0-9-]*[A-Za-z0-9]):([!-Z^-~]+)")
_DOTS = re.compile("[\u3002\uff0e\uff61]")
_JOINERS = "\u200c\u200d"
_CONTEXT = "\u00b7\u0375\u05f3\u05f4\u30fb\u0f0b"
MAX_DOMAIN = 255
"""Octets of a domain (RFC 5321 §4.5.3.1.2)."""


def normalise_domain(domain: str) -> str:
    """Lower-case domain of A-labels; address literals are kept, IPv6 ones in their shortest form.

    Raises ValueError for what is no Domain or address-literal of RFC 5321 §4.1.2.
    """
    return _normalise(domain) if len(domain) <= MAX_DOMAIN else _too_long()


def _too_long() -> str:
    raise ValueError("domain is longer than 255 octets")


def among(domain: str, patterns: Container[str]) -> bool:
    """Whether `domain` is one of `patterns`, or below one that is written ".example.org".

    All of them as `normalise_domain` gives them; "" is none.
    """
    if domain in patterns:
        return bool(domain)
    above = domain
    while above:
        _, _, above = above.partition(".")
        if above and f".{above}" in patterns:
            return True
    return False


def domain_of(address: str) -> str:
    """The domain of a path without its brackets, normalised, with or without a final dot.

    "" where there is none that can be one.
    """
    _, at, domain = address.rpartition("@")
    if not at:
        return ""
    try:
        return normalise_domain(domain.removesuffix("."))
    except ValueError:
        return ""


@lru_cache(maxsize=4096)
def _normalise(domain: str) -> str:
    if domain.startswith("["):
        return _literal(domain)
    lower = domain.lower()
    if not lower.isascii():
        lower = _DOTS.sub(".", lower)
    labels = [_label(label) for label in lower.split(".")]
    name = ".".join(labels)
    return name if len(name) <= MAX_DOMAIN else _too_long()


def _literal(text: str) -> str:
    """address-literal: IPv4, IPv6 or general (RFC 5321 §4.1.3)."""
    match = _LITERAL.fullmatch(text)
    if match is None:
        raise ValueError("address literal is not closed")
    inner = match[1]
    if inner[:5].lower() == "ipv6:":
        if "%" in inner:
            raise ValueError("IPv6 address literal with a zone")
        try:
            address = ipaddress.IPv6Address(inner[5:])
        except ValueError as error:
            raise ValueError("bad IPv6 address literal") from error
        mapped = address.ipv4_mapped
        return f"[IPv6:::ffff:{mapped}]" if mapped is not None else f"[IPv6:{address}]"
    if _GENERAL.fullmatch(inner):
        return text
    try:
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError as error:
        raise ValueError("bad address literal") from error


def _label(label: str) -> str:
    if not label.isascii():
        label = _to_ascii(label)
    if not 1 <= len(label) <= 63 or not _LABEL.fullmatch(label):
        raise ValueError(f"bad label {label[:63]!r} in domain")
    return label


def _to_ascii(label: str) -> str:
    """The A-label of a label with other than ASCII characters."""
    mapped = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).lower())
    mapped = mapped.replace("\u00ad", "")
    if mapped.isascii():
        return mapped
    for index, char in enumerate(mapped):
        if not _allowed(mapped, index, char):
            raise ValueError(f"character U+{ord(char):04X} in domain")
    if unicodedata.category(mapped[0])[0] == "M":
        raise ValueError("domain label begins with a combining mark")
    return "xn--" + mapped.encode("punycode").decode("ascii")


def _allowed(label: str, index: int, char: str) -> bool:
    if char.isascii():
        return char.isalnum() or char == "-"
    if char in _JOINERS:  # RFC 5892 §A.1, §A.2: after a virama
        return index > 0 and unicodedata.combining(label[index - 1]) == 9
    return char in _CONTEXT or unicodedata.category(char)[0] in "LMN" or _is_emoji(char)


def _is_emoji(char: str) -> bool:
    return unicodedata.category(char) == "So"
