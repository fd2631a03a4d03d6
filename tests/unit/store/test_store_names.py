"""Mailbox names and file names: what is encoded is read back, and nothing leads outside."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailsuite.store import InvalidName, filename, names

text = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\u2028\u2029"),
    min_size=1,
    max_size=12,
)


@given(st.lists(text, min_size=1, max_size=4).map("/".join))
def test_round_trip_of_any_name(name: str) -> None:
    try:
        canonical = names.canonical(name)
    except InvalidName:
        return  # too long
    folder = names.to_folder(canonical)
    assert names.from_folder(folder) == canonical
    assert folder.isascii()
    assert folder == "" or folder.startswith(".")
    assert "/" not in folder and "\\" not in folder and "\0" not in folder
    assert folder not in (".", "..")
    assert len(folder) <= 255
    assert names.from_storage(names.to_storage(canonical)) == canonical


@given(st.text(max_size=30))
def test_any_folder_name_is_read_or_refused(folder: str) -> None:
    name = names.from_folder(folder)
    assert name is None or names.canonical(name) == name


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("INBOX", ""),
        ("inbox", ""),
        ("inbox/x", ".INBOX.x"),
        ("ınbox", ".&ATE-nbox"),  # whose capitals are INBOX
        ("Work/2024", ".Work.2024"),
        ("a.b", ".a&AC4-b"),
        ("..", ".&AC4ALg-"),
        ("../x", ".&AC4ALg-.x"),
        ("~", ".&AH4-"),
        ("R&D", ".R&-D"),
        ("Entwürfe", ".Entw&APw-rfe"),
        ("台北", ".&U,BTFw-"),
        ("x😀", ".x&2D3eAA-"),
        ("Inbox2", ".Inbox2"),
    ],
)
def test_known_folders(name: str, folder: str) -> None:
    canonical = names.canonical(name)
    assert names.to_folder(canonical) == folder
    assert names.from_folder(folder) == canonical


@pytest.mark.parametrize(
    "name", ["", "/", "a//b", "/a", "a/", "a\n", "a\x00b", "a\x7f", "x" * 255, "\ud800", "a\x85"]
)
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(InvalidName):
        names.canonical(name)


@pytest.mark.parametrize("folder", [".", "..", ".a..b", ".a.", ".&", ".&AC8-", ".INBOX", "cur"])
def test_folders_that_are_no_mailboxes(folder: str) -> None:
    assert names.from_folder(folder) is None


def test_account_folders_are_safe_and_distinct() -> None:
    assert names.account_folder("Alice@Example.Test") == ("example.test", "alice")
    assert names.account_folder("a/b@example.test") == ("example.test", "a%2Fb")
    assert names.account_folder("..@example.test") == ("example.test", "%2E.")
    assert names.account_folder("a%2Fb@example.test") == ("example.test", "a%252fb")
    assert names.account_folder("alice") == ("%", "alice")
    long = names.account_folder("x" * 300 + "@example.test")[1]
    assert len(long) <= 255
    assert long != names.account_folder("x" * 301 + "@example.test")[1]


@given(st.text(min_size=1, max_size=60), st.text(max_size=40))
def test_addresses_never_lead_outside(local: str, domain: str) -> None:
    for part in names.account_folder(f"{local}@{domain}"):
        assert part not in ("", ".", "..")
        assert not part.startswith(".")
        assert "/" not in part and "\0" not in part


@given(
    st.from_regex(r"[A-Za-z0-9._]{1,20}", fullmatch=True),
    st.none() | st.integers(1, filename.MAX_UID),
    st.none() | st.integers(0, 1 << 40),
    st.none() | st.integers(0, 1 << 40),
    st.none() | st.from_regex(r"[A-Za-z]{0,8}", fullmatch=True),
)
def test_file_names_read_back(
    base: str, uid: int | None, size: int | None, wire: int | None, info: str | None
) -> None:
    name = filename.FileName(base, uid, size, wire, (), info)
    assert filename.parse(str(name)) == name
    assert filename.head(str(name.with_flags("FS"))) == filename.head(str(name))


@given(st.text(max_size=80))
def test_any_file_name_is_taken_apart(name: str) -> None:
    parsed = filename.parse(name)
    again = filename.parse(str(parsed))
    assert again == parsed


def test_fields_of_other_programs_stay() -> None:
    parsed = filename.parse("1.M2P3.host,S=5,W=6,Z=x:2,Sa")
    assert (parsed.size, parsed.wire, parsed.extra, parsed.info) == (5, 6, ("Z=x",), "Sa")
    assert str(parsed.with_uid(9)) == "1.M2P3.host,U=9,S=5,W=6,Z=x:2,Sa"


@given(
    st.from_regex(
        r"[0-9]{1,11}\.[!-~é]{0,9}(,S=[0-9]{1,2})?(,W=[0-9]{1,2})?(,[UDE]=[0-9])?(:2,[A-Zaé,]{0,3})?",
        fullmatch=True,
    )
)
@example("1700000000.M1P2.host,S=5,W=6")
@example("1700000000.M1P2.host,S=5,W=5:2,")
@example("1700000000.M1P2.host,S=5,W=6:2,FRS")
def test_a_uid_comes_into_a_name_the_short_way_as_it_does_the_long_way(name: str) -> None:
    parsed = filename.parse(name)
    size = parsed.size or 0
    assert filename.unnumbered(name, size + 1) is None
    found = filename.unnumbered(name, size)
    if found is None:
        assert "host" not in name
        return
    base, wire, info = found
    assert (parsed.uid, parsed.saved, parsed.wire) == (None, None, wire)
    assert filename.saved(parsed) is not None and wire >= size > 0
    assert filename.numbered(base, 7, size, wire, info) == parsed.with_uid(7).plain


@given(st.text(min_size=1, max_size=200))
def test_delivery_ids_are_found_again(delivery_id: str) -> None:
    try:
        delivery_id.encode()
    except UnicodeEncodeError:
        return
    mark = filename.delivery_mark(delivery_id)
    base = filename.make_base(1700000000.25, "1rabc", 7, "mail.example.test", mark)
    assert filename.delivery_of(base) == mark
    assert filename.FileName(base, 1, 2, 3).is_plain
    assert filename.delivery_of(filename.make_base(1.0, "1rabc", 7, "host", None)) is None
