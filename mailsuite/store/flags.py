r"""Pure. Flags: the letters of file names, keywords, and interned sets of both.

Inside the store the flags of a message are one text, its *state*: the sorted letters, then the
sorted keywords, with spaces between (`FS $Junk work`). Letters that mean nothing to us are kept.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mailsuite.store.errors import CannotChange, LimitReached

LETTERS = {
    "\\Draft": "D",
    "\\Flagged": "F",
    "$Forwarded": "P",
    "\\Answered": "R",
    "\\Seen": "S",
    "\\Deleted": "T",
}
FLAGS = {letter: flag for flag, letter in LETTERS.items()}
_BY_LOWER = {flag.lower(): letter for flag, letter in LETTERS.items()}
_KEYWORD = re.compile(r"[!-~]{1,255}\Z")
MAX_KEYWORDS = 1000


class Keywords:
    """The keywords a mailbox has ever known: names are case-insensitive, first spelling kept."""

    __slots__ = ("_by_lower",)

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._by_lower = {name.lower(): name for name in names}

    def names(self) -> list[str]:
        """All names, oldest first."""
        return list(self._by_lower.values())

    def __len__(self) -> int:
        return len(self._by_lower)

    def spell(self, name: str) -> str | None:
        """The first spelling, or None when the keyword is new."""
        return self._by_lower.get(name.lower())

    def learn(self, name: str) -> str:
        """The first spelling; a new keyword is remembered. Raises LimitReached."""
        known = self._by_lower.get(name.lower())
        if known is None:
            if len(self._by_lower) >= MAX_KEYWORDS:
                raise LimitReached("too many different keywords in this mailbox")
            known = self._by_lower[name.lower()] = name
        return known


def split(flags: Iterable[str]) -> tuple[set[str], list[str]]:
    r"""Flags from a client -> (letters, keywords as written, in order). \Recent is dropped.

    Raises CannotChange for an unknown system flag or what cannot be a keyword.
    """
    letters: set[str] = set()
    keywords: list[str] = []
    for flag in flags:
        lower = flag.lower()
        letter = _BY_LOWER.get(lower)
        if letter is not None:
            letters.add(letter)
        elif lower == "\\recent":
            continue
        elif flag.startswith("\\") or not _KEYWORD.match(flag):
            raise CannotChange(f"no such flag: {flag!r}")
        else:
            keywords.append(flag)
    return letters, sorted(keywords)


def state(letters: Iterable[str], keywords: Iterable[str]) -> str:
    """The state text."""
    if not letters and not keywords:
        return ""
    return " ".join(["".join(sorted(set(letters))), *sorted(set(keywords))])


def letters(text: str) -> str:
    """The letters of a state."""
    return text.partition(" ")[0]


def keywords(text: str) -> list[str]:
    """The keywords of a state."""
    return text.split(" ")[1:]


def with_letters(text: str, new: str) -> str:
    """The state with other letters and the same keywords."""
    return state(new, keywords(text))


def apply(text: str, operation: str, new_letters: set[str], new_keywords: Iterable[str]) -> str:
    """The state after "+", "-" or "" (replace); keywords in the mailbox's own spelling.

    Replacing keeps the letters that mean nothing to us.
    """
    old_letters, *old_keywords = text.split(" ")
    have = set(old_letters)
    words = set(old_keywords)
    if operation == "+":
        have |= new_letters
        words.update(new_keywords)
    elif operation == "-":
        have -= new_letters
        words.difference_update(new_keywords)
    else:
        have = {letter for letter in have if letter not in FLAGS} | new_letters
        words = set(new_keywords)
    return state(have, words)


@dataclass(frozen=True, slots=True)
class Scope:
    r"""Which flags may be changed, or set on a copy: \Seen, \Deleted, all others."""

    seen: bool = True
    deleted: bool = True
    others: bool = True

    def allows(self, letter: str) -> bool:
        """May the flag of this letter be changed?"""
        return self.seen if letter == "S" else self.deleted if letter == "T" else self.others

    def limit(self, text: str) -> str:
        """The state with only such flags as may be set."""
        if self == EVERY_FLAG:
            return text
        first, *words = text.split(" ")
        return state(filter(self.allows, first), words if self.others else ())

    def merge(self, before: str, after: str) -> str:
        """`after`, as far as flags may be changed; the others as they were before."""
        if self == EVERY_FLAG:
            return after
        kept = [letter for letter in letters(before) if not self.allows(letter)]
        new = [letter for letter in letters(after) if self.allows(letter)]
        return state([*kept, *new], keywords(after if self.others else before))


EVERY_FLAG = Scope()


def to_set(text: str) -> frozenset[str]:
    """The flags of a state, as the world outside knows them."""
    first, *words = text.split(" ")
    return frozenset([FLAGS[letter] for letter in first if letter in FLAGS] + words)


def of_set(flags: Iterable[str]) -> str:
    """The state that means these flags."""
    known = set(flags)
    letters_ = [LETTERS[flag] for flag in known & LETTERS.keys()]
    return state(letters_, known - LETTERS.keys())


class FlagTable:
    """Interned flag sets: the small ids in `Mailbox.flagsets` -> frozenset of flags.

    Ids count up from 0 and keep their meaning for the life of the view, so a door may keep
    rendered octets by id. Never holds \\Recent.
    """

    __slots__ = ("_by_set", "_by_state", "_sets")

    def __init__(self) -> None:
        self._sets: list[frozenset[str]] = []
        self._by_set: dict[frozenset[str], int] = {}
        self._by_state: dict[str, int] = {}

    def __getitem__(self, number: int) -> frozenset[str]:
        return self._sets[number]

    def __len__(self) -> int:
        return len(self._sets)

    def of_state(self, text: str) -> int:
        """The id of a state's flags."""
        number = self._by_state.get(text)
        if number is None:
            flags = to_set(text)
            number = self._by_set.setdefault(flags, len(self._sets))
            if number == len(self._sets):
                self._sets.append(flags)
            self._by_state[text] = number
        return number
