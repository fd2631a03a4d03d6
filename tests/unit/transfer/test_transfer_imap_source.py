"""The folders of another IMAP server, by the names that they get here."""

from mailsuite.remote.imap import Listed
from mailsuite.transfer.imap_source import distinct


def listed(name: bytes) -> Listed:
    return Listed(name=name, delimiter=".", attributes=frozenset())


def test_no_folder_takes_the_place_of_another() -> None:
    names = [b"INBOX.INBOX", b"INBOX.a", b"a", b"INBOX", b"INBOX.a", b"INBOX.b/c", b"INBOX.b_c"]
    found = distinct(map(listed, names), ["INBOX."])
    assert {name: row.name for name, row in found.items()} == {
        "INBOX": b"INBOX",
        "INBOX_": b"INBOX.INBOX",
        "a": b"INBOX.a",
        "a_": b"a",
        "b_c": b"INBOX.b/c",
        "b_c_": b"INBOX.b_c",
    }
