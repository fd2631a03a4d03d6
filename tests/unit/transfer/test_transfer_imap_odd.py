"""Imports from IMAP servers that misbehave: nothing twice, nothing lost, and told in words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mailsuite.base.errors import UserError
from mailsuite.store import AccountStore, NewMessage
from mailsuite.transfer import Choice, ImapImport, imap_import
from tests.odd_imap import OddImap, message

LARGE = b"Subject: large\r\n\r\n" + b"x" * 78 + b"\r\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(imap_import, "PAUSE", 0.0)
    monkeypatch.setattr(imap_import, "BODIES_AT_ONCE", 3)


def mail(count: int, *, large: bool = False) -> dict[int, bytes]:
    more = LARGE * 2000 if large else b""
    return {uid: b"Subject: %d\r\n\r\n" % uid + more for uid in range(1, count + 1)}


@pytest.fixture
def brought(alice, target):
    """Run an import; what is in the account then, by folder: how often each subject is there."""

    async def run(odd: OddImap, *, connections: int = 1, **choice):
        made = await target(alice, "imap:odd")
        async with odd.serving() as access:
            await ImapImport(access, made, Choice(**choice), connections=connections).run()
        return made.progress

    return run


async def subjects(account: AccountStore, name: str = "INBOX") -> Counter[bytes]:
    mailbox = await account.open(name)
    try:
        read = await mailbox.read(list(mailbox.uids), max_octets=1 << 26)
    finally:
        mailbox.release()
    return Counter((octets or b"").split(b"\r\n")[0][9:] for _, octets in read)


def numbers(*uids: int) -> Counter[bytes]:
    return Counter(b"%d" % uid for uid in uids)


async def test_one_that_can_not_be_read_keeps_no_other(alice, brought):
    """The server says NO to all that are asked for with it, while other answers are on their way.

    (Dovecot does so for damaged messages, and for those that were expunged meanwhile.)
    """
    odd = OddImap({b"INBOX": mail(12, large=True)})

    def refuse(words, selected):
        if b"BODY" in words and 5 in dict(odd.chosen(words, selected)):
            return b"%tag NO [SERVERBUG] Internal error occurred\r\n"
        return None

    odd.odd = refuse
    progress = await brought(odd)
    assert await subjects(alice) == numbers(1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12)
    (note,) = progress.notes
    assert note.startswith("INBOX: 1 messages were not given: 127.0.0.1: NO [SERVERBUG] Internal")
    assert progress.left == 1
    odd.odd = lambda words, selected: None
    assert (await brought(odd)).left == 0
    assert await subjects(alice) == numbers(*range(1, 13))


async def test_a_server_that_takes_leave_in_the_middle(alice, brought):
    """BYE is a lost connection, not a folder that can't be had."""
    odd = OddImap({b"INBOX": mail(7), b"Work": mail(2)})
    said: list[bytes] = []

    def bye(words, selected):
        if b"BODY" in words and len(said) < 2:
            said.append(words)
            return message((1, odd.folders[selected][1])) + b"* BYE shutting down\r\n*"
        return None

    odd.odd = bye
    progress = await brought(odd)
    assert await subjects(alice) == numbers(*range(1, 8))
    assert await subjects(alice, "Work") == numbers(1, 2)
    assert progress.folders == 2 and any("connected again" in note for note in progress.notes)


async def test_a_server_that_takes_fewer_connections(alice, brought):
    """What it does not take costs no folder."""
    odd = OddImap({b"f%d" % number: mail(3) for number in range(6)})
    odd.most = 1
    progress = await brought(odd, connections=3)
    assert progress.folders == 6
    for number in range(6):
        assert await subjects(alice, f"f{number}") == numbers(1, 2, 3)
    assert any("fewer connections" in note for note in progress.notes)


async def test_a_server_that_takes_no_connection_any_more(alice, brought):
    odd = OddImap({b"a": mail(1), b"b": mail(1)})

    def close(words, selected):
        if b"EXAMINE" in words:
            odd.most = 0
            return b"* BYE good night\r\n*"
        return None

    odd.odd = close
    with pytest.raises(UserError, match="too many connections"):
        await brought(odd, connections=2)


async def test_messages_that_vanish_meanwhile(alice, brought):
    odd = OddImap({b"INBOX": mail(5)})

    def vanish(words, selected):
        if b"BODY" in words:
            odd.folders[b"INBOX"].pop(4, None)
        return None

    odd.odd = vanish
    progress = await brought(odd)
    assert await subjects(alice) == numbers(1, 2, 3, 5)
    assert progress.notes == ["INBOX: 1 messages were not given"]


