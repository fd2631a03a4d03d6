"""Names of accounts: one form for each, whatever text comes in."""

from hypothesis import given
from hypothesis import strategies as st

from mailsuite.accounts.names import MAX_ADDRESS, account_key, domain_key


@given(st.text(max_size=80))
def test_a_domain_has_one_form_or_none(text: str) -> None:
    """Invariant: the form of a form is itself; it is ASCII, lower case and within bounds."""
    key = domain_key(text)
    if key is not None:
        assert domain_key(key) == key
        assert key.isascii()
        assert key == key.lower()
        assert not set(key) & set(" /\\\0@")


@given(st.text(max_size=40), st.sampled_from(["example.test", "Bücher.test", "x", "a..b", ""]))
def test_an_address_has_one_form_or_none(local: str, domain: str) -> None:
    """Invariant: as above; nothing that could end a line or a path gets in."""
    key = account_key(f"{local}@{domain}")
    if key is not None:
        assert account_key(key) == key
        assert len(key.encode()) <= MAX_ADDRESS
        assert not set(key) & set('\r\n\0 <>"\\')


def test_known_answers() -> None:
    assert account_key("A.B@Example.ORG.") == "a.b@example.org"
    assert account_key('"a\\b"@example.org') == "ab@example.org"
    assert account_key('"a b"@example.org') is None
    assert account_key("a@b@example.org") is None
    assert account_key("a@[127.0.0.1]") is None
    assert domain_key("ＥＸＡＭＰＬＥ.org") == "example.org"
    assert account_key("Straße@STRASSE.test") == account_key("strasse@strasse.test")
    assert domain_key("Straße.test") != domain_key("strasse.test")
    assert domain_key("-a.org") is None
    assert domain_key("a" * 64 + ".org") is None
