"""Searching with the full-text index gives what looking into every message gives.

Invariant: for any messages, whatever part of them is indexed, and any text to look for, the result
is that of `message_contains` and `field_contains`, or their inexact sisters, for every message.
"""

import asyncio
import base64
import quopri
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.imapd import positions
from mailsuite.imapd.fuzzy import pattern
from mailsuite.imapd.search import Search
from mailsuite.imapd.search_text import field_contains, message_contains
from mailsuite.imapd.syntax.model import (
    SearchAnd,
    SearchFlag,
    SearchFuzzy,
    SearchHeader,
    SearchKey,
    SearchNot,
    SearchOr,
    SearchText,
)
from mailsuite.imapd.view import View
from mailsuite.message import fold, split_header
from mailsuite.store import AccountStore, Facets, NewMessage, Store, catch_up, fulltext

FACETS = Facets(("none",), 1, lambda message: (b"",))
CHARSETS = ("utf-8", "iso-8859-1", "koi8-r", "utf-16", "shift_jis", "gb18030", "utf-7", "x-none")

# Few letters, so that texts meet; some that fold to several, and what FTS5 could take for syntax.
letters = st.sampled_from([*"aAbBéÉßıſﬁǅ\"*^():-+{}'\\%_ \t", "\u0301", "я", "Я", "发", "票", "한"])
words = st.text(letters, max_size=6)
sentences = st.one_of(
    st.lists(words, max_size=12).map(" ".join),
    st.text(max_size=40),
    st.sampled_from(
        ["SELECT", "NEAR(a b)", "a AND b", "body : x", "baBabaB bAab", "aaaaaaaaaaaaaaaaaaaaaaaab"]
    ),
)


def encoded_word(text: str, charset: str, encoding: str) -> bytes:
    octets = text.encode("utf-8" if charset == "x-none" else charset, "replace")
    if encoding == "b":
        return b"=?%b?b?%b?=" % (charset.encode(), base64.b64encode(octets))
    quoted = "".join(f"={octet:02X}" for octet in octets)
    return b"=?%b?q?%b?=" % (charset.encode(), quoted.encode())


