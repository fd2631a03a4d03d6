"""Address lists made by the grammar of RFC 5322 §3.4 and §4.4, each with what it means."""

from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import Address, Group, parse_addresses

Made = tuple[str, str]
"""Octets as they stand in a field, and what they mean."""
Meant = tuple[str, str, str, str]
"""Name ("" for none), route, local part, domain."""

COMMENT = "c(\\)d) e"
ATEXT = st.text(st.sampled_from("abXY09!#$%&'*+-/=?^_`{|}~é"), min_size=1, max_size=5).filter(
    lambda text: not text.startswith("=?")
)
SPACE = st.sampled_from(["", "", "", " ", "\t", "\r\n ", " \r\n\t"])
CFWS = st.one_of(SPACE, st.sampled_from([f"({COMMENT})", f" ({COMMENT})\r\n ", "()", "(a)(b) "]))


@st.composite
def atoms(draw: st.DrawFn) -> Made:
    text = draw(ATEXT)
    return draw(CFWS) + text + draw(CFWS), text


@st.composite
def quoted_strings(draw: st.DrawFn) -> Made:
    written, meant = draw(CFWS) + '"', ""
    for char in draw(st.text(st.sampled_from('ab ,;:@<>()[].é\t"\\'), max_size=5)):
        written += "\\" + char if char in '"\\' or draw(st.booleans()) else char
        meant += char
    return written + '"' + draw(CFWS), meant


WORDS = st.one_of(atoms(), quoted_strings())


@st.composite
def phrases(draw: st.DrawFn) -> Made:
    """obs-phrase: words, with dots and comments between them; what is white space is one space."""
    written, meant = draw(WORDS)
    apart = False
    for more, text in draw(st.lists(st.one_of(WORDS, st.just((".", "."))), max_size=3)):
        apart |= written[-1] in " \t\n)" or more[0] in " \t\r("
        written += more
        if text:
            meant += " " * (apart and bool(meant)) + text
            apart = False
    return written, meant


@st.composite
def local_parts(draw: st.DrawFn) -> Made:
    """obs-local-part"""
    words = draw(st.lists(WORDS, min_size=1, max_size=3))
    return ".".join(text for text, _ in words), ".".join(meant for _, meant in words)


@st.composite
def domains(draw: st.DrawFn) -> Made:
    """obs-domain, domain-literal with obs-dtext"""
    if draw(st.booleans()):
        parts = draw(st.lists(atoms(), min_size=1, max_size=3))
        return ".".join(text for text, _ in parts), ".".join(meant for _, meant in parts)
    literal = draw(
        st.sampled_from(["[192.0.2.1]", "[IPv6:::1]", "[ a b ]", "[a\\]b]", "[]", "[(,@]"])
    )
    return draw(CFWS) + literal + draw(CFWS), literal


@st.composite
def routes(draw: st.DrawFn) -> Made:
    """obs-route"""
    lead = draw(st.sampled_from(["", "", ",", " , ,"]))
    first, meant = draw(domains())
    written, meant = lead + "@" + first, lead.replace(" ", "") + "@" + meant
    for more in draw(st.lists(st.one_of(st.none(), domains()), max_size=2)):
        written += "," if more is None else f",{draw(SPACE)}@{more[0]}"
        meant += "," if more is None else f",@{more[1]}"
    return written + ":", meant


@st.composite
def mailboxes_made(draw: st.DrawFn) -> tuple[str, Meant]:
    local, domain = draw(local_parts()), draw(domains())
    spec = f"{local[0]}@{domain[0]}"
    if draw(st.booleans()):
        return spec, ("", "", local[1], domain[1])
    name, route = draw(st.one_of(st.just(("", "")), phrases())), ("", "")
    if draw(st.integers(0, 3)) == 0:
        route = draw(routes())
    written = f"{name[0]}{draw(CFWS)}<{route[0]}{spec}>{draw(CFWS)}"
    return written, (name[1], route[1], local[1], domain[1])


@st.composite
def lists_of(draw: st.DrawFn, kind: st.SearchStrategy[tuple[str, object]]) -> tuple[str, list]:
    """Elements with commas between them, and null ones where the obsolete syntax has them."""
    found = draw(st.lists(kind, min_size=1, max_size=3))
    between = st.sampled_from([",", ",", ", ,", f",({COMMENT}),"])
    written = draw(st.sampled_from(["", "", ",", " , "]))
    written += "".join(text + draw(between) for text, _ in found[:-1]) + found[-1][0]
    return written + draw(st.sampled_from(["", "", ",", ", ,"])), [meant for _, meant in found]


@st.composite
def groups(draw: st.DrawFn) -> tuple[str, tuple[str, list[Meant]]]:
    name = draw(phrases().filter(lambda made: made[1] != ""))
    members = draw(st.one_of(CFWS.map(lambda text: (text, [])), lists_of(mailboxes_made())))
    return f"{name[0]}:{members[0]};{draw(CFWS)}", (name[1], members[1])


@given(lists_of(st.one_of(mailboxes_made(), groups())))
def test_what_the_grammar_makes_is_read_as_it_is_meant(made: tuple[str, list]) -> None:
    written, meant = made
    found = parse_addresses(written.encode())
    assert len(found) == len(meant)
    for entry, expected in zip(found, meant, strict=True):
        if isinstance(entry, Group):
            assert entry.name.decode() == expected[0]
            assert len(entry.members) == len(expected[1])
            for member, one in zip(entry.members, expected[1], strict=True):
                check(member, one)
        else:
            check(entry, expected)


def check(entry: Address, meant: Meant) -> None:
    name, route, local, domain = meant
    if name:
        assert entry.name == name.encode()
    assert (entry.adl or b"").decode() == route
    assert (entry.mailbox.decode(), entry.host.decode()) == (local, domain)
