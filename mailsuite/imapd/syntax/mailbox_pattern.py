"""Pure. LIST wildcards: `*` matches anything, `%` anything but the separator (RFC 9051 §6.3.9).

Promises: matching takes one step of integer arithmetic for each character of the name, whatever
the pattern is. A pattern is a non-deterministic automaton whose states are the bits of an integer.
"""

from __future__ import annotations

import re

_RUN = re.compile(r"[*%]{2,}")
_WILD = re.compile(r"[*%]")


class MailboxPattern:
    """One pattern, ready to be matched against many names."""

    __slots__ = (
        "_any",
        "_beginning",
        "_final",
        "_level",
        "_literals",
        "_masks",
        "_plain",
        "_separator",
        "steps",
    )

    def __init__(self, pattern: str, *, separator: str = "/") -> None:
        # Wildcards side by side are as strong as the strongest of them; afterwards no two touch.
        pattern = _RUN.sub(lambda run: "*" if "*" in run[0] else "%", pattern)
        self._separator = separator
        self._plain = pattern
        self._beginning = _WILD.split(pattern, maxsplit=1)[0]
        self._literals = 0  # how many characters a name must have at least
        self._any = 0  # bit i: at pattern[i] stands "*"
        self._level = 0  # bit i: at pattern[i] stands "%"
        exact: dict[str, int] = {}
        folded: dict[str, int] = {}
        for place, character in enumerate(pattern):
            bit = 1 << place
            if character == "*":
                self._any |= bit
            elif character == "%":
                self._level |= bit
            else:
                self._literals += 1
                exact[character] = exact.get(character, 0) | bit
                upper = character.upper() if character.isascii() else character
                folded[upper] = folded.get(upper, 0) | bit
        self._masks = (exact, folded)
        self._final = 1 << len(pattern)
        self.steps = 0  # of all matches so far: how tests see that the promise holds

    def matches(self, name: str) -> bool:
        """Is `name` matched whole? "INBOX" as its first level is matched in any case."""
        if self._plain == "*":
            return True
        if self._plain == "%":
            return self._separator not in name
        if len(name) < self._literals:
            return False
        exact, folded = self._masks
        caseless = 5 if name == "INBOX" or name.startswith("INBOX" + self._separator) else 0
        if not caseless and not name.startswith(self._beginning):
            return False
        wild = self._any | self._level
        states = 1
        states |= (states & wild) << 1
        for place, character in enumerate(name):
            self.steps += 1
            literal = folded if place < caseless else exact
            stay = self._any if character == self._separator else wild
            states = ((states & literal.get(character, 0)) << 1) | (states & stay)
            if not states:
                return False
            states |= (states & wild) << 1
        return bool(states & self._final)


def join_reference(reference: str, pattern: str) -> str:
    """The canonical pattern of LIST's two arguments: one after the other (RFC 9051 §6.3.9).

    There are no absolute names here, so nothing in `pattern` breaks out of `reference`.
    """
    return reference + pattern
