"""Pure. The first words of a message, as a mail client shows them in its list (RFC 8970).

The first text with something to say: quotes, signatures, markup and rulers are left out. Never
raises; looks at `LOOKED_AT` octets of at most `PARTS` parts.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from mailsuite.message.charset import decode_text
from mailsuite.message.decoding import Identity, decoder
from mailsuite.message.header import Octets
from mailsuite.message.part import Part

MAX_CHARACTERS = 200
LOOKED_AT = 1 << 17
"""Octets of a part: markup may go on for long before the first word."""
PARTS = 16
_LOOKS = {"plain": (1 << 11, 1 << 13), "html": (1 << 12, 1 << 14, LOOKED_AT)}
"""Octets to begin with, and to go on with where they have not enough words in them."""
_ENOUGH = MAX_CHARACTERS + 100

_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(style|script|title|template|noscript)\b[^<>]*+>.*?(?:</\1\s*+>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_BLOCKQUOTE = re.compile(r"<(/?)blockquote\b([^<>]*+)>", re.IGNORECASE)
# What mail programs write into theirs; without it, a blockquote may be an indented paragraph.
_CITED = re.compile(r"cite|quote", re.IGNORECASE)
_INLINE = re.compile(
    r"</?(?:a|abbr|b|big|bdi|bdo|cite|code|del|em|font|i|ins|kbd|mark|q|s|samp|small|span|strike"
    r"|strong|sub|sup|tt|u|var|wbr)(?:\s[^<>]*+)?/?>",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[/!?a-zA-Z][^>]*+(?:>|\Z)")
_REFERENCE = re.compile(
    r"&(?:#[0-9]{1,7}+(?![0-9])|#[xX][0-9a-fA-F]{1,6}+(?![0-9a-fA-F])"
    r"|[a-zA-Z][a-zA-Z0-9]{1,31}+);?"
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_ASCII_CONTROL = dict.fromkeys((*range(0x20), 0x7F), " ")
# Marks that show nothing, which senders put in rows behind their first words.
_FILLERS = re.compile(
    "[\\s\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2060-\u2064\ufeff]{2,}+"
)
_QUOTED = re.compile(r"[ \t]*>")
_RULER = re.compile(r"[\s\-_=*~#+.]{3,}\Z")
_ARMOUR = re.compile(
    r"-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\r?\n(?:[A-Za-z-]+:[^\n]*\n)*+"
    r"|-----BEGIN PGP SIGNATURE.*",
    re.DOTALL,
)


def preview(data: Octets, root: Part) -> str:
    """At most `MAX_CHARACTERS` of text on one line, "" where there is none to be shown."""
    if root.type == "multipart" and root.subtype == "encrypted":
        return ""
    for number, part in enumerate(_texts(root)):
        if number == PARTS:
            break
        if line := _first_words(data, part):
            return line[:MAX_CHARACTERS].rstrip()
    return ""


def _first_words(data: Octets, part: Part) -> str:
    """The text, or enough of it, on one line."""
    line = ""
    for looked_at in _LOOKS["html" if part.subtype == "html" else "plain"]:
        octets, whole = _decoded(data, part, looked_at)
        text = decode_text(octets, part.charset)
        line = _on_one_line(_of_html(text) if part.subtype == "html" else _of_plain(text))
        if whole or len(line) >= _ENOUGH:
            break
    return line


def _on_one_line(text: str) -> str:
    if text.isascii():
        text = text.translate(_ASCII_CONTROL)
    else:
        text = _FILLERS.sub(" ", _CONTROL.sub(" ", text))
    return " ".join(text.split())


def _texts(root: Part) -> Iterator[Part]:
    """What is shown of a message, then what is attached to it; in its order.

    What has an encoding that nobody knows is no text (RFC 2045 §6.4).
    """
    attached: list[Part] = []
    for part in root.walk():
        if part.parts or part.message is not None or part.type != "text":
            continue
        if part.subtype in ("plain", "html", "enriched") and decoder(part.encoding) is not None:
            if part.disposition == "attachment":
                attached.append(part)
            else:
                yield part
    yield from attached


def _decoded(data: Octets, part: Part, limit: int) -> tuple[bytes, bool]:
    """The beginning of a body, of so many octets; whether it is all of it."""
    taken_off = decoder(part.encoding) or Identity()
    end = min(part.body_start + limit, part.body_end)
    octets = taken_off.feed(bytes(data[part.body_start : end]))
    if end == part.body_end:
        return octets + taken_off.end(), True
    # Not within a character: what follows the last line end, or space, is left out.
    return octets[: max(octets.rfind(b"\n"), octets.rfind(b" ")) + 1] or octets, False


def _of_plain(text: str) -> str:
    """Without what was written before by others, signature and rulers; or else with it."""
    if "-----BEGIN PGP MESSAGE" in text:
        return ""
    text = _ARMOUR.sub("", text)
    own: list[str] = []
    for line in text.split("\n"):
        if line.rstrip("\r") == "-- ":
            break
        if not (line[:1] in "> \t" and _QUOTED.match(line)) and not _RULER.match(line):
            own.append(line)
    joined = "\n".join(own)
    return joined if _on_one_line(joined) else text


def _of_html(text: str) -> str:
    """Without what was written before by others; or else with it."""
    text = _HIDDEN.sub(" ", text)
    own = _without_markup(_without_quotes(text))
    return own if _on_one_line(own) else _without_markup(text)


def _without_quotes(text: str) -> str:
    own, begin, depth = [], 0, 0
    for tag in _BLOCKQUOTE.finditer(text):
        if depth:
            depth += -1 if tag[1] else 1
            begin = tag.end()
        elif not tag[1] and _CITED.search(tag[2]):
            own.append(text[begin : tag.start()])
            depth = 1
    if not depth:
        own.append(text[begin:])
    return " ".join(own)


def _without_markup(text: str) -> str:
    text = _TAG.sub(" ", _INLINE.sub("", text))
    return _REFERENCE.sub(lambda found: html.unescape(found[0]), text)
