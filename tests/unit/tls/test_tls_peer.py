"""Channel bindings and client certificates, over real handshakes in memory."""

import hashlib
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from mailsuite.base.errors import UserError
from mailsuite.tls import ServerTls, bindings_of, certificate_names
from mailsuite.tls.peer import end_point_of


class Pki:
    """A server's files, an authority of users."""

    def __init__(self, folder: Path) -> None:
        self.servers, self.users = trustme.CA(), trustme.CA()
        issued = self.servers.issue_cert("mail.example.test")
        self.certificate, self.key, self.ca = (
            folder / name for name in ("cert.pem", "key.pem", "ca.pem")
        )
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.key)
        self.users.cert_pem.write_to_path(self.ca)

    def server(self) -> ServerTls:
        return ServerTls(self.certificate, self.key, client_ca=self.ca)

    def client(self, version: ssl.TLSVersion) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.servers.configure_trust(context)
        context.maximum_version = version
        return context


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def handshake(
    server: ssl.SSLContext, client: ssl.SSLContext
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends of a session, after the handshake."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(up, down, server_side=True)
    theirs = client.wrap_bio(down, up, server_hostname="mail.example.test")
    for _ in range(6):
        for end in (theirs, ours):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ours, theirs


def test_bindings_are_the_same_at_both_ends(pki: Pki) -> None:
    server = pki.server()
    for version, kinds in [
        (ssl.TLSVersion.TLSv1_2, ["tls-server-end-point", "tls-unique"]),
        (ssl.TLSVersion.TLSv1_3, ["tls-server-end-point"]),
    ]:
        ours, theirs = handshake(server.context, pki.client(version))
        found = bindings_of(ours)
        assert list(found) == kinds
        der = theirs.getpeercert(binary_form=True)
        assert der and found["tls-server-end-point"] == hashlib.sha256(der).digest()
        if "tls-unique" in found:
            assert found["tls-unique"] == theirs.get_channel_binding("tls-unique")
    assert bindings_of(None) == {}


def test_the_binding_follows_a_renewed_certificate(pki: Pki) -> None:
    server = pki.server()
    before = bindings_of(handshake(server.context, pki.client(ssl.TLSVersion.TLSv1_3))[0])
    renewed = pki.servers.issue_cert("mail.example.test")
    pki.certificate.write_bytes(b"".join(blob.bytes() for blob in renewed.cert_chain_pems))
    renewed.private_key_pem.write_to_path(pki.key)
    server.reload()
    ours, theirs = handshake(server.context, pki.client(ssl.TLSVersion.TLSv1_3))
    der = theirs.getpeercert(binary_form=True)
    assert der and bindings_of(ours)["tls-server-end-point"] == hashlib.sha256(der).digest()
    assert bindings_of(ours) != before


def test_the_hash_is_that_of_the_signature(pki: Pki) -> None:
    """RFC 5929 §4.1."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    found = x509.load_pem_x509_certificate(pki.certificate.read_bytes())
    builder = (
        x509.CertificateBuilder(name, name)
        .serial_number(1)
        .not_valid_before(found.not_valid_before_utc)
        .not_valid_after(found.not_valid_after_utc)
    )
    key = ec.generate_private_key(ec.SECP384R1())
    certificate = builder.public_key(key.public_key()).sign(key, hashes.SHA384())
    der = certificate.public_bytes(Encoding.DER)
    assert end_point_of(certificate, der) == hashlib.sha384(der).digest()
    edwards = ed25519.Ed25519PrivateKey.generate()
    certificate = builder.public_key(edwards.public_key()).sign(edwards, None)
    assert end_point_of(certificate, certificate.public_bytes(Encoding.DER)) == b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_names_of_a_client_certificate(pki: Pki, version: ssl.TLSVersion) -> None:
    server = pki.server()
    client = pki.client(version)
    assert certificate_names(handshake(server.context, client)[0]) == []  # it may show none
    pki.users.issue_cert("alice@example.test", common_name="bob@x.test").configure_cert(client)
    assert certificate_names(handshake(server.context, client)[0]) == ["alice@example.test"]
    client = pki.client(version)
    pki.users.issue_cert("host.test", common_name="carol@example.test").configure_cert(client)
    assert certificate_names(handshake(server.context, client)[0]) == ["carol@example.test"]
    server.reload()
    assert certificate_names(handshake(server.context, client)[0]) == ["carol@example.test"]


def test_a_certificate_of_nobody_we_trust_ends_the_handshake(pki: Pki) -> None:
    client = pki.client(ssl.TLSVersion.TLSv1_2)
    trustme.CA().issue_cert("alice@example.test").configure_cert(client)
    with pytest.raises(ssl.SSLError):
        handshake(pki.server().context, client)


def test_a_listener_that_asks_nobody_sees_no_certificate(pki: Pki) -> None:
    client = pki.client(ssl.TLSVersion.TLSv1_3)
    pki.users.issue_cert("alice@example.test").configure_cert(client)
    ours, _ = handshake(ServerTls(pki.certificate, pki.key).context, client)
    assert certificate_names(ours) == []


def test_a_file_without_authorities_is_told_by_name(pki: Pki, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name, words in [("empty.pem", "no certificate in it"), ("none.pem", "no such file")]:
        with pytest.raises(UserError, match=words):
            ServerTls(pki.certificate, pki.key, client_ca=tmp_path / name)
