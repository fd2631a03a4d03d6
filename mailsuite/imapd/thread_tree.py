"""Pure. Threads: ORDEREDSUBJECT and REFERENCES (RFC 5256 §3), and the shape of their answer.

Promises: every message once; no recursion, however deep a thread is; about linear time. A shape is
what stands between `* THREAD` and the line's end: places of messages, OPEN and CLOSE.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mailsuite.imapd.references import NONE, Ancestry

OPEN, CLOSE = -1, -2
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
    threads: dict[bytes, list[int]] = {}
    for place in messages.by_date:
        threads.setdefault(messages.subjects[place], []).append(place)
    shape = array("i")
    for members in threads.values():  # by the date of the first
        shape.append(OPEN)
        if len(members) <= 2:
            shape.extend(members)
        else:
            shape.append(members[0])
            for place in members[1:]:
                shape.extend((OPEN, place, CLOSE))
        shape.append(CLOSE)
    return shape


def references(messages: Messages) -> Shape:
    """The REFERENCES algorithm, steps (1) to (6)."""
    places = messages.places
    node = {place: number for number, place in enumerate(places)}
    by_date = [node[place] for place in messages.by_date]
    ids = [messages.ids[place] for place in places]
    roots, children = _pruned(by_date, Ancestry(ids).above())  # (1) to (4)
    subjects = [messages.subjects[place] for place in places]
    rank = [0] * len(places)
    for number, each in enumerate(by_date):
        rank[each] = number
    roots = _Subjects(subjects, ids, children).merged(roots, rank)  # (5), (6)
    shape = _shape(roots, children)
    if places and places[-1] == len(places) - 1:
        return shape  # of all messages: numbered as they are
    names = [*places, CLOSE, OPEN]
    return array("i", [names[token] for token in shape])


ALGORITHMS: dict[str, Callable[[Messages], Shape]] = {
    "ORDEREDSUBJECT": ordered_subject,
    "REFERENCES": references,
}

Children: TypeAlias = dict[int, list[int]]
"""Message -> its children, by sent date. Messages are numbered by their order in the mailbox."""
Root: TypeAlias = list[int]
"""A message under the root; or several, the children of a dummy; by sent date."""


def _pruned(by_date: Sequence[int], above: Sequence[int]) -> tuple[list[Root], Children]:
    """What remains without the dummies: a message's parent is the nearest message above.

    With none above, it is a child of the root, together with those that have the same topmost
    dummy. All are looked at by date, so that everything is sorted in the end.
    """
    count = len(above)
    roots: list[Root] = []
    children: Children = {}
    dummies: dict[int, Root] = {}
    for number in by_date:
        parent = above[number]
        if parent == NONE:
            roots.append([number])
        elif parent < count:
            children.setdefault(parent, []).append(number)
        elif parent in dummies:
            dummies[parent].append(number)
        else:
            dummies[parent] = [number]
            roots.append(dummies[parent])
    return roots, children


class _Subjects:
    """Step (5): threads of the same subject become one."""

    def __init__(self, subjects: Sequence[bytes], ids: Sequence[bytes], children: Children) -> None:
        self._subjects = subjects
        self._ids = ids
        self._children = children

    def merged(self, roots: list[Root], rank: Sequence[int]) -> list[Root]:
        """The children of the root, sorted (6)."""
        table = self._table(roots)
        grown: set[int] = set()
        kept: list[Root] = []
        for root in roots:
            subject = self._subjects[root[0]]
            first = table.get(subject)
            if not subject or first is None or first is root:
                kept.append(root)
            elif len(first) > 1:
                first += root  # a dummy takes in a message, or another dummy's children
            elif len(root) == 1 and self._is_reply(root) and not self._is_reply(first):
                self._children.setdefault(first[0], []).append(root[0])
                grown.add(first[0])
            else:
                first += root  # becomes a dummy with both as its children
        for place in grown:
            self._children[place].sort(key=rank.__getitem__)
        for root in kept:
            if len(root) > 1:
                root.sort(key=rank.__getitem__)
        kept.sort(key=lambda root: rank[root[0]])
        return kept

    def _table(self, roots: list[Root]) -> dict[bytes, Root]:
        """(5.B): of each subject a dummy rather than a message, a message rather than a reply."""
        table: dict[bytes, Root] = {}
        for root in roots:
            subject = self._subjects[root[0]]
            if not subject:
                continue
            known = table.setdefault(subject, root)
            if known is not root and len(known) == 1:
                better = self._is_reply(known) and not self._is_reply(root)
                if len(root) > 1 or better:
                    table[subject] = root
        return table

    def _is_reply(self, root: Root) -> bool:
        return self._ids[root[0]][0] == 1


def _shape(roots: list[Root], children: Children) -> Shape:
    shape = array("i")
    none: list[int] = []
    for root in roots:
        if len(root) == 1 and root[0] not in children:
            shape.extend((OPEN, root[0], CLOSE))
            continue
        shape.append(OPEN)
        # What is still to be written, the next one last: a place, or CLOSE.
        left = [CLOSE]
        if len(root) == 1:
            left.append(root[0])
        else:
            for place in reversed(root):
                left += (CLOSE, place, OPEN)
        while left:
            token = left.pop()
            shape.append(token)
            if token >= 0:
                below = children.get(token, none)
                if len(below) == 1:
                    left.append(below[0])
                else:
                    for place in reversed(below):
                        left += (CLOSE, place, OPEN)
    return shape


def rendered(shape: Shape, names: Sequence[str], at_once: int = 20_000) -> Iterator[bytes]:
    """The shape as octets, piece by piece. `names`: by place, then ")" for CLOSE, "(" for OPEN."""
    before = OPEN
    for start in range(0, len(shape), at_once):
        piece = shape[start : start + at_once]
        text = " ".join(map(names.__getitem__, piece))
        text = text.replace("( ", "(").replace(" )", ")").replace(") (", ")(")
        if before != OPEN and piece[0] != CLOSE and (before, piece[0]) != (CLOSE, OPEN):
            text = " " + text
        before = piece[-1]
        yield text.encode("ascii")
