"""Pure. How ENVID and ORCPT carry any printable text in an ESMTP parameter.

xtext (RFC 3461 §4), and unitext (RFC 6533 §3) for addresses with letters beyond ASCII.
"""

import re

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_EMBEDDED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_BEYOND = re.compile(r"[^\x00-\x7f]")
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


def encode_unitext(text: str) -> str:
    """utf-8-addr-unitext in its 7-bit form: letters beyond ASCII as \\x{HEXPOINT}."""
    return _BEYOND.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", text)


def decode_unitext(text: str) -> str:
    """The address that it stands for; what can't be a letter of one stays as it is written."""
    return _EMBEDDED.sub(_letter, text)


def _letter(found: re.Match[str]) -> str:
    point = int(found[1], 16)
    if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF or not chr(point).isprintable():
        return found[0]
    return chr(point)