async def test_a_folder_that_is_numbered_anew_in_the_middle(alice, brought):
    """What has come under the other numbers stays; under the new ones each comes once."""
    odd = OddImap({b"INBOX": mail(5)})

    def renumber(words, selected):
        if b"BODY" in words and odd.uidvalidity == 7:
            odd.uidvalidity = 8
            odd.folders[b"INBOX"] = {uid + 10: octets for uid, octets in mail(5).items()}
            return message((1, mail(5)[1])) + b"* BYE rebuilt\r\n*"
        return None

    odd.odd = renumber
    progress = await brought(odd)
    assert any("numbered it anew" in note for note in progress.notes) or progress.new == 5
    found = await subjects(alice)
    assert set(found) == set(numbers(*range(1, 6)))
    await brought(odd)
    assert await subjects(alice) == found


NAMES = [
    b"../../escape",
    b"..",
    b".",
    b"a/../../b",
    b"/etc/passwd",
    b"&AAc-bell&AAA-nul&AA0ACg-lines",
    b"&2D0-surrogate",
    b"~root",
    b"-rf",
    b"x" * 300,
    b"/".join([b"deep"] * 40),
    b"cur",
    b"INBOX/cur",
    b"&-",
    b"&AOk-t&AOk-",
    b"CON:*?",
]


async def test_names_of_all_kinds(alice, brought, tmp_path):
    """Each folder comes, under some name, and nothing is written anywhere else."""
    odd = OddImap({name: {1: b"Subject: %d\r\n\r\n" % place} for place, name in enumerate(NAMES)})
    before = {path for path in Path(tmp_path).rglob("*") if "mail" not in path.parts}
    progress = await brought(odd)
    infos = [info.name for info in await alice.mailboxes() if info.exists]
    found = [subject for name in infos for subject in await subjects(alice, name)]
    assert sorted(found, key=int) == [b"%d" % place for place in range(len(NAMES))], progress.notes
    assert all(name.isprintable() for name in infos)
    outside = {path for path in Path(tmp_path).rglob("*") if "mail" not in path.parts}
    assert {path.name for path in outside - before} <= {
        "imports.db", "imports.db-wal", "imports.db-shm"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command", "answer", "words"),
    [
        (b"BODY", b"* 1 FETCH (UID 1 BODY[] {9223372036854775808}\r\n", "9223372036854775808"),
        (b"BODY", b"* 1 FETCH (UID 1 BODY[] {99999999999999999999}\r\n", "response"),
        (b"BODY", b"* 1 FETCH (UID 4294967296 BODY[] {1}\r\nx)\r\n%tag OK\r\n", "number"),
        (b"FLAGS)", b"* 1 FETCH (UID 18446744073709551616 FLAGS ())\r\n%tag OK\r\n", "number"),
        (b"BODY", b"* 1 FETCH " + b"(" * 1000 + b"\r\n", "too deep"),
        (b"BODY", b"* 1 FETCH (UID 1 BODY[] " + b"x" * 3_000_000, "too long"),
        (b"BODY", b"* 1 FETCH (UID 1 X {3}\r\nabcd", "connection"),
        (b"EXAMINE", b"* OK [UIDVALIDITY 4294967296] x\r\n%tag OK\r\n", "number"),
        (b"EXAMINE", b"* OK [UIDVALIDITY 0] x\r\n%tag OK\r\n", "no UIDVALIDITY"),
        (b"EXAMINE", b"* 3 EXISTS\r\n%tag OK\r\n", "no UIDVALIDITY"),
        (b"LIST", b"* LIST nonsense\r\n%tag OK\r\n", "LIST"),
        (b"LIST", b'* LIST () "/" {99999999}\r\n', "nobody asked"),
        (b"STATUS", b"* STATUS x (MESSAGES 99999999999)\r\n%tag OK\r\n", "number"),
        (b"BODY", b"A999 OK done\r\n", "not given"),
        (b"BODY", b"+ more\r\n", "not announced"),
        (b"BODY", b"\x00\xff\r\n", "no IMAP response"),
    ],
)
async def test_nonsense_is_told_in_words(alice, brought, tmp_path, command, answer, words):
    """No traceback, nothing half there, no file left behind; what came before stays."""
    odd = OddImap({b"INBOX": mail(2)})
    odd.odd = lambda given, selected: answer if command in given else None
    with pytest.raises(UserError, match=words):
        await brought(odd)
    assert await subjects(alice) <= numbers(1, 2)
    assert not [path for path in Path(tmp_path).rglob("tmp/*") if path.is_file()]
    odd.odd = lambda given, selected: None
    await brought(odd)
    assert await subjects(alice) == numbers(1, 2)


