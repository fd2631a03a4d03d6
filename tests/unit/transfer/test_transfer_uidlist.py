"""Dovecot's files beside a Maildir: as Dovecot 2.3 has written them, and whatever may come."""

from hypothesis import given
from hypothesis import strategies as st

from mailsuite.transfer import uidlist

DOVECOT = b"""3 V1795838471 N5 G81c2a63405520a6b2973000083ecc375
1 :1795838469.M894856P29481.vm,S=25,W=29
2 P0000000a4b W29 :1795838469.M897683P29481.vm,S=25,W=29:2,S
4 :name with spaces :and colon
"""


def test_a_list_of_dovecots():
    found = uidlist.read_uidlist(DOVECOT)
    assert (found.uidvalidity, found.uidnext) == (1795838471, 5)
    assert found.uids == {
        "1795838469.M894856P29481.vm,S=25,W=29": 1,
        "1795838469.M897683P29481.vm,S=25,W=29": 2,
        "name with spaces ": 4,
    }
    assert found.pop3 == {2: "0000000a4b"}


def test_a_list_of_version_1():
    found = uidlist.read_uidlist(b"1 1275660208 25022\n25006 1276528487.M36.kurkku:2,S\n")
    assert (found.uidvalidity, found.uidnext) == (1275660208, 25022)
    assert found.uids == {"1276528487.M36.kurkku": 25006}


def test_uidnext_is_never_behind():
    assert uidlist.read_uidlist(b"3 V7 N2\n9 :nine\n").uidnext == 10


NAME = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1
)
UID = st.integers(1, 0xFFFFFFFE)


@given(
    UID,
    st.dictionaries(NAME, UID, max_size=20),
    st.text("abcdef0123456789.", max_size=8),
)
def test_what_is_written_is_read(uidvalidity, uids, pop3):
    uidnext = max(uids.values(), default=0) + 1
    lines = uidlist.write_uidlist(
        uidvalidity, uidnext, "0" * 32, [(uid, pop3, name) for name, uid in uids.items()]
    )
    found = uidlist.read_uidlist(b"".join(lines))
    assert (found.uidvalidity, found.uidnext, found.uids) == (uidvalidity, uidnext, uids)


@given(st.binary() | st.binary().map(lambda rest: b"3 V1 N2\n" + rest))
def test_nothing_raises(octets):
    found = uidlist.read_uidlist(octets)
    assert all(0 < uid <= 0xFFFFFFFF for uid in found.uids.values())
    uidlist.read_keywords(octets)
    uidlist.read_subscriptions(octets)


def test_keywords():
    letters = uidlist.read_keywords(b"0 $Forwarded\n1 work\n26 too-many\nnonsense\n")
    assert letters == {"a": "$Forwarded", "b": "work"}
    words = {word: letter for letter, word in letters.items()}
    assert uidlist.read_keywords(uidlist.write_keywords(words)) == letters


def test_subscriptions_of_both_versions():
    assert uidlist.read_subscriptions(b"V\t2\n\nSent\nWork\t2024\n") == ["Sent", "Work/2024"]
    assert uidlist.read_subscriptions(b"INBOX\nWork.2024\n") == ["INBOX", "Work/2024"]
