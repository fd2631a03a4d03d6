"""Pure. xtext (RFC 3461 §4): how ENVID and ORCPT carry any printable text in an ESMTP parameter."""

import re

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_SPECIAL = re.compile(r"[^!-*,-<>-~]")


def encode_xtext(text: str) -> str:
    """ASCII `text` as xtext. Raises ValueError for what has none (not ASCII)."""
    if not text.isascii():
        raise ValueError("not ASCII")
    return _SPECIAL.sub(lambda found: f"+{ord(found[0]):02X}", text)


def decode_xtext(text: str) -> str:
    """The text that xtext stands for. Raises ValueError for what is not xtext."""
    if not _XTEXT.match(text):
        raise ValueError("not xtext")
    return _HEX.sub(lambda found: chr(int(found[1], 16)), text)
