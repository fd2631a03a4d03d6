"""SMTP paths, domains and address keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import (
    ParameterError,
    PathError,
    address_key,
    among,
    domain_of,
    normalise_domain,
    parse_mail_argument,
    parse_mailbox,
    parse_path,
    parse_rcpt_argument,
    quote_local,
    split_address,
)

LONG_LOCAL = "l" * 64
LONG_DOMAIN = ".".join(["d" * 60] * 4) + ".example"  # 251 octets


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("<a@b>", "a@b"),
        ("<A.b-C+d@Example.ORG>", "A.b-C+d@example.org"),
        ("<!#$%&'*+-/=?^_`{|}~@x>", "!#$%&'*+-/=?^_`{|}~@x"),
        ('<"a b"@x>', '"a b"@x'),
        ('<"a.b"@x>', "a.b@x"),
        ('<"a..b"@x>', '"a..b"@x'),
        ("<a..b@x>", '"a..b"@x'),
        ("<.a@x>", '".a"@x'),
        ("<a.@x>", '"a."@x'),
        (r'<"a\b"@x>', "ab@x"),
        (r'<"a\"b\\c"@x>', r'"a\"b\\c"@x'),
        ('<"a@b"@x>', '"a@b"@x'),
        ('<"<>"@x>', '"<>"@x'),
        ('<""@x>', '""@x'),
        ("<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        ("<a@[IPv6:2001:DB8:0:0::1]>", "a@[IPv6:2001:db8::1]"),
        ("<a@[ipv6:::1]>", "a@[IPv6:::1]"),
        ("<a@[IPv6:::ffff:192.0.2.1]>", "a@[IPv6:::ffff:192.0.2.1]"),
        ("<a@[x-tag:something]>", "a@[x-tag:something]"),
        ("<@a,@b.c:d@e>", "d@e"),
        ("<@[192.0.2.1]:d@e>", "d@e"),
        ("<jürgen@münchen.example>", "jürgen@xn--mnchen-3ya.example"),
        ("<jürgen@MÜNCHEN。example>", "jürgen@xn--mnchen-3ya.example"),
        ('<"jü rgen"@x>', '"jü rgen"@x'),
        (f"<l{LONG_LOCAL}@x>", f"l{LONG_LOCAL}@x"),  # VERP and SRS make such
        (f"<{'ü' * 126}@x>", f"{'ü' * 126}@x"),
        (f"<a@{LONG_DOMAIN}>", f"a@{LONG_DOMAIN}"),
        (b"<j\xc3\xbc@x>", "jü@x"),
    ],
)
def test_paths(path: str | bytes, address: str) -> None:
    assert parse_path(path) == address
    assert parse_path(f"<{address}>") == address


@pytest.mark.parametrize(
    "path",
    [
        "", "a@b", "<", "<>", "<a>", "<a@>", "<@b>", "<a@b", "a@b>", "<a@b>x", " <a@b>", "<a@b> ",
        "< a@b>", "<a @b>", "<a@ b>", "<a@b >", "<a@b@c>",
        "<a@.b>", "<a@b.>", "<a@b..c>", "<a@-b>", "<a@b->", "<a@b_c>", "<a@b,c>", "<(c)a@b>",
        '<"a"b@c>', '<"a@b>', '<"a\n"@b>', '<"a\\\x01"@b>', '<a"b"@c>', "<a\0@b>", "<a\tb@c>",
        "<a@[1.2.3]>", "<a@[1.2.3.256]>", "<a@[1.2.3.04]>", "<a@[]>", "<a@[IPv6:1]>",
        "<a@[IPv6:::1%eth0]>", "<a@[IPv6:]>", "<a@[1.2.3.4>", "<a@1.2.3.4]>", "<a@[x:]>",
        "<a@[x:\\y]>", "<@a:>", "<@a,:b@c>", "<@a,b@c>", "<@a b@c>", "<@:b@c>",
        "<postmaster>", f"<{'l' * 253}@x>", f"<{'ü' * 127}@x>", f"<a@{LONG_DOMAIN}.com.xx>",
        f"<a@{'x' * 64}>", f"<{LONG_LOCAL}@{LONG_DOMAIN}>",
        "<a@b\u2024c\u2044d>", "<a@\u0301b>", "<a@b\u200dc>", "<a@\uff0e>", "<\ud800@b>",
        b"<\xff@b>", "<a@b>\r\n",
    ],
)  # fmt: skip
def test_what_is_no_path(path: str | bytes) -> None:
    with pytest.raises(PathError):
        parse_path(path)


def test_null_and_postmaster() -> None:
    assert parse_path("<>", null=True) == ""
    assert parse_path("<PostMaster>", postmaster=True) == "postmaster"
    assert parse_path("<Postmaster@X>", postmaster=True) == "Postmaster@x"
    with pytest.raises(PathError):
        parse_path("<>", postmaster=True)
    with pytest.raises(PathError):
        parse_path("<postmaster>", null=True)


@pytest.mark.parametrize("literal", ["[IPv6:zz]", "[1.2.3.256]", "[]", "[1.2]"])
def test_a_bad_literal_is_told_in_our_words(literal: str) -> None:
    """The words go to the client, who has no use for those of a library."""
    with pytest.raises(PathError) as raised:
        parse_path(f"<a@{literal}>")
    assert str(raised.value) in ("bad IPv6 address literal", "bad address literal", "bad domain")


def test_mail_arguments() -> None:
    assert parse_mail_argument("FROM:<a@b>") == ("a@b", {})
    assert parse_mail_argument("from:<>") == ("", {})
    assert parse_mail_argument("FROM: <a@b>  size=10 Body=8bitmime SMTPUTF8 ") == (
        "a@b",
        {"SIZE": "10", "BODY": "8bitmime", "SMTPUTF8": None},
    )
    assert parse_mail_argument(b"FROM:<a@b> ENVID=QQ314159 AUTH=e+3Dmc2@example.com") == (
        "a@b",
        {"ENVID": "QQ314159", "AUTH": "e+3Dmc2@example.com"},
    )
    assert parse_mail_argument("FROM:<> AUTH=<>") == ("", {"AUTH": "<>"})
    assert parse_mail_argument('FROM:<"a> SIZE=1"@b>') == ('"a> SIZE=1"@b', {})


def test_rcpt_arguments() -> None:
    assert parse_rcpt_argument("TO:<a@b> NOTIFY=NEVER ORCPT=rfc822;a@b") == (
        "a@b",
        {"NOTIFY": "NEVER", "ORCPT": "rfc822;a@b"},
    )
    assert parse_rcpt_argument("To:<Postmaster>") == ("postmaster", {})
    assert parse_rcpt_argument("TO:<@r:a@b>") == ("a@b", {})
    with pytest.raises(PathError):
        parse_rcpt_argument("TO:<>")


@pytest.mark.parametrize("argument", ["", "FROM", "FROM <a@b>", "TO:<a@b>", "<a@b>", "FROM :<a@b>"])
def test_without_the_keyword(argument: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_mail_argument(argument)
    assert not isinstance(caught.value, PathError | ParameterError)


def test_arguments_without_angle_brackets() -> None:
    assert parse_mail_argument("FROM:a@B") == ("a@b", {})
    assert parse_mail_argument("FROM:  a..c@b   size=1 ") == ('"a..c"@b', {"SIZE": "1"})
    assert parse_mail_argument('FROM: "a b> SIZE=2"@b SIZE=1') == ('"a b> SIZE=2"@b', {"SIZE": "1"})
    assert parse_mail_argument("FROM:a@[IPv6:::1] X") == ("a@[IPv6:::1]", {"X": None})
    assert parse_mail_argument(f"FROM:{'l' * 252}@x") == (f"{'l' * 252}@x", {})
    assert parse_rcpt_argument("TO:PostMaster") == ("postmaster", {})
    assert parse_rcpt_argument("TO:postmaster NOTIFY=NEVER") == ("postmaster", {"NOTIFY": "NEVER"})
    assert parse_rcpt_argument("TO:postmaster@b") == ("postmaster@b", {})
    with pytest.raises(PathError):
        parse_mail_argument("FROM:postmaster")
    with pytest.raises(PathError):
        parse_rcpt_argument("TO:")


def test_the_local_part_of_an_address_that_is_made_here_is_bounded() -> None:
    assert parse_mailbox(f"{LONG_LOCAL}@x") == f"{LONG_LOCAL}@x"
    with pytest.raises(PathError):
        parse_mailbox(f"l{LONG_LOCAL}@x")


@pytest.mark.parametrize(
    "argument",
    [
        "FROM:<a@b>SIZE=1", "FROM:<a@b>>", "FROM:", "FROM: ", "FROM:a", "FROM:a@", "FROM:@b",
        "FROM:a@b>", "FROM:a@b<", "FROM:a@b,c@d", "FROM:a b@c", "FROM:A <a@b>", "FROM:a@b\t",
        'FROM:"a"', "FROM:@r:a@b", "FROM:SIZE=1", "FROM:a@b@c", f"FROM:{'l' * 253}@x",
    ],
)  # fmt: skip
def test_bad_paths_in_arguments(argument: str) -> None:
    with pytest.raises(PathError):
        parse_mail_argument(argument)


@pytest.mark.parametrize(
    "words",
    [
        "SIZE=",
        "=1",
        "-A=1",
        "A_B=1",
        "A=b=c",
        "A=\x7f",
        "A\t=1",
        "SIZE=1 size=2",
        "A=1\tB=2",
        "ü=1",
    ],
)
def test_bad_parameters(words: str) -> None:
    with pytest.raises(ParameterError):
        parse_mail_argument(f"FROM:<a@b> {words}")


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("Example.ORG", "example.org"),
        ("localhost", "localhost"),
        ("1.2.3.4", "1.2.3.4"),
        ("a--b.c", "a--b.c"),
        ("xn--Mnchen-3ya", "xn--mnchen-3ya"),
        ("straße.example", "xn--strae-oqa.example"),
        ("βόλος.example", "xn--nxasmm1c.example"),
        ("日本語。例え", "xn--wgv71a119e.xn--r8jz45g"),
        ("EXAMPLE.ＣＯＭ", "example.com"),
        ("i❤.example", "xn--i-7iq.example"),
        ("bu\u0308cher", "xn--bcher-kva"),
    ],
)
def test_domains(domain: str, expected: str) -> None:
    found = normalise_domain(domain)
    assert found == expected
    assert normalise_domain(found) == found


def test_joiners_only_after_a_virama() -> None:
    assert normalise_domain("क्\u200dष.example") != normalise_domain("क्ष.example")
    with pytest.raises(ValueError):
        normalise_domain("क\u200dष.example")


@pytest.mark.parametrize(
    "domain",
    ["", ".", "a.", ".a", "a b", "a_b", "-a", "[", "[1.2.3.4", "a" * 64, "ü" * 60, "a/b", "a@b"],
)
def test_what_is_no_domain(domain: str) -> None:
    with pytest.raises(ValueError):
        normalise_domain(domain)


def test_address_keys() -> None:
    assert address_key("Alice@EXAMPLE.org") == address_key("alice@example.org")
    assert address_key('"a b"@x') == address_key('"A B"@X')
    assert address_key('"ab"@x') == address_key("ab@x")
    assert address_key("STRASSE@x") == address_key("straße@x")
    assert address_key("bu\u0308cher@x") == address_key("Bücher@x")
    assert address_key("a@münchen.example") == address_key("a@xn--mnchen-3ya.example")
    assert address_key("Postmaster") == "postmaster"
    assert address_key("a@x") != address_key("b@x")
    with pytest.raises(ValueError):
        address_key("a@b c")


def test_split_address() -> None:
    assert split_address("a@b") == ("a", "b")
    assert split_address('"a b"@c') == ("a b", "c")
    assert split_address(r'"a\"\\@b"@c') == (r'a"\@b', "c")
    assert split_address("postmaster") == ("postmaster", "")
    assert split_address("@example.org") == ("", "example.org")
    assert split_address("") == ("", "")


local_parts = st.text(
    st.one_of(
        st.sampled_from('abc.."\\@<> ,:;()[]'), st.characters(min_codepoint=0xA0, codec="utf-8")
    ),
    max_size=12,
)


@given(local_parts)
def test_quoting_round_trip(local: str) -> None:
    """Any local part survives quoting, the grammar, and taking apart again."""
    address = f"{quote_local(local)}@x.test"
    assert parse_mailbox(address) == address
    assert split_address(address) == (local, "x.test")


@given(st.text(st.sampled_from('<>@ab."\\ :,[]=FROMTO1-ü'), max_size=30))
def test_arguments_never_surprise(text: str) -> None:
    """An address in canonical form with parameters, or a ValueError; never anything else."""
    for parse in (parse_mail_argument, parse_rcpt_argument):
        for argument in (text, f"FROM:<{text}", f"TO:<{text}>", f"FROM:<a@b> {text}"):
            try:
                address, parameters = parse(argument)
            except ValueError:
                continue
            assert address in ("", "postmaster") or parse_mailbox(address) == address
            assert all(keyword == keyword.upper() for keyword in parameters)


def test_domains_among_patterns() -> None:
    patterns = {"a.test", ".b.test"}
    for domain in ("a.test", "x.b.test", "x.y.b.test"):
        assert among(domain, patterns)
    for domain in ("", "test", "x.a.test", "b.test", "xb.test", "[192.0.2.1]"):
        assert not among(domain, patterns)


def test_the_domain_of_an_address() -> None:
    assert domain_of("A@Büro.Test.") == "xn--bro-hoa.test" == domain_of('"a@b"@BÜRO.TEST')
    assert domain_of("a@[IPv6:2001:DB8::1]") == "[IPv6:2001:db8::1]"
    for nothing in ("postmaster", "a@", "", "a@x..y", "a@-"):
        assert domain_of(nothing) == ""


@pytest.mark.parametrize("mailbox", ["a..b@c", ".a@c", "a.@c", "a@b>"])
def test_what_is_no_mailbox(mailbox: str) -> None:
    """Dots in odd places are taken from those who write to us, not made anybody's address here."""
    with pytest.raises(PathError):
        parse_mailbox(mailbox)
