"""Pure. The base subject: a Subject field without "Re:", "Fwd:", list tags and "(fwd)".

RFC 5256 §2.1, step by step. Never raises; linear time but for forwards within forwards, of which
`MAX_SUBJECT` leaves few.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailsuite.message.words import decode_words

MAX_SUBJECT = 4000
"""Octets of a field body that count; more than RFC 5322 lets a line have."""

_SPACES = re.compile(r"[ \t\r\n]+")
_BLOBS = re.compile(r"(?:\[[^\[\]]*+\] *+)*+")
_BLOB = re.compile(r"\[[^\[\]]*+\] *+")
_REFWD = re.compile(r"(?:re|fwd?) *+(?:\[[^\[\]]*+\] *+)?+:", re.IGNORECASE | re.ASCII)
_FORWARD = "[fwd:"


@dataclass(frozen=True, slots=True)
class Subject:
    """base: without what was removed; reply: that was a sign of a reply or a forward (§3)."""

    base: str
    reply: bool


def base_subject(value: bytes) -> Subject:
    """What a Subject field body, folds and encoded words as they are, is about."""
    text = _SPACES.sub(" ", decode_words(value[:MAX_SUBJECT]))  # (1)
    reply = False
    while True:
        text, forwarded = _without_trailers(text)  # (2)
        text, replied = _without_leaders(text)  # (3) to (5)
        reply = reply or forwarded or replied
        if text[:5].lower() != _FORWARD or not text.endswith("]"):
            return Subject(text, reply)
        text = text[5:-1]  # (6)
        reply = True


def _without_trailers(text: str) -> tuple[str, bool]:
    """subj-trailer: spaces and "(fwd)"; was there a "(fwd)"?"""
    text = text.rstrip(" ")
    forwarded = False
    while text[-5:].lower() == "(fwd)":
        text = text[:-5].rstrip(" ")
        forwarded = True
    return text, forwarded


def _without_leaders(text: str) -> tuple[str, bool]:
    """subj-leader, and subj-blob where something is left behind it; was there a subj-refwd?"""
    at = 0
    replied = False
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        blobs = _BLOBS.match(text, at)
        behind = blobs.end() if blobs is not None else at
        refwd = _REFWD.match(text, behind)
        if refwd is not None:
            at = refwd.end()
            replied = True
            continue
        # No leader begins among these blobs: they go, but for the last if it is all there is.
        while (blob := _BLOB.match(text, at)) is not None and blob.end() < len(text):
            at = blob.end()
        break
    return text[at:], replied
