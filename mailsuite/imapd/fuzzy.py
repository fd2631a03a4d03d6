"""Pure. Inexact matching of texts (RFC 6203), and how relevant a match is: 1 to 100.

A text matches when every word that is looked for is there, in any order and with any accents: as a
word, within one, or mistyped. Mistyped means one letter wrong, missing, too many, or two
neighbours swapped, from four letters on, and two such mistakes from nine on; some half, or third,
of the word must be unhurt, of a short one the first or the last three letters. By that much what
may match is found in the full-text index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice, pairwise

from mailsuite.imapd.search_text import field_texts
from mailsuite.message import Octets, body_text, fold, header_text, scan

MAX_WORDS = 16
_WORD = re.compile(r"\w+")
_MARKS = re.compile(
    "[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_ONE_MISTAKE, _TWO_MISTAKES, _MAX_WORD = 4, 9, 40
_PIECE = 3
"""Letters that the full-text index needs."""
_AS_WORD, _BEGINNING, _WITHIN, _MISTYPED = 90, 75, 55, (0, 50, 30)


@dataclass(frozen=True, slots=True)
class Word:
    """One word that is looked for, without accents: `pieces`, one of which must be in the text."""

    text: str
    mistakes: int
    pieces: tuple[str, ...]

    def score(self, words: Iterable[str]) -> int:
        """The best match among a text's words."""
        best = 0
        for other in words:
            if self.text in other:
                if self.text == other:
                    return _AS_WORD
                best = max(best, _BEGINNING if other.startswith(self.text) else _WITHIN)
            elif self.mistakes and best < _MISTYPED[1] and any(p in other for p in self.pieces):
                wrong = distance(self.text, other, self.mistakes)
                if wrong <= self.mistakes:
                    best = max(best, _MISTYPED[wrong])
        return best


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is looked for: `exact`, folded, is the best match; else all `words`.

    Every text that matches contains `exact`, or of each word one of the pieces.
    """

    exact: str
    words: tuple[Word, ...]

    def message_score(self, data: Octets, *, body_only: bool) -> int:
        """How relevant a message is, 0 if it doesn't match."""
        root = scan(data)
        pieces = body_text(data, root)
        return self.score(pieces if body_only else chain((header_text(data, root),), pieces))

    def field_score(self, header: bytes, name: str) -> int:
        """How relevant the best field called `name` is, 0 if none matches."""
        return max((self.score((text,)) for text in field_texts(header, name)), default=0)

    def score(self, pieces: Iterable[str]) -> int:
        """How relevant a folded text is, 0 if it doesn't match."""
        if not self.exact:
            return 100
        best = [0] * len(self.words)
        for piece in pieces:
            if self.exact in piece:
                return 100
            words = set(_WORD.findall(_bare(piece))) if self.words else set()
            for number, word in enumerate(self.words):
                if best[number] < _AS_WORD and any(part in piece for part in word.pieces):
                    best[number] = max(best[number], word.score(words))
        return sum(best) // len(best) if best and all(best) else 0


def pattern(text: str) -> Pattern:
    """What a client's string asks for."""
    exact = fold(text)
    words = dict.fromkeys(_WORD.findall(_bare(exact)))
    return Pattern(exact, tuple(map(_word, islice(words, MAX_WORDS))))


def _word(text: str) -> Word:
    length = len(text)
    mistakes = (length >= _ONE_MISTAKE) + (length >= _TWO_MISTAKES) if length <= _MAX_WORD else 0
    if mistakes and length < 2 * _PIECE:
        return Word(text, mistakes, (text[:_PIECE], text[-_PIECE:]))
    cuts = [length * number // (mistakes + 1) for number in range(mistakes + 2)]
    return Word(text, mistakes, tuple(text[at:end] for at, end in pairwise(cuts)))


def _bare(folded: str) -> str:
    return folded if folded.isascii() else _MARKS.sub("", folded)


def distance(one: str, other: str, limit: int) -> int:
    """Letters wrong, missing, too many or swapped; more than `limit` is not counted out."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, above, row = row, before, [i]
        for j, their in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != their))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == their:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]
