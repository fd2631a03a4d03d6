"""URLs of accounts on other servers."""

import pytest

from mailsuite.remote import Endpoint, Location, parse_url
from mailsuite.sasl import ClientLogin


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("imap://bob@old.test", Location("imap", "old.test", None, "starttls", "bob")),
        ("imaps://bob@old.test@mail.old.test:1993/",
         Location("imap", "mail.old.test", 1993, "implicit", "bob@old.test")),
        ("POP3S://b%40x@[::1]:995", Location("pop3", "::1", 995, "implicit", "b@x")),
        ("pop3://bob@10.0.0.1", Location("pop3", "10.0.0.1", None, "starttls", "bob")),
    ],
)  # fmt: skip
def test_urls(url, expected):
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    "url",
    ["imap:bob@old.test", "http://bob@old.test", "imap://old.test", "imap://bob@", "imap://@x",
     "imap://bob:secret@old.test", "imap://bob@old.test:0", "imap://bob@[::1", "imap://b@a/b"],
)  # fmt: skip
def test_what_is_none(url):
    with pytest.raises(ValueError):
        parse_url(url)


def test_loopback_and_name():
    login = ClientLogin("bob", "secret")
    endpoint = Endpoint("imap", "::1", 143, "none", login)
    assert endpoint.is_loopback
    assert endpoint.name == "imap://bob@[::1]"
    assert not Endpoint("imap", "Old.Test", 143, "none", login).is_loopback
    assert "secret" not in repr(endpoint)
