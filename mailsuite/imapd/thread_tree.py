"""Pure. Threads: ORDEREDSUBJECT and REFERENCES (RFC 5256 §3), and the shape of their answer.

Promises: every message once; no recursion, however deep a thread is; about linear time. A shape is
what stands between `* THREAD` and the line's end: places of messages, OPEN and CLOSE.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mailsuite.imapd.references import NONE, Ancestry

OPEN, CLOSE = -1, -2
_NAMES = {OPEN: "(", CLOSE: ")"}
Shape: TypeAlias = "array[int]"


@dataclass(frozen=True, slots=True)
class Messages:
    """What is threaded.

    places    of the searched messages, ascending
    by_date   the same by sent date, then by place
    subjects  by place: the base subject (`sort_subject`)
    ids       by place: `thread_ids`
    """

    places: Sequence[int]
    by_date: Sequence[int]
    subjects: Sequence[bytes]
    ids: Sequence[bytes]


def ordered_subject(messages: Messages) -> Shape:
    """A thread for each base subject; all but its first message are children of the first."""
    newest: dict[bytes, int] = {}
    following: dict[int, int] = {}
    firsts: list[int] = []  # by their dates
    for place in messages.by_date:
        subject = messages.subjects[place]
        if subject in newest:
            following[newest[subject]] = place
        else:
            firsts.append(place)
        newest[subject] = place
    shape = array("i")
    for first in firsts:
        shape.extend((OPEN, first))
        child = following.get(first)
        alone = child is not None and child not in following
        while child is not None:
            shape.extend((child,) if alone else (OPEN, child, CLOSE))
            child = following.get(child)
        shape.append(CLOSE)
    return shape


def references(messages: Messages) -> Shape:
    """The REFERENCES algorithm, steps (1) to (6)."""
    places = messages.places
    every = not places or places[-1] == len(places) - 1
    by_date = messages.by_date
    if not every:
        number_of = array("i", [NONE]) * (places[-1] + 1)
        for number, place in enumerate(places):
            number_of[place] = number
        by_date = [number_of[place] for place in by_date]
    ids = [messages.ids[place] for place in places]
    forest = Forest(by_date, Ancestry(ids).above())  # (1) to (4)
    subjects = [messages.subjects[place] for place in places]
    _merge_subjects(forest, subjects, bytearray(each[0] == 1 for each in ids))  # (5), (6)
    shape = forest.shape()
    if every:
        return shape
    names = [*places, CLOSE, OPEN]
    return array("i", [names[token] for token in shape])


ALGORITHMS: dict[str, Callable[[Messages], Shape]] = {
    "ORDEREDSUBJECT": ordered_subject,
    "REFERENCES": references,
}


class Forest:
    """What remains without the dummies: a message's parent is the nearest message above.

    With none above, it is a child of the root, together with those that have the same topmost
    dummy. Messages are looked at by date, so that everything is sorted from the beginning (3, 4).

    A node is a number: the messages, then dummies under the root. Siblings are chains in arrays,
    and what could be one long step in C is a loop: objects for each message would keep the garbage
    collector busy, and all other threads waiting.

    roots   the nodes under the root
    count   of messages
    """

    __slots__ = ("_first", "_last", "_next", "count", "rank", "roots")

    def __init__(self, by_date: Sequence[int], above: Sequence[int]) -> None:
        self.count = count = len(above)
        self.rank = array("i", [0]) * count
        self.roots: list[int] = []
        self._first, self._next, self._last = (array("i", [NONE]) * count for _ in range(3))
        dummy_of: dict[int, int] = {}
        for rank, number in enumerate(by_date):
            self.rank[number] = rank
            parent = above[number]
            if parent == NONE:
                self.roots.append(number)
            elif parent < count:
                self.add(parent, number)
            elif parent in dummy_of:
                self.add(dummy_of[parent], number)
            else:
                dummy_of[parent] = dummy = self.new_dummy([number])
                self.roots.append(dummy)
        self.roots = [self._alone(root) for root in self.roots]

    def _alone(self, root: int) -> int:
        """A dummy with one child is that child."""
        if self.is_dummy(root) and self._first[root] == self._last[root]:
            return self._first[root]
        return root

    def is_dummy(self, node: int) -> bool:
        """Or a message."""
        return node >= self.count

    def children(self, parent: int) -> Iterator[int]:
        """In their order."""
        child = self._first[parent]
        while child != NONE:
            following = self._next[child]  # the child may be moved meanwhile
            yield child
            child = following

    def first(self, root: int) -> int:
        """The message that stands for a child of the root."""
        return self._first[root] if self.is_dummy(root) else root

    def new_dummy(self, members: Iterable[int]) -> int:
        """A new dummy over these."""
        dummy = len(self._first)
        for chain in (self._first, self._next, self._last):
            chain.append(NONE)
        for member in members:
            self.add(dummy, member)
        return dummy

    def add(self, parent: int, child: int) -> None:
        """Make it the last child."""
        if self._first[parent] == NONE:
            self._first[parent] = child
        else:
            self._next[self._last[parent]] = child
        self._next[child] = NONE
        self._last[parent] = child

    def sort(self, parents: Iterable[int]) -> None:
        """Step (6), under the root and where children have been added."""
        rank = self.rank
        for parent in parents:
            children = sorted(self.children(parent), key=rank.__getitem__)
            self._first[parent] = NONE
            for child in children:
                self.add(parent, child)
        by_rank = array("i", [NONE]) * self.count
        for root in self.roots:
            by_rank[rank[self.first(root)]] = root
        self.roots = [root for root in by_rank if root != NONE]

    def shape(self) -> Shape:
        """The answer's."""
        shape = array("i")
        first, following = self._first, self._next
        for root in self.roots:
            shape.append(OPEN)
            # What is still to be written, the next one last: a place, or CLOSE.
            left = [CLOSE]
            if self.is_dummy(root):
                for number in reversed([*self.children(root)]):
                    left += (CLOSE, number, OPEN)
            else:
                left.append(root)
            while left:
                token = left.pop()
                shape.append(token)
                if token < 0 or (child := first[token]) == NONE:
                    continue
                if following[child] == NONE:
                    left.append(child)
                    continue
                for number in reversed([*self.children(token)]):
                    left += (CLOSE, number, OPEN)
        return shape


