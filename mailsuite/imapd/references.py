"""Pure. Who is a reply to whom: steps (1) and (2) of the REFERENCES algorithm (RFC 5256 §3)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

NONE = -1
_LONG = 500
_TABLES = 64


class Ancestry:
    """Parents of messages, and of dummies for IDs that no message has.

    A node is a number: messages first, in the mailbox's order, then dummies.
    """

    __slots__ = ("_component", "_count", "_has_children", "_parent")

    def __init__(self, ids: Sequence[bytes]) -> None:
        """`ids`: each message's `thread_ids` (`mailsuite.imapd.sort_keys`)."""
        self._count = len(ids)
        numbers = array("Q")
        ends = array("I", [0])
        for each in ids:
            numbers.frombytes(each)
            ends.append(len(numbers))
        nodes, count = _nodes(numbers, ends[:-1])
        self._parent = array("i", [NONE]) * count
        self._has_children = bytearray(count)
        self._component: list[int] = []
        self._link_all(nodes, ends[1:])

    def above(self) -> array[int]:
        """For each message the nearest message above, or the topmost dummy, or NONE."""
        parent, count = self._parent, self._count
        known: dict[int, int] = {}
        found = parent[:count]
        for number, node in enumerate(found):
            if node >= count:
                found[number] = self._nearest(node, known)
        return found

    def _nearest(self, dummy: int, known: dict[int, int]) -> int:
        """The same for a dummy; `known` is it for all dummies on the way."""
        way = []
        node = dummy
        while node >= self._count and node not in known:
            way.append(node)
            if self._parent[node] == NONE:
                break
            node = self._parent[node]
        found = known.get(node, node)
        known.update(dict.fromkeys(way, found))
        return found

    # -- links -------------------------------------------------------------------------------------

    def _link_all(self, nodes: array[int], ends: array[int]) -> None:
        """Step (1). `nodes`: two that are no references, then the references, message by message.

        `ends`: where the next message's begin.
        """
        parent = self._parent
        start = 0
        for number, end in enumerate(ends):
            before = NONE
            for node in nodes[start + 2 : end]:
                # (A): an existing link stays.
                if before != NONE and parent[node] == NONE:
                    self._link(before, node)
                before = node
            # (B): the last reference is right, whatever other messages have said.
            if parent[number] != before:
                parent[number] = NONE
                if before != NONE:
                    self._link(before, number)
            start = end

    def _link(self, parent: int, child: int) -> None:
        """Link them, unless that would make a loop."""
        if parent == child or (self._has_children[child] and self._is_above(child, parent)):
            return
        self._parent[child] = parent
        self._has_children[parent] = 1
        if self._component:
            self._component[self._top(child)] = self._top(parent)

    def _is_above(self, node: int, below: int) -> bool:
        """Is `below` a descendant of `node`?"""
        if self._component and self._top(node) != self._top(below):
            return False
        parents = self._parent
        steps = 0
        while below not in (node, NONE):
            below = parents[below]
            steps += 1
        if steps > _LONG and not self._component:
            # Ways are long here. From now on it is known which nodes have ever been linked.
            self._component = [
                number if above == NONE else above for number, above in enumerate(parents)
            ]
        return below == node

    def _top(self, node: int) -> int:
        """Names the nodes that have ever been linked with this one."""
        component = self._component
        while (above := component[node]) != node:
            component[node] = node = component[above]
        return node


def _nodes(numbers: array[int], starts: Iterable[int]) -> tuple[array[int], int]:
    """(the node of each ID in `numbers`, how many nodes there are); messages begin at `starts`.

    Plain loops, arrays, and many small tables: a long step in C would hold up all other threads,
    and so would setting free a list of a million numbers, or a table of as many that grows.
    """
    tables: list[dict[int, int]] = [{} for _ in range(_TABLES)]
    tables[0][0] = tables[1][1] = NONE
    count = 0
    for count, start in enumerate(starts, 1):
        # Of several messages with the same ID the first has it.
        number = numbers[start + 1]
        tables[number % _TABLES].setdefault(number, count - 1)
    nodes = array("i")
    for number in numbers:
        known = tables[number % _TABLES]
        node = known.get(number)
        if node is None:
            node = known[number] = count
            count += 1
        nodes.append(node)
    while tables:
        tables.pop()  # set free one by one
    return nodes, count
