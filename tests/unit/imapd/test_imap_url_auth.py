"""Signed URLs: genuine ones only, for whom and as long as they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.imapd import url_auth
from mailsuite.imapd.syntax.url import parse_url

KEY = bytes(range(32))
RUMP = "imap://alice@example.test/INBOX/;UID=1;EXPIRE=2026-12-31T00:00:00Z;URLAUTH=user+bob@b.test"
BEFORE, AFTER = 1_790_000_000, 1_800_000_000


def test_genuine() -> None:
    url = parse_url(url_auth.signed(RUMP, KEY))
    assert url_auth.is_genuine(url, KEY)
    assert not url_auth.is_genuine(url, bytes(32))
    assert not url_auth.is_genuine(url, None)
    assert not url_auth.is_genuine(parse_url(RUMP), KEY)
    assert not url_auth.is_genuine(parse_url(url_auth.signed(RUMP, b"")), None)
    assert not url_auth.is_genuine(parse_url(url_auth.signed(RUMP, KEY) + "00"), KEY)
    assert not url_auth.is_genuine(parse_url(url_auth.signed(RUMP, KEY)[:-2]), KEY)
    other = url_auth.signed(RUMP, KEY).replace(":internal:", ":xsample:")
    assert not url_auth.is_genuine(parse_url(other), KEY)


@given(st.integers(0, len(RUMP) - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_no_octet_can_be_changed(at: int, octet: str) -> None:
    whole = url_auth.signed(RUMP, KEY)
    changed = whole[:at] + octet + whole[at + 1 :]
    try:
        url = parse_url(changed)
    except ValueError:
        return
    assert url_auth.is_genuine(url, KEY) is (changed == whole)


@pytest.mark.parametrize(
    ("access", "account", "now", "may"),
    [
        ("user+bob@b.test", "bob@b.test", BEFORE, True),
        ("user+BOB%40b.test", "Bob@b.test", BEFORE, True),
        ("user+bob@b.test", "bob@b.test", AFTER, False),
        ("user+bob@b.test", "alice@example.test", BEFORE, False),
        ("user+bob", "bob@example.test", BEFORE, True),
        ("user+bob", "bob@b.test", BEFORE, False),
        ("authuser", "bob@b.test", BEFORE, True),
        ("anonymous", "bob@b.test", BEFORE, True),
        ("anonymous", "bob@b.test", AFTER, False),
        ("submit+bob@b.test", "bob@b.test", BEFORE, False),
    ],
)
def test_who_and_when(access: str, account: str, now: float, may: bool) -> None:
    url = parse_url(RUMP.replace("user+bob@b.test", access))
    assert url_auth.may_use(url, account, now) is may


def test_owner() -> None:
    assert url_auth.owner(parse_url(RUMP)) == "alice@example.test"
    assert url_auth.owner(parse_url("imap://A%40b@c/x/;UID=1")) == "a@b"
    assert url_auth.owner(parse_url("imap://c/x/;UID=1")) is None
    assert url_auth.owner(parse_url("/x/;UID=1")) is None
