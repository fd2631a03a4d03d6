r"""Where folders go: by \Special-use attribute, by well-known names, and what lies below."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.store.names import canonical
from mailsuite.transfer.choice import Choice
from mailsuite.transfer.names import Named, assign, is_virtual, local_name, without_prefix

OWN = {"\\Sent": "Sent", "\\Trash": "Trash", "\\Drafts": "Drafts", "\\Junk": "Junk"}


def placed(*names: str, **attributes: str) -> dict[str, str]:
    return assign([Named(name) for name in names], OWN)


def test_by_attribute_before_name():
    folders = [Named("Sent"), Named("Gesendet", frozenset({"\\sent"})), Named("INBOX")]
    assert assign(folders, OWN) == {"Sent": "Sent", "Gesendet": "Sent", "INBOX": "INBOX"}


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("Sent Items", "Sent"),
        ("Gesendete Elemente", "Sent"),
        ("INBOX/Trash", "Trash"),
        ("[Gmail]/Sent Mail", "Sent"),
        ("Éléments supprimés", "Trash"),
        ("Entwürfe", "Drafts"),
        ("Spam", "Junk"),
        ("Work/Sent Items", "Work/Sent Items"),
    ],
)
def test_by_name(name, local):
    assert placed(name) == {name: local}


def test_what_lies_below_goes_along():
    assert placed("Gesendet", "Gesendet/2023", "Gesendete") == {
        "Gesendet": "Sent",
        "Gesendet/2023": "Sent/2023",
        "Gesendete": "Gesendete",
    }


def test_only_one_folder_for_a_use():
    assert placed("Sent", "Sent Items") == {"Sent": "Sent", "Sent Items": "Sent Items"}


def test_virtual_folders():
    assert is_virtual(["\\HasNoChildren", "\\All"])
    assert not is_virtual(["\\Sent"])


def test_prefix_of_the_personal_namespace():
    assert without_prefix("INBOX.Work.2024", "INBOX.") == "Work.2024"
    assert without_prefix("INBOX", "INBOX.") == "INBOX"


@given(st.text(max_size=40), st.sampled_from(["/", ".", "\\", None]))
def test_every_name_can_be_one_here(name, delimiter):
    canonical(local_name(name, delimiter)[:40].strip("/") or "x")


def test_choice():
    choice = Choice(only=("Work", "INBOX"), without=("Work/Old*",))
    names = ["INBOX", "Work", "work/2024", "Work/Old stuff/x", "Workshop"]
    assert [name for name in names if choice.takes(name)] == ["INBOX", "Work", "work/2024"]
