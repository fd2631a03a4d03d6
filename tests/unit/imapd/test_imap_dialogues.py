"""Every dialogue of tests/dialogues/imap, as it is and with the client's octets one by one."""

import ssl
from pathlib import Path

import pytest
import trustme
from imap_dialogue import Runner, drip, settings

from mailsuite.net import Connection

DIALOGUES = sorted((Path(__file__).parents[2] / "dialogues" / "imap").glob("*.txt"))
SETUP = ("notls", "noplain")


@pytest.fixture(scope="module")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's context."""
    ca = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("mail.example.test").configure_cert(server)
    client = ssl.create_default_context()
    ca.configure_trust(client)
    return server, client


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "octet by octet"])
@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
async def test_dialogue(
    path: Path,
    cut: bool,
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    if cut:
        if path.stem == "starttls-discards":
            pytest.skip("is about what comes in one segment")
        monkeypatch.setattr(Connection, "read", drip())
    server_tls, client_tls = tls
    runner = Runner(
        tmp_path,
        None if "notls" in steps else server_tls,
        settings(plain="noplain" not in steps),
    )
    runner.client_tls = client_tls
    async with runner:
        await runner.run([step for step in steps if step not in SETUP], monkeypatch)


def test_there_are_dialogues() -> None:
    assert len(DIALOGUES) >= 25