async def test_a_large_message_that_is_cut_off_leaves_no_file(alice, brought, tmp_path):
    odd = OddImap({b"INBOX": mail(1)})
    cut = b"* 1 FETCH (UID 1 BODY[] {900000}\r\n" + LARGE * 5000
    odd.odd = lambda given, selected: cut[:-1] if b"BODY" in given else None
    with pytest.raises(UserError, match="closed the connection"):
        await brought(odd)
    assert await subjects(alice) == Counter()
    assert not [path for path in Path(tmp_path).rglob("tmp/*") if path.is_file()]


async def test_messages_that_nobody_asked_for(alice, brought):
    odd = OddImap({b"INBOX": mail(2)})

    def more(words, selected):
        if b"BODY" in words:
            unasked = message((9, LARGE * 3000)) + message((1, b"Subject: 1\r\n\r\n")) * 3
            return unasked + message((2, mail(2)[2])) + b"%tag OK\r\n"
        return None

    odd.odd = more
    await brought(odd)
    assert await subjects(alice) == numbers(1, 2)


async def test_flags_beyond_all_bounds(alice, brought):
    odd = OddImap({b"INBOX": mail(3)})

    def flags(words, selected):
        if b"BODY" not in words:
            return None
        told = b""
        for uid, octets in odd.chosen(words, selected):
            many = b" ".join(b"k%d-%d" % (uid, number) for number in range(3000))
            told += b"* %d FETCH (UID %d FLAGS (%s \\Odd \\*) BODY[] {%d}\r\n%s)\r\n" % (
                uid, uid, many, len(octets), octets
            )  # fmt: skip
        return told + b"%tag OK\r\n"

    odd.odd = flags
    progress = await brought(odd)
    assert await subjects(alice) == numbers(1, 2, 3)
    assert any("too many different" in note for note in progress.notes)
    # Nor does the next run stumble over them.
    progress = await brought(odd)
    assert (progress.new, progress.known) == (0, 3)


async def test_flags_and_messages_that_are_not_listed(alice, brought):
    """A message without FLAGS comes all the same; one that is not listed is missed, and told of."""
    odd = OddImap({b"INBOX": mail(3)})

    def listed(words, selected):
        if words.startswith(b"UID FETCH 1:*"):
            return b"* 1 FETCH (UID 1 FLAGS ())\r\n* 2 FETCH (UID 2)\r\n%tag OK\r\n"
        return None

    odd.odd = listed
    progress = await brought(odd)
    assert await subjects(alice) == numbers(1, 2)
    assert progress.notes == ["INBOX: the server lists 2 of 3 messages"]
    assert (await brought(odd)).changed == 1  # of the first: read here, not so by the list


async def test_the_highest_uid_of_all(alice, brought):
    """Where the server lies about UIDNEXT, too, the mailbox must be able to take mail after it."""
    odd = OddImap({b"INBOX": {1: b"Subject: 1\r\n\r\n", 0xFFFFFFFF: b"Subject: 2\r\n\r\n"}})

    def small(words, selected):
        if b"EXAMINE" in words:
            return b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 3] x\r\n%tag OK\r\n"
        return None

    odd.odd = small
    await brought(odd)
    assert await subjects(alice) == numbers(1, 2)
    await alice.append("INBOX", [NewMessage(b"Subject: 3\r\n\r\n")])
    assert await subjects(alice) == numbers(1, 2, 3)
    await brought(odd)
    assert await subjects(alice) == numbers(1, 2, 3)


async def test_what_is_not_listed_has_not_vanished(alice, brought):
    odd = OddImap({b"INBOX": mail(3)})
    await brought(odd)
    listed = b"* 1 FETCH (UID 1 FLAGS ())\r\n%tag OK\r\n"
    odd.odd = lambda words, selected: listed if words.startswith(b"UID FETCH 1:*") else None
    progress = await brought(odd, remove_vanished=True)
    assert (progress.removed, progress.notes) == (0, ["INBOX: the server lists 1 of 3 messages"])
    assert await subjects(alice) == numbers(1, 2, 3)
    del odd.folders[b"INBOX"][2], odd.folders[b"INBOX"][3]
    assert (await brought(odd, remove_vanished=True)).removed == 2
    assert await subjects(alice) == numbers(1)
