"""Pure. Envelopes and recipients as the text that the database keeps.

Only what differs from a field's default is written, so an envelope that learns a new field reads
rows that were written before, and a field that is unknown (a newer version wrote it) is passed by.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from mailsuite.mail import DeliverBy, Envelope, Recipient
from mailsuite.queue.entries import AttemptEntry

# Made once: json.dumps makes one a call when it has options.
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
_ENVELOPE = [(f.name, f.default) for f in fields(Envelope) if f.name != "recipients"]
_RECIPIENT = [(f.name, f.default) for f in fields(Recipient) if f.name != "address"]
_ATTEMPT = [(f.name, f.default) for f in fields(AttemptEntry)]
_MADE: dict[str, Callable[[list[Any]], Any]] = {"deliver_by": lambda item: DeliverBy(*item)}


def dumps(value: object) -> str:
    """`value` as JSON. ValueError for text that is not Unicode (lone surrogates) or has NUL."""
    text = _ENCODER.encode(value)
    text.encode()  # raises UnicodeEncodeError, a ValueError
    if "\\u0000" in text and "\0" in _strings(value):
        raise ValueError("NUL in an envelope")
    return text


def _strings(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join(_strings(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple):
        return "".join(_strings(part) for part in value)
    return ""


def envelope_text(envelope: Envelope) -> str:
    """All of the envelope but its recipients."""
    return dumps(_written(envelope, _ENVELOPE))


def recipient_text(recipient: Recipient) -> str:
    """All of the recipient but the address."""
    return dumps(_written(recipient, _RECIPIENT)) if _RECIPIENT else "{}"


def to_envelope(text: str, recipients: Sequence[Recipient]) -> Envelope:
    """The envelope again."""
    return Envelope(recipients=tuple(recipients), **_read(text, _ENVELOPE))


def to_recipient(address: str, text: str) -> Recipient:
    """The recipient again."""
    return Recipient(address, **_read(text, _RECIPIENT))


def _written(value: object, known: list[tuple[str, Any]]) -> dict[str, Any]:
    # A field without a default has MISSING for it, which no value equals.
    return {name: item for name, default in known if (item := getattr(value, name)) != default}


def _read(text: str, known: list[tuple[str, Any]]) -> dict[str, Any]:
    return _kept(json.loads(text), known)


def _kept(kept: dict[str, Any], known: list[tuple[str, Any]]) -> dict[str, Any]:
    names = {name for name, _ in known}
    # JSON has no tuples, and an envelope has no lists.
    return {
        name: _MADE.get(name, tuple)(item) if isinstance(item, list) else item
        for name, item in kept.items()
        if name in names
    }


def attempt_text(attempt: AttemptEntry) -> str:
    """One attempt of a recipient's history."""
    return dumps(_written(attempt, _ATTEMPT))


def to_attempts(text: str) -> tuple[AttemptEntry, ...]:
    """A recipient's history again, from the JSON list of its attempts."""
    return tuple(AttemptEntry(**_kept(each, _ATTEMPT)) for each in json.loads(text))