def _merge_subjects(forest: Forest, subjects: Sequence[bytes], is_reply: Sequence[int]) -> None:
    """Step (5): threads of the same subject become one."""
    table = _subject_table(forest, subjects, is_reply)
    grown: set[int] = set()
    kept: list[int] = []
    dummies: dict[int, int] = {}
    for root in forest.roots:
        subject = subjects[forest.first(root)]
        known = table.get(subject, root)
        if not subject or known == root or root in dummies:
            kept.append(root)
            continue
        if forest.is_dummy(known):
            # It takes in a message, or another dummy's children.
            for number in forest.children(root) if forest.is_dummy(root) else (root,):
                forest.add(known, number)
        elif not forest.is_dummy(root) and is_reply[root] and not is_reply[known]:
            forest.add(known, root)
        else:
            dummies[known] = table[subject] = known = forest.new_dummy((known, root))
        grown.add(known)
    forest.roots = [dummies.get(root, root) for root in kept]
    forest.sort(grown)


def _subject_table(
    forest: Forest, subjects: Sequence[bytes], is_reply: Sequence[int]
) -> dict[bytes, int]:
    """(5.B): of each subject a dummy rather than a message, a message rather than a reply."""
    table: dict[bytes, int] = {}
    for root in forest.roots:
        subject = subjects[forest.first(root)]
        if not subject:
            continue
        known = table.setdefault(subject, root)
        if not forest.is_dummy(known) and (
            forest.is_dummy(root) or (is_reply[known] and not is_reply[root])
        ):
            table[subject] = root
    return table


def rendered(shape: Shape, numbers: Sequence[int], at_once: int = 5000) -> Iterator[bytes]:
    """The shape as octets, piece by piece; `numbers` of messages by their places."""
    before = OPEN
    for start in range(0, len(shape), at_once):
        piece = shape[start : start + at_once]
        words = [str(numbers[token]) if token >= 0 else _NAMES[token] for token in piece]
        text = " ".join(words).replace("( ", "(").replace(" )", ")").replace(") (", ")(")
        if before != OPEN and piece[0] != CLOSE and (before, piece[0]) != (CLOSE, OPEN):
            text = " " + text
        before = piece[-1]
        yield text.encode("ascii")