@st.composite
def field_values(draw: st.DrawFn) -> bytes:
    text = draw(sentences)
    match draw(st.sampled_from(["raw", "folded", "b", "q"])):
        case "raw":
            return text.replace("\r", "").replace("\n", "").encode("utf-8", "replace")
        case "folded":
            return text.replace("\r", "").replace("\n", "").encode("utf-8", "replace") + b"\r\n a"
        case encoding:
            return encoded_word(text, draw(st.sampled_from(CHARSETS)), encoding)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A leaf with its MIME header."""
    charset = draw(st.sampled_from(CHARSETS))
    octets = draw(sentences).encode("utf-8" if charset == "x-none" else charset, "replace")
    encoding = draw(st.sampled_from(["base64", "quoted-printable", "8bit"]))
    encode = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(encoding)
    kind = draw(st.sampled_from(["text/plain", "text/html", "application/json", "image/png"]))
    return b"Content-Type: %b; charset=%b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n" % (
        kind.encode(),
        charset.encode(),
        encoding.encode(),
        encode(octets) if encode else octets,
    )


@st.composite
def entities(draw: st.DrawFn, depth: int = 2) -> bytes:
    names = st.sampled_from(["Subject", "From", "to", "X-A", "no field"])
    header = b"".join(
        b"%b: %b\r\n" % (draw(names).encode(), draw(field_values()))
        for _ in range(draw(st.integers(0, 3)))
    )
    shapes = ["leaf", "mixed", "message"] if depth else ["leaf"]
    match draw(st.sampled_from(shapes)):
        case "leaf":
            return header + draw(bodies())
        case "message":
            inner = draw(entities(depth=depth - 1))
            return header + b"Content-Type: message/rfc822\r\n\r\n" + inner
        case _:
            parts = draw(st.lists(bodies(), max_size=3))
            return (
                header
                + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
                + b"".join(b"--b\r\n" + part for part in parts)
                + b"--b--\r\n"
            )


messages = st.one_of(entities(), st.binary(max_size=60))
needles = st.one_of(words, sentences, st.text(letters, min_size=1, max_size=3))
keys = st.one_of(
    st.builds(SearchText, needles, st.booleans()),
    st.builds(SearchHeader, st.sampled_from(["subject", "FROM", "X-A", "bcc"]), needles),
)
programs = st.recursive(
    keys,
    lambda inner: st.one_of(
        st.builds(SearchNot, inner),
        st.builds(SearchFuzzy, inner),
        st.builds(SearchOr, inner, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda keys: SearchAnd(tuple(keys))),
    ),
    max_leaves=3,
)


def expected(key: SearchKey, message: bytes, fuzzy: bool = False) -> bool:
    match key:
        case SearchFuzzy(inner):
            return expected(inner, message, True)
        case SearchText(value, body_only):
            if fuzzy:
                return pattern(value).message_score(message, body_only=body_only) > 0
            return message_contains(message, fold(value), body_only=body_only)
        case SearchHeader(name, value):
            header = message[: split_header(message)[0]]
            if fuzzy:
                return pattern(value).field_score(header, name) > 0
            return field_contains(header, name, fold(value))
        case SearchNot(inner):
            return not expected(inner, message, fuzzy)
        case SearchOr(left, right):
            return expected(left, message, fuzzy) or expected(right, message, fuzzy)
        case SearchAnd(inner_keys):
            return all(expected(inner, message, fuzzy) for inner in inner_keys)
        case _:
            raise AssertionError(key)


class Account:
    """One account's INBOX, whose full-text index is filled by hand."""

    def __init__(self, account: AccountStore, view: View, threads: Threads) -> None:
        self.store = account
        self.view = view
        self.threads = threads

    async def fill(self, most: int = 1000) -> None:
        folder = self.view.mailbox.folder
        for _ in range(most):
            if not await self.threads.run(catch_up.step, self.store.files, folder):
                break

    async def append(self, *data: bytes) -> None:
        await self.store.append("INBOX", [NewMessage(each, exact=True) for each in data])
        list(self.view.sync(may_expunge=True))

    async def search(self, key: SearchKey) -> list[int]:
        found = positions.listed(await Search(self.view, self.threads).run(key))
        return [self.view.uids[position] for position in found]


def with_account(test: Callable[[Account], object]) -> None:
    """Run a test on a new account."""

    async def run() -> None:
        threads = Threads("test", 3)
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder), facets=FACETS, threads=threads, clock=SystemClock())
            account = await store.account("alice@example.test")
            account.indexer.stop()
            view = View(await account.open("INBOX"), read_only=True)
            try:
                result = test(Account(account, view, threads))
                assert asyncio.iscoroutine(result)
                await result
            finally:
                view.close()
                await store.close()
                threads.close()

    asyncio.run(run())


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    st.lists(messages, min_size=1, max_size=6),
    st.lists(messages, max_size=2),
    st.lists(programs, min_size=1, max_size=8),
    st.sampled_from([(1 << 16, 1 << 17), (10, 1 << 17), (10, 60)]),
    st.sampled_from([400, 3]),
)
def test_as_by_looking(
    early: list[bytes],
    late: list[bytes],
    asked: list[SearchKey],
    bounds: tuple[int, int],
    beginnings: int,
) -> None:
    async def test(account: Account) -> None:
        await account.append(*early)
        await account.fill()
        if late:
            await account.append(*late)
        every = [*early, *late]
        for key in asked:
            want = [uid for uid, data in enumerate(every, 1) if expected(key, data)]
            assert await account.search(key) == want, key

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fulltext, "DIRECT", bounds[0])
        patch.setattr(fulltext, "MAX_DISTINCT", bounds[1])
        patch.setattr(fulltext, "MAX_BEGINNINGS", beginnings)
        with_account(test)


