"""Threads: every message once, like the RFC's steps taken literally, and no depth too deep."""

import re
import time
from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailsuite.imapd.thread_tree import ALGORITHMS, Messages, rendered


def threaded(algorithm: str, mail: Sequence["Mail"], places: Sequence[int] | None = None) -> str:
    """The answer, with places for numbers."""
    places = range(len(mail)) if places is None else places
    messages = Messages(
        places,
        sorted(places, key=lambda place: (mail[place].date, place)),
        [each.subject.encode() for each in mail],
        [array("Q", (each.reply, each.id, *each.references)).tobytes() for each in mail],
    )
    shape = ALGORITHMS[algorithm](messages)
    whole = b"".join(rendered(shape, range(len(mail))))
    assert whole == b"".join(rendered(shape, range(len(mail)), at_once=3))
    return whole.decode()


class Mail:
    """A message: id 0 is none."""

    def __init__(
        self,
        id_: int = 0,
        references: Sequence[int] = (),
        subject: str = "",
        reply: bool = False,
        date: int = 0,
    ) -> None:
        self.id = id_
        self.references = list(references)
        self.subject = subject
        self.reply = reply
        self.date = date

    def __repr__(self) -> str:
        return f"Mail({self.id}, {self.references}, {self.subject!r}, {self.reply}, {self.date})"


# -- REFERENCES, taken literally (RFC 5256 §3) -----------------------------------------------------


class Node:
    def __init__(self, place: int | None) -> None:
        self.place = place
        self.parent: Node | None = None
        self.children: list[Node] = []

    def has(self, other: "Node") -> bool:
        return other is self or any(child.has(other) for child in self.children)

    def adopt(self, child: "Node") -> None:
        child.leave()
        child.parent = self
        self.children.append(child)

    def leave(self) -> None:
        if self.parent is not None:
            self.parent.children.remove(self)
            self.parent = None


class Literally:
    def __init__(self, mail: Sequence[Mail]) -> None:
        self.mail = mail
        self.root = Node(None)

    def run(self) -> str:
        self.link()
        self.prune(self.root)
        self.sort(self.root)
        self.gather()
        self.sort(self.root)
        return "".join(f"({self.text(child)})" for child in self.root.children)

    def link(self) -> None:
        nodes: dict[Any, Node] = {}
        mine = []
        for place, each in enumerate(self.mail):
            name = each.id if each.id and each.id not in nodes else f"unique {place}"
            nodes[name] = Node(place)
            mine.append(nodes[name])
        for each, node in zip(self.mail, mine, strict=True):
            chain = [nodes.setdefault(reference, Node(None)) for reference in each.references]
            for parent, child in pairwise(chain):
                if child.parent is None and not child.has(parent):
                    parent.adopt(child)
            node.leave()
            if chain and not node.has(chain[-1]):
                chain[-1].adopt(node)
        for node in nodes.values():
            if node.parent is None:
                self.root.adopt(node)

    def prune(self, node: Node) -> None:
        for child in list(node.children):
            self.prune(child)
            if child.place is None and (node is not self.root or len(child.children) <= 1):
                place = node.children.index(child)
                grandchildren = list(child.children)
                child.leave()
                for grandchild in grandchildren:
                    node.adopt(grandchild)
                    node.children.insert(place, node.children.pop())

    def date(self, node: Node) -> tuple[int, int]:
        place = self.first(node)
        return self.mail[place].date, place

    def first(self, node: Node) -> int:
        if node.place is not None:
            return node.place
        assert node.children[0].place is not None
        return node.children[0].place

    def sort(self, node: Node) -> None:
        for child in node.children:
            self.sort(child)
        node.children.sort(key=self.date)

    def is_reply(self, node: Node) -> bool:
        return node.place is not None and self.mail[node.place].reply

    def gather(self) -> None:
        table: dict[str, Node] = {}
        for node in self.root.children:
            subject = self.mail[self.first(node)].subject
            if not subject:
                continue
            known = table.setdefault(subject, node)
            if known.place is not None and (
                node.place is None or (self.is_reply(known) and not self.is_reply(node))
            ):
                table[subject] = node
        for node in list(self.root.children):
            subject = self.mail[self.first(node)].subject
            known = table.get(subject, node)
            if not subject or known is node:
                continue
            if known.place is None and node.place is None:
                for child in list(node.children):
                    known.adopt(child)
                node.leave()
            elif known.place is None or (self.is_reply(node) and not self.is_reply(known)):
                known.adopt(node)
            else:
                dummy = Node(None)
                self.root.adopt(dummy)
                dummy.adopt(known)
                dummy.adopt(node)
                table[subject] = dummy

    def text(self, node: Node) -> str:
        texts = [self.text(child) for child in node.children]
        below = texts[0] if len(texts) == 1 else "".join(f"({text})" for text in texts)
        if node.place is None:
            return below
        return f"{node.place} {below}" if below else str(node.place)


