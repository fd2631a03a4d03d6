"""Pure. Base64 as SASL exchanges carry it in SMTP, POP3 and IMAP lines (RFC 4954, 5034, 9051)."""

from base64 import b64decode, b64encode

CANCEL = b"*"
"""The line by which a client gives up the exchange."""


def encode(challenge: bytes) -> bytes:
    """A challenge as the octets that follow ``334 `` or ``+ ``."""
    return b64encode(challenge)


def decode(line: bytes) -> bytes:
    """A client's response line, without its CRLF. Raises ValueError when it is not base64."""
    # validate=True refuses other characters instead of skipping them (RFC 4648 §3.3).
    return b64decode(line, validate=True)


def decode_initial(text: bytes) -> bytes:
    """An initial response: base64, or ``=`` for an empty one. Raises ValueError."""
    return b"" if text == b"=" else decode(text)