async def _count_reads(account: Account, key: SearchKey) -> tuple[list[int], int]:
    """The result, and how many messages were looked into."""
    mailbox, looked = account.view.mailbox, 0
    examine = mailbox.examine

    async def counted(uids, look, *, max_octets):  # type: ignore[no-untyped-def]
        nonlocal looked
        looked += len(uids)
        return await examine(uids, look, max_octets=max_octets)

    mailbox.examine = counted  # type: ignore[method-assign]
    try:
        return await account.search(key), looked
    finally:
        del mailbox.examine


def test_only_candidates_are_read() -> None:
    async def test(account: Account) -> None:
        texts = ["apple pie", "pineapple", "banana", "applesauce", "发票 2026"]
        await account.append(*(f"Subject: {n}\r\n\r\n{t}".encode() for n, t in enumerate(texts)))
        await account.fill()
        assert await _count_reads(account, SearchText("APPLE")) == ([1, 2, 4], 3)
        assert await _count_reads(account, SearchText("applepie")) == ([], 0)
        # Up to three characters the index itself is exact.
        assert await _count_reads(account, SearchText("ana")) == ([3], 0)
        assert await _count_reads(account, SearchText("发票")) == ([5], 0)
        assert await _count_reads(account, SearchText("p")) == ([1, 2, 4], 0)
        assert await _count_reads(account, SearchText("6", body_only=True)) == ([5], 0)
        assert await _count_reads(account, SearchText("26")) == ([5], 0)
        # All texts are asked for before messages are read; and flags before that.
        both = SearchAnd((SearchText("pple"), SearchText("anan")))
        assert await _count_reads(account, both) == ([], 0)
        unflagged = SearchAnd((SearchText("pple"), SearchFlag("\\Flagged")))
        assert await _count_reads(account, unflagged) == ([], 0)
        # A message that is not indexed is read.
        await account.append(b"Subject: 5\r\n\r\nno fruit\r\n")
        assert await _count_reads(account, SearchText("banana")) == ([3], 2)

    with_account(test)


def test_messages_expunged_but_not_told() -> None:
    async def test(account: Account) -> None:
        await account.append(*(b"Subject: x\r\n\r\nsame text %d\r\n" % n for n in range(5)))
        await account.fill()
        await account.view.mailbox.expunge([2, 4], only_deleted=False)
        await account.fill()
        assert await account.search(SearchText("same text")) == [1, 2, 3, 4, 5]
        assert await account.search(SearchText("t 1")) == [2]
        list(account.view.sync(may_expunge=True))
        assert await account.search(SearchText("same text")) == [1, 3, 5]

    with_account(test)


def test_inexact_texts_by_the_index() -> None:
    async def test(account: Account) -> None:
        await account.append(
            b"Subject: Invoice\r\n\r\nfor the strawberry\r\n",
            b"Subject: Invocie\r\n\r\nstrawbery\r\n",
            b"Subject: other\r\n\r\nraspberries\r\n",
            "Subject: Rechnung\r\n\r\nBröt für Müller\r\n".encode(),
        )
        await account.fill()
        assert await _count_reads(account, SearchFuzzy(SearchText("strawberry"))) == ([1, 2], 2)
        search = Search(account.view, account.threads)
        found = await search.run(SearchFuzzy(SearchHeader("subject", "invoice")))
        assert positions.listed(found) == [0, 1]
        assert [search.relevancy(place) for place in (0, 1)] == [100, 50]
        assert await account.search(SearchFuzzy(SearchText("muller"))) == [4]
        nested = SearchAnd((SearchFuzzy(SearchText("invoice")), SearchText("invoice")))
        assert await account.search(nested) == [1]
        assert await account.search(SearchFuzzy(SearchFlag("\\Seen", negate=True))) == [1, 2, 3, 4]

    with_account(test)
