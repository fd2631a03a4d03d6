"""What messages are called by clients that know them by unique ids: it never changes."""

from __future__ import annotations

import pytest

from mailsuite.store import CannotChange, NewMessage, unique_ids
from mailsuite.store.unique_ids import NAMES_FILE, Form, UniqueIds


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("%v.%u", "1000.77"),
        ("%08Xu%08Xv", "0000004d000003e8"),
        ("%08Xv%08Xu", "000003e80000004d"),
        ("UID%u-%v", "UID77-1000"),
        ("%u", "77"),
        ("%05u", "00077"),
    ],
)
def test_forms(form, name):
    assert Form.read(form, 1000).of(77) == name


@pytest.mark.parametrize("form", ["", "%v", "%u%u", "%f", "a%", "%u b", "%ü", "%u" + "x" * 70])
def test_what_is_no_form(form):
    with pytest.raises(ValueError):
        Form.read(form, 1000)


def test_lines():
    form = Form.read("%v.%u", 7)
    assert UniqueIds(form).lines([1, 3], [10, 12]) == b"1 7.10\r\n3 7.12\r\n"
    assert UniqueIds(form, {12: "x"}).lines([1, 3], [10, 12]) == b"1 7.10\r\n3 x\r\n"


def test_a_line_that_a_crash_has_cut(tmp_path):
    form = Form.read("%u", 1)
    unique_ids.append(tmp_path, [(1, "a"), (2, "b")])
    path = tmp_path / NAMES_FILE
    path.write_bytes(path.read_bytes()[:-1])
    assert unique_ids.read(tmp_path, form).others == {1: "a"}
    unique_ids.append(tmp_path, [(3, "c")])
    assert unique_ids.read(tmp_path, form).others == {1: "a", 2: "b", 3: "c"}


@pytest.fixture
async def account(store):
    return await store.account("alice@example.test")


async def names(account, name="INBOX"):
    mailbox = await account.open(name)
    try:
        known = await mailbox.unique_ids()
        return [known.of(uid) for uid in mailbox.uids]
    finally:
        mailbox.release()


async def test_a_mailbox_goes_on_under_the_names_it_had(account):
    assert await account.take_over("INBOX", 1000, 100, form="%08Xu%08Xv")
    old = [
        NewMessage(b"a\r\n", uid=5),
        NewMessage(b"b\r\n", uid=6, unique_id="kept from before"),
        NewMessage(b"c\r\n", uid=7, unique_id="from-before"),
        NewMessage(b"d\r\n", uid=8, unique_id="00000008000003e8"),
    ]
    await account.append("INBOX", old)
    await account.append("INBOX", [NewMessage(b"new\r\n")])
    wanted = ["00000005000003e8", "00000006000003e8", "from-before", "00000008000003e8"]
    assert await names(account) == [*wanted, "00000064000003e8"]
    # Nothing that is done later changes a message's name.
    assert await account.take_over("INBOX", 1000, 100, whole=True, form="%u")
    assert not await account.take_over("INBOX", 2000, 100, form="%u")
    assert await names(account) == [*wanted, "00000064000003e8"]
    text = (account.files.maildir / NAMES_FILE).read_text()
    assert text == "7 from-before\n"


async def test_a_mailbox_that_has_mail_keeps_the_names_of_what_comes(account):
    appended = await account.append("INBOX", [NewMessage(b"mine\r\n")])
    own = f"{appended.uidvalidity}.{appended.uids[0]}"
    assert not await account.take_over("INBOX", 1000, 100, form="%u")
    await account.append("INBOX", [NewMessage(b"a\r\n", unique_id="0000000100000002")])
    assert await names(account) == [own, "0000000100000002"]


async def test_another_mailbox_begins_without_names(account):
    assert await account.take_over("INBOX", 1000, 100, form="%u")
    await account.append("INBOX", [NewMessage(b"a\r\n", uid=5, unique_id="x")])
    mailbox = await account.open("INBOX")
    await mailbox.expunge([5], only_deleted=False)
    mailbox.release()
    assert await account.take_over("INBOX", 1001, 100)
    await account.append("INBOX", [NewMessage(b"a\r\n", uid=5)])
    assert await names(account) == ["1001.5"]
    with pytest.raises(CannotChange, match="unique ids can't be"):
        await account.take_over("Trash", 1000, 100, form="%f")
