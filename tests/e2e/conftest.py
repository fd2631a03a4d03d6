"""Servers for the end-to-end tests: one that a worker's tests share, and ones of their own."""

import os
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dovecot_peer import Dovecot
from e2e_harness import Account, Server

from mailsuite.accounts import Directory


def check_log(server: Server) -> None:
    """Whatever clients do, the program never logs a traceback of its own."""
    log = server.log()
    found = re.search(r"Traceback \(most recent call last\)|task failed|never retrieved", log)
    assert found is None, f"the server's log:\n{log[-6000:]}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real processes and clients get more time than unit tests."""
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Not for tests that stop it, nor for ones that care who else gets mail."""
    server = Server(tmp_path_factory.mktemp("shared"), "--user=first@example.test:1").start()
    yield server
    server.stop()
    check_log(server)


@pytest.fixture(scope="session")
def directory(shared_server: Server) -> Iterator[Directory]:
    """The shared server's accounts, changed from outside as `mailsuite user add` does."""
    directory = Directory(shared_server.data / "accounts.db")
    yield directory
    directory.close()


@pytest.fixture
def server(shared_server: Server) -> Server:
    assert shared_server.is_running, f"a test before this one ended it:\n{shared_server.log()}"
    return shared_server


@pytest.fixture
def take_account(directory: Directory) -> Callable[[], Account]:
    """Accounts of the shared server that no other test has used."""

    def take() -> Account:
        account = Account(f"user{len(directory.users())}@example.test", "secret-1")
        directory.add_user(account.address, account.password)
        return account

    return take


@pytest.fixture
def account(take_account: Callable[[], Account]) -> Account:
    return take_account()


@pytest.fixture
def friend(take_account: Callable[[], Account]) -> Account:
    """A second account."""
    return take_account()


@pytest.fixture
def token() -> str:
    """A word that stands in no other test's message."""
    return f"t{uuid.uuid4().hex}"


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Servers of the test's own; those still running at its end are stopped."""
    made: list[Server] = []

    def make(*options: str) -> Server:
        made.append(Server(tmp_path / f"server{len(made)}", *options))
        return made[-1]

    yield make
    for server in made:
        if server.is_running:
            server.stop()
        check_log(server)


@pytest.fixture
def make_dovecot() -> Iterator[Callable[..., Dovecot]]:
    """Dovecots of the test's own, not yet started; nothing is left of them at its end."""
    made: list[Dovecot] = []

    def make(**options: Any) -> Dovecot:
        made.append(Dovecot(**options))
        return made[-1]

    yield make
    for dovecot in made:
        dovecot.remove()


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("not root")
