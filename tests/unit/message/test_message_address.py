"""Address lists as they stand in real mail."""

from email.headerregistry import Address as StdAddress
from email.utils import formataddr, getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import Address, Group, mailboxes, parse_addresses

ROW = tuple[bytes | None, bytes | None, bytes, bytes]


def rows(value: bytes) -> list[object]:
    found: list[object] = []
    for entry in parse_addresses(value):
        if isinstance(entry, Group):
            found.append((entry.name, [_row(member) for member in entry.members]))
        else:
            found.append(_row(entry))
    return found


def _row(address: Address) -> ROW:
    return address.name, address.adl, address.mailbox, address.host


def one(name: bytes | None, mailbox: bytes, host: bytes, adl: bytes | None = None) -> list[object]:
    return [(name, adl, mailbox, host)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # RFC 5322 §A.1, §A.5, §A.6
        (b"John Doe <jdoe@machine.example>", one(b"John Doe", b"jdoe", b"machine.example")),
        (b'"Joe Q. Public" <john.q.public@example.com>',
         one(b"Joe Q. Public", b"john.q.public", b"example.com")),
        (b"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
         [(b"Mary Smith", None, b"mary", b"x.test"), (None, None, b"jdoe", b"example.org"),
          (b"Who?", None, b"one", b"y.test")]),
        (b'<boss@nil.test>, "Giant; \\"Big\\" Box" <sysservices@example.net>',
         [(None, None, b"boss", b"nil.test"),
          (b'Giant; "Big" Box', None, b"sysservices", b"example.net")]),
        (b"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
         [(b"A Group", [(b"Ed Jones", None, b"c", b"a.test"), (None, None, b"joe", b"where.test"),
                        (b"John", None, b"jdoe", b"one.test")])]),
        (b"Undisclosed recipients:;", [(b"Undisclosed recipients", [])]),
        (b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
         one(b"Pete", b"pete", b"silly.test")),
        (b"A Group(Some people)\r\n  :Chris Jones <c@(Chris's host.)public.example>,\r\n"
         b"  joe@example.org,\r\n John <jdoe@one.test> (my dear friend); (the end of the group)",
         [(b"A Group", [(b"Chris Jones", None, b"c", b"public.example"),
                        (None, None, b"joe", b"example.org"),
                        (b"John", None, b"jdoe", b"one.test")])]),
        (b"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
         [(b"Hidden recipients", [])]),
        (b"Joe Q. Public <john.q.public@example.com>",
         one(b"Joe Q. Public", b"john.q.public", b"example.com")),
        (b"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
         [(b"Mary Smith", b"@node.test", b"mary", b"example.net"),
          (None, None, b"jdoe", b"test.example")]),
        (b"<@a.test,@b.test:c@d.test>", one(None, b"c", b"d.test", b"@a.test,@b.test")),
        (b"<,@a.test, , @b.test:c@d.test>", one(None, b"c", b"d.test", b",@a.test,,@b.test")),
        # comments as names
        (b"joe@x.test (Joe Doe)", one(b"Joe Doe", b"joe", b"x.test")),
        (b"joe@x.test (Joe (the) Doe \\( )", one(b"Joe (the) Doe (", b"joe", b"x.test")),
        (b"(before) joe@x.test", one(b"before", b"joe", b"x.test")),
        (b"<joe@x.test> (Joe)", one(b"Joe", b"joe", b"x.test")),
        (b"Real <joe@x.test> (Joe)", one(b"Real", b"joe", b"x.test")),
        (b"joe@x.test ()", one(None, b"joe", b"x.test")),
        # quoting
        (b'"joe doe"@x.test', one(None, b"joe doe", b"x.test")),
        (b'"joe\\"doe"@x.test', one(None, b'joe"doe', b"x.test")),
        (b'<"joe doe"@x.test>', one(None, b"joe doe", b"x.test")),
        (b'"" <joe@x.test>', one(None, b"joe", b"x.test")),
        (b'"A" B "C" <joe@x.test>', one(b"A B C", b"joe", b"x.test")),
        (b'A\r\n   B\t C <joe@x.test>', one(b"A B C", b"joe", b"x.test")),
        (b'"" Joe <joe@x.test>', one(b"Joe", b"joe", b"x.test")),
        (b'Joe ""Doe <joe@x.test>', one(b"Joe Doe", b"joe", b"x.test")),
        (b"joe@[192.0.2.1]", one(None, b"joe", b"[192.0.2.1]")),
        (b"Joe <joe@[IPv6:2001:db8::1]>", one(b"Joe", b"joe", b"[IPv6:2001:db8::1]")),
        (b"joe . doe @ x . test", one(None, b"joe.doe", b"x.test")),
        (b"joe.(c).doe@x", one(b"c", b"joe..doe", b"x")),
        # 8-bit and encoded words stay
        (b"J\xc3\xbcrgen <j\xc3\xbc@d\xc3\xb6.test>",
         one(b"J\xc3\xbcrgen", b"j\xc3\xbc", b"d\xc3\xb6.test")),
        (b"=?utf-8?q?J=C3=BCrgen?= <j@x>", one(b"=?utf-8?q?J=C3=BCrgen?=", b"j", b"x")),
        (b"\xff <\xfe@x>", one(b"\xff", b"\xfe", b"x")),
        # what should not be, but is
        (b"joe", one(None, b"joe", b"")),
        (b"Joe Doe", one(b"Joe Doe", b"", b"")),
        (b'"Joe"', one(b"Joe", b"", b"")),
        (b'""', one(None, b"", b"")),
        (b"=?utf-8?q?J=C3=BCrgen?=", one(b"=?utf-8?q?J=C3=BCrgen?=", b"", b"")),
        (b"joe . doe", one(None, b"joe.doe", b"")),
        (b"Joe Doe, joe", [(b"Joe Doe", None, b"", b""), (None, None, b"joe", b"")]),
        (b"<joe>", one(None, b"joe", b"")),
        (b"Joe <>", one(b"Joe", b"", b"")),
        (b"<>", one(None, b"", b"")),
        (b"@x.test", one(None, b"", b"x.test")),
        (b"joe@", one(None, b"joe", b"")),
        (b"a@b@c", one(None, b"a@b", b"c")),
        (b"<a@b@c>", one(None, b"a@b", b"c")),
        (b"<<joe@x.test>>", one(None, b"joe", b"x.test")),
        (b"Joe <joe@x.test", one(b"Joe", b"joe", b"x.test")),
        (b"Joe <joe@x.test, Jim <jim@x.test>",
         [(b"Joe", None, b"joe", b"x.test"), (b"Jim", None, b"jim", b"x.test")]),
        (b"Joe joe@x.test", one(b"Joe", b"joe", b"x.test")),
        (b'"Joe <joe@x.test>', one(b'"Joe', b"joe", b"x.test")),
        (b"Doe, Joe <joe@x.test>",
         [(None, None, b"Doe", b""), (b"Joe", None, b"joe", b"x.test")]),
        (b"a@b; c@d", [(None, None, b"a", b"b"), (None, None, b"c", b"d")]),
        (b",, a@b ,,", one(None, b"a", b"b")),
        (b"g: a@b", [(b"g", [(None, None, b"a", b"b")])]),
        (b"g: a@b;, c@d", [(b"g", [(None, None, b"a", b"b")]), (None, None, b"c", b"d")]),
        (b"g: a@b, h: c@d;",
         [(b"g", [(None, None, b"a", b"b")]), (b"h", [(None, None, b"c", b"d")])]),
        (b"joe@x.test Joe Doe", one(b"Joe Doe", b"joe", b"x.test")),
        (b"joe@x.test (Joe) evil", one(b"Joe", b"joe", b"x.test")),
        (b"Joe <joe@x.test evil>", one(b"Joe", b"joe", b"x.test")),
        (b"<Joe Doe joe@x.test>", one(b"Joe Doe", b"joe", b"x.test")),
        (b"<joe doe>", one(None, b"joe doe", b"")),
        (b"< , ,@a.test:joe@x.test>", one(None, b"joe", b"x.test", b",,@a.test")),
        (b"joe\\\r\n", one(None, b"joe\\", b"")),
        (b"joe@x.test (never closed", one(b"never closed", b"joe", b"x.test")),
        (b"", []),
        (b" \r\n ", []),
        (b"(only a comment)", []),
        (b";", []),
    ],
)  # fmt: skip
def test_address_lists(value: bytes, expected: list[object]) -> None:
    assert rows(value) == expected