ids = st.integers(2, 9)
mail_ = st.builds(
    Mail,
    st.one_of(st.just(0), ids),
    st.lists(ids, max_size=4),
    st.sampled_from(["", "A", "B"]),
    st.booleans(),
    st.integers(0, 5),
)


@given(st.lists(mail_, max_size=12))
@example([Mail(2, [2]), Mail(3, [4, 2]), Mail(4, [3])])
@example([Mail(2, [3], "A", False, 2), Mail(4, [3], "A", True, 1), Mail(5, [], "A", False, 0)])
def test_references_like_the_rfc_taken_literally(mail: list[Mail]) -> None:
    assert threaded("REFERENCES", mail) == Literally(mail).run()


@given(st.lists(mail_, max_size=12), st.data())
def test_of_some_messages(mail: list[Mail], data: st.DataObject) -> None:
    """Messages that are not searched don't count."""
    chosen = data.draw(st.sets(st.integers(0, len(mail) - 1)) if mail else st.just(set()))
    places = sorted(chosen)
    names = {str(number): str(place) for number, place in enumerate(places)}
    expected = Literally([mail[place] for place in places]).run()
    assert threaded("REFERENCES", mail, places) == re.sub(
        r"\d+", lambda found: names[found[0]], expected
    )


@given(st.lists(mail_, max_size=12))
def test_ordered_subject(mail: list[Mail]) -> None:
    order = sorted(range(len(mail)), key=lambda place: (mail[place].date, place))
    threads: dict[str, list[str]] = {}
    for place in order:
        threads.setdefault(mail[place].subject, []).append(str(place))
    expected = ""
    for first, *rest in threads.values():
        below = rest if len(rest) == 1 else [f"({place})" for place in rest]
        expected += "(" + " ".join([first, "".join(below)]).rstrip() + ")"
    assert threaded("ORDEREDSUBJECT", mail) == expected


THREADS = re.compile(r"(?:\((?:[0-9]+(?: [0-9]+)*(?: (?=\())?)?|\))*\Z")


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
@given(mail=st.lists(mail_, max_size=30))
def test_every_message_once(algorithm: str, mail: list[Mail]) -> None:
    text = threaded(algorithm, mail)
    assert sorted(map(int, re.findall("[0-9]+", text))) == list(range(len(mail)))
    assert THREADS.match(text)
    assert text.count("(") == text.count(")")


DEEP = 10_000


@pytest.mark.parametrize("order", ["oldest first", "newest first", "odd ones first"])
@pytest.mark.parametrize("known", [1, 20])
def test_deep(order: str, known: int) -> None:
    """A chain of replies as one list, in about linear time, wherever its messages lie."""
    numbers = list(range(2, DEEP + 2))
    if order == "newest first":
        numbers.reverse()
    elif order == "odd ones first":
        numbers = numbers[1::2] + numbers[::2]
    mail = [Mail(n, range(max(2, n - known), n), "A", n > 2, n) for n in numbers]
    began = time.perf_counter()
    text = threaded("REFERENCES", mail)
    assert time.perf_counter() - began < 20
    place = {n: str(at) for at, n in enumerate(numbers)}
    assert text == "(" + " ".join(place[n] for n in sorted(numbers)) + ")"


def test_deep_with_forks() -> None:
    """Two replies to each message, one of which is replied to: as many parentheses as messages."""
    mail = [Mail(2, (), "A")]
    for n in range(1, DEEP):
        mail += [Mail(2 * n + 1, [2 * n], "A", True, n), Mail(2 * n + 2, [2 * n], "A", True, n)]
    text = threaded("REFERENCES", mail)
    assert text.startswith("(0 (1)(2 (3)(4 ")
    assert text.endswith(")" * DEEP)


def test_attempts_at_loops_cost_little() -> None:
    """Long ways up, again and again: what is linked already is known."""
    chain = [Mail(n, [n - 1], "", False, n) for n in range(3, 5003)]
    began = time.perf_counter()
    threaded(
        "REFERENCES", chain + [Mail(n, [5002, n + 10_000, n], "") for n in range(6000, 16_000)]
    )
    assert time.perf_counter() - began < 20
