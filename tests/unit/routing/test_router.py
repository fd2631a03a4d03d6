"""Router: the order of look-ups, postmaster, and who may send as whom."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.accounts import Directory
from mailsuite.mail import Alias, Envelope, Mailbox, Remote, Route, Unknown
from mailsuite.routing import Router
from mailsuite.routing.router import Lookups


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    found = Directory(tmp_path / "accounts.db")
    found.add_domain("example.test")
    found.add_domain("bücher.example")
    found.add_user("alice@example.test", "correct horse")
    found.add_user("bob@example.test", "correct horse")
    found.add_user("buch@bücher.example", "correct horse")
    found.add_user("a+b@example.test", "correct horse")
    found.add_alias("team@example.test", ["alice@example.test", "far@elsewhere.test"])
    found.add_alias("sales@example.test", ["team@example.test"])
    yield found
    found.close()


@pytest.fixture
def router(directory: Directory) -> Router:
    return Router(directory)


@pytest.mark.parametrize(
    ("address", "route"),
    [
        ("alice@example.test", Mailbox("alice@example.test")),
        ("ALICE@Example.TEST", Mailbox("alice@example.test")),
        ("alice@example.test.", Mailbox("alice@example.test")),
        ('"alice"@example.test', Mailbox("alice@example.test")),
        ('"al\\ice"@example.test', Mailbox("alice@example.test")),
        ("alice+Shop@example.test", Mailbox("alice@example.test", "Shop")),
        ('"alice+two words"@example.test', Mailbox("alice@example.test", "two words")),
        ("alice+@example.test", Mailbox("alice@example.test")),
        ("alice+a+b@example.test", Mailbox("alice@example.test", "a+b")),
        ("a+b@example.test", Mailbox("a+b@example.test")),
        ("+shop@example.test", Unknown("+shop@example.test")),
        ("nobody@example.test", Unknown("nobody@example.test")),
        ('"two words"@example.test', Unknown('"two words"@example.test')),
        (
            "sales+x@example.test",
            Alias("sales@example.test", ("team@example.test",)),
        ),
        ("buch@bücher.example", Mailbox("buch@xn--bcher-kva.example")),
        ("buch@XN--BCHER-KVA.example", Mailbox("buch@xn--bcher-kva.example")),
        ("x@Elsewhere.test", Remote("elsewhere.test")),
        ("x@KÖLN.example", Remote("xn--kln-sna.example")),
        ("x@[127.0.0.1]", Remote("[127.0.0.1]")),
        ("postmaster@[127.0.0.1]", Remote("[127.0.0.1]")),
        ('"alice@example.test"@elsewhere.test', Remote("elsewhere.test")),
        ("alice", Unknown("alice")),
        ("", Unknown("")),
        ("@", Unknown("@")),
        ("alice@", Unknown("alice@")),
    ],
)
def test_where_an_address_leads(router: Router, address: str, route: Route) -> None:
    assert router.route(address) == route


def test_the_catch_all_comes_last(directory: Directory, router: Router) -> None:
    directory.add_alias("@example.test", ["bob@example.test"])
    caught = Alias("@example.test", ("bob@example.test",))
    assert router.route("nobody@example.test") == caught
    assert router.route('"two words"@example.test') == caught
    assert router.route("alice+x@example.test") == Mailbox("alice@example.test", "x")
    assert router.route("postmaster@example.test") == caught
    assert isinstance(router.route("nobody@bücher.example"), Unknown)


def test_another_separator_and_none(directory: Directory) -> None:
    assert Router(directory, separator="-").route("alice-x@example.test") == Mailbox(
        "alice@example.test", "x"
    )
    assert isinstance(Router(directory, separator="").route("alice+x@example.test"), Unknown)


class TestPostmaster:
    def test_is_somebody_without_any_setting(self, router: Router) -> None:
        found = router.route("Postmaster@example.test")
        assert isinstance(found, Mailbox) and found.account.endswith("@example.test")
        assert router.route("postmaster@bücher.example") == Mailbox("buch@xn--bcher-kva.example")
        assert isinstance(router.route("postmaster"), Mailbox)
        assert isinstance(router.route("POSTMASTER"), Mailbox)

    def test_is_nobody_only_where_nobody_is(self, tmp_path: Path) -> None:
        directory = Directory(tmp_path / "empty.db")
        directory.add_domain("example.test")
        assert Router(directory).route("postmaster") == Unknown("postmaster")
        assert isinstance(Router(directory).route("postmaster@example.test"), Unknown)
        directory.close()

    def test_follows_the_setting(self, directory: Directory) -> None:
        router = Router(directory, postmaster="bob@example.test")
        for address in ("postmaster", "postmaster@example.test", "postmaster@bücher.example"):
            assert router.route(address) == Mailbox("bob@example.test")

    def test_at_the_name_of_the_server(self, directory: Directory) -> None:
        """It is no domain of ours, but notices come from there, and can be answered."""
        router = Router(directory, postmaster="bob@example.test", hostname="Mail.Host.test")
        for address in ("Postmaster@mail.host.test", "MAILER-DAEMON@MAIL.host.test."):
            assert router.route(address) == Mailbox("bob@example.test")
        assert router.route("bob@mail.host.test") == Remote("mail.host.test")

    def test_setting_may_be_elsewhere(self, directory: Directory) -> None:
        router = Router(directory, postmaster="admin@elsewhere.test")
        assert router.route("postmaster") == Alias("postmaster", ("admin@elsewhere.test",))

    def test_a_mistaken_setting_loses_nothing(self, directory: Directory) -> None:
        router = Router(directory, postmaster="nobody@example.test")
        assert isinstance(router.route("postmaster@example.test"), Mailbox)

    def test_own_user_or_alias_is_first(self, directory: Directory) -> None:
        directory.add_alias("postmaster@example.test", ["alice@example.test"])
        router = Router(directory, postmaster="bob@example.test")
        own = Alias("postmaster@example.test", ("alice@example.test",))
        assert router.route("postmaster@example.test") == own
        assert router.route("postmaster") == own


class TestMaySendAs:
    def test_own_addresses(self, router: Router) -> None:
        for sender in (
            "alice@example.test",
            "Alice@EXAMPLE.test",
            "alice+list@example.test",
            "team@example.test",
            "sales@example.test",
            "",
        ):
            assert router.may_send_as("alice@example.test", sender), sender

    def test_others_not(self, router: Router) -> None:
        for sender in ("bob@example.test", "alice@elsewhere.test", "nobody@example.test", "alice"):
            assert not router.may_send_as("alice@example.test", sender), sender
        assert not router.may_send_as("bob@example.test", "team@example.test")

    def test_loops_end(self, directory: Directory, router: Router) -> None:
        directory.add_alias("one@example.test", ["two@example.test"])
        directory.add_alias("two@example.test", ["one@example.test"])
        assert not router.may_send_as("alice@example.test", "one@example.test")

    def test_depth_is_bounded(self, directory: Directory, router: Router) -> None:
        directory.add_alias("d0@example.test", ["alice@example.test"])
        for number in range(1, 13):
            directory.add_alias(f"d{number}@example.test", [f"d{number - 1}@example.test"])
        assert router.may_send_as("alice@example.test", "d9@example.test")
        assert not router.may_send_as("alice@example.test", "d12@example.test")


@given(address=st.text(max_size=80) | st.from_regex(r"[a-z+\"\\@.]{0,30}@example\.test"))
def test_any_text_has_a_route(address: str) -> None:
    class Nobody(Lookups):
        def is_local(self, domain: str) -> bool:
            return domain == "example.test"

        def lookup(self, address: str) -> None:
            return None

        def catch_all(self, domain: str) -> None:
            return None

        def domains(self) -> list[Any]:
            return []

        def users(self, domain: str | None = None) -> list[Any]:
            return []

    found = Router(Nobody()).route(address)
    assert isinstance(found, Remote | Unknown)


def test_an_alias_that_leads_to_nobody_is_not_accepted(
    directory: Directory, router: Router
) -> None:
    directory.add_alias("dead@example.test", ["nobody@example.test"])
    directory.add_alias("one@example.test", ["two@example.test"])
    directory.add_alias("two@example.test", ["one@example.test"])
    directory.add_alias("half@example.test", ["nobody@example.test", "alice@example.test"])
    directory.add_alias("away@example.test", ["far@elsewhere.test"])
    for address in ("dead", "one", "two", "nobody"):
        assert router.accept(f"{address}@example.test") == Unknown(f"{address}@example.test")
    for address in ("half", "away", "sales", "alice+shop"):
        accepted = router.accept(f"{address}@example.test")
        assert accepted == router.route(f"{address}@example.test") != Unknown(address)
    assert router.accept("x@elsewhere.test") == Remote("elsewhere.test")


@pytest.mark.parametrize(
    ("hostname", "domain"),
    [
        ("example.test", "example.test"),
        ("mail.example.test", "example.test"),
        ("mx.deep.bücher.example", "bücher.example"),
        ("laptop", "example.test"),
    ],
)
def test_the_domain_of_bare_names(router: Router, hostname: str, domain: str) -> None:
    assert router.origin(hostname) == domain


def test_the_domain_of_bare_names_without_any_of_ours(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "accounts.db")
    assert Router(directory).origin("laptop.lan") == "laptop.lan"
    directory.close()


@pytest.mark.parametrize(
    ("submitter", "authors", "domain"),
    [
        ("alice@example.test", ["alice@example.test"], "example.test"),
        ("alice@example.test", ["Bob@EXAMPLE.test"], "example.test"),
        ("alice@example.test", ["nobody@example.test", "bob@example.test."], "example.test"),
        ("alice@example.test", ["alice@elsewhere.test"], ""),
        ("alice@example.test", ["alice@example.test", "eve@elsewhere.test"], ""),
        ("alice@example.test", ["alice@sub.example.test"], ""),
        ("alice@example.test", ["alice@[127.0.0.1]"], ""),
        ("alice@example.test", ["alice"], ""),
        ("alice@example.test", [], ""),
        # Of another domain here: only what is hers to write from.
        ("alice@example.test", ["buch@bücher.example"], ""),
        ("alice@example.test", ["hers@bücher.example"], "xn--bcher-kva.example"),
        ("alice@example.test", ["hers@bücher.example", "buch@bücher.example"], ""),
        ("alice@example.test", ["hers@bücher.example"] * 2, "xn--bcher-kva.example"),
        # Each may take a thousand looks, on the event loop.
        ("alice@example.test", [f"hers+{n}@bücher.example" for n in range(3)], ""),
        ("buch@xn--bcher-kva.example", ["buch@XN--bcher-kva.example"], "xn--bcher-kva.example"),
        # The host's own name stands for the domain above it.
        ("alice@example.test", ["x@mx.in.example.test"], "example.test"),
        (None, ["MAILER-DAEMON@mx.in.example.test"], "example.test"),
        (None, ["buch@bücher.example"], "xn--bcher-kva.example"),
        (None, ["x@elsewhere.test"], ""),
    ],
)
def test_in_whose_name_mail_is_signed(
    directory: Directory, submitter: str | None, authors: list[str], domain: str
) -> None:
    directory.add_alias("hers@bücher.example", ["alice@example.test"])
    router = Router(directory, hostname="MX.in.example.test")
    here = Envelope("x@y.test", (), submitter=submitter, internal=submitter is None)
    assert router.signing_domain(here, authors) == domain
    assert router.signing_domain(Envelope("x@y.test", ()), authors) == "", "from outside"