def test_decoded_forms() -> None:
    (entry,) = mailboxes(parse_addresses(b'=?iso-8859-1?q?J=FCrgen?= <"a b"@x.test>'))
    assert entry.display_name == "Jürgen"
    assert entry.address == '"a b"@x.test'
    found = parse_addresses(b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=: a@b, <>;")
    assert isinstance(found[0], Group)
    assert found[0].display_name == "Grüße"
    assert [member.address for member in mailboxes(found)] == ["a@b", ""]


words = st.text(
    st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=12
).filter(lambda text: " ".join(text.split()) == text and "=?" not in text)
atoms = st.text(st.sampled_from("abcXYZ019!#$%&'*+-/=?^_`{|}~"), min_size=1, max_size=8)
entries = st.tuples(words, atoms, atoms.map(lambda text: text.strip("-") or "d"))


@given(st.lists(entries, min_size=1, max_size=6))
def test_well_formed_lists_read_as_the_standard_library_reads_them(
    people: list[tuple[str, str, str]],
) -> None:
    value = ", ".join(formataddr((name, f"{local}@{host}.test")) for name, local, host in people)
    ours = [
        ((entry.name or b"").decode(), f"{entry.mailbox.decode()}@{entry.host.decode()}")
        for entry in mailboxes(parse_addresses(value.encode()))
    ]
    theirs = getaddresses([value])
    assert [address for _, address in ours] == [address for _, address in theirs]
    assert [name for name, _ in ours] == [name for name, _, _ in people]


@given(words, words)
def test_quoted_local_parts_and_names(name: str, local: str) -> None:
    value = str(StdAddress(display_name=name, username=local, domain="x.test")).encode()
    (entry,) = mailboxes(parse_addresses(value))
    assert (entry.name, entry.mailbox, entry.host) == (name.encode(), local.encode(), b"x.test")
