"""SCRAM bound to the TLS channel at three doors, by a client library that is not ours (scramp).

tls-server-end-point under TLS 1.2 and 1.3, tls-unique under TLS 1.2 (RFC 5929); what was bound to
another connection, or to another server's certificate, is refused.
"""

import hashlib
import ssl
from base64 import b64decode, b64encode
from collections.abc import Iterator

import pytest
from e2e_harness import CLIENT_TIMEOUT, HOST, Account, ProductionServer
from scramp import ScramClient

from mailsuite.accounts import Directory

ANN = Account("ann@home.test", "ann's secret")
DOORS = {
    # listener: (its last greeting line begins with, command, challenge, success)
    "imaps": (b"* OK ", b"a AUTHENTICATE %s %s\r\n", b"+ ", b"a OK "),
    "pop3s": (b"+OK ", b"AUTH %s %s\r\n", b"+ ", b"+OK "),
    "submissions": (b"250 ", b"AUTH %s %s\r\n", b"334 ", b"235 2.7.0 "),
}
BINDINGS = [
    ("tls-server-end-point", ssl.TLSVersion.TLSv1_2),
    ("tls-server-end-point", ssl.TLSVersion.TLSv1_3),
    ("tls-unique", ssl.TLSVersion.TLSv1_2),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionServer]:
    server = ProductionServer(tmp_path_factory.mktemp("binding"))
    server.configure(sign_in={"first_delay": "0s", "scram": "always"})
    server.data.mkdir()
    directory = Directory(server.data / "accounts.db")
    directory.add_domain("home.test")
    directory.add_user(ANN.address, ANN.password)
    directory.close()
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log(), server.log()


class Session:
    """A door's line protocol over TLS of one version, as far as signing in needs it."""

    def __init__(self, server: ProductionServer, door: str, version: ssl.TLSVersion) -> None:
        context = server.tls()
        context.minimum_version = context.maximum_version = version
        self.sock = context.wrap_socket(server.connect(door), server_hostname=HOST)
        self.sock.settimeout(CLIENT_TIMEOUT)
        self._lines = self.sock.makefile("rb")
        greeted, self._command, self._challenge, self._success = DOORS[door]
        if door == "submissions":
            assert self._lines.readline().startswith(b"220 ")
            self.sock.sendall(b"EHLO c.test\r\n")
        while not self._lines.readline().startswith(greeted):
            pass

    def sign_in(self, client: ScramClient, mechanism: str) -> bytes:
        """What the server says at last: b"" when we are signed in and it has proven itself."""
        first = b64encode(client.get_client_first().encode())
        self.sock.sendall(self._command % (mechanism.encode(), first))
        line = self._lines.readline()
        if not line.startswith(self._challenge):
            return line
        client.set_server_first(self._decoded(line))
        self.sock.sendall(b64encode(client.get_client_final().encode()) + b"\r\n")
        line = self._lines.readline()
        if not line.startswith(self._challenge):
            return line
        client.set_server_final(self._decoded(line))  # raises where the server's proof is wrong
        self.sock.sendall(b"\r\n")
        line = self._lines.readline()
        return b"" if line.startswith(self._success) else line

    def _decoded(self, line: bytes) -> str:
        return b64decode(line.removeprefix(self._challenge)).decode()

    def close(self) -> None:
        self._lines.close()
        self.sock.close()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"])
@pytest.mark.parametrize(("kind", "version"), BINDINGS)
def test_a_bound_client_signs_in_by_its_own_channel_alone(
    server: ProductionServer, door: str, mechanism: str, kind: str, version: ssl.TLSVersion
) -> None:
    session, other = (Session(server, door, version) for _ in range(2))
    try:

        def client(password: str, channel: ssl.SSLSocket | bytes) -> ScramClient:
            return ScramClient([mechanism], ANN.address, password, channel_binding=(kind, channel))

        own = session.sock
        # Somebody between us has a channel, or a certificate, of his own.
        foreign = other.sock if kind == "tls-unique" else hashlib.sha256(b"another").digest()
        assert session.sign_in(client(ANN.password, foreign), mechanism)
        assert session.sign_in(client(f"wrong {door} {kind} {version}", own), mechanism)
        assert session.sign_in(client(ANN.password, own), mechanism) == b""
    finally:
        session.close()
        other.close()


@pytest.mark.parametrize("door", DOORS)
def test_tls_unique_is_of_tls_1_2(server: ProductionServer, door: str) -> None:
    """It is not defined for TLS 1.3 (RFC 8446 appendix C.5, RFC 9266 §1)."""
    session = Session(server, door, ssl.TLSVersion.TLSv1_3)
    try:
        mechanism, binding = "SCRAM-SHA-256-PLUS", ("tls-unique", b"anything")
        client = ScramClient([mechanism], ANN.address, ANN.password, channel_binding=binding)
        assert b"channel binding is not available" in session.sign_in(client, mechanism)
    finally:
        session.close()
