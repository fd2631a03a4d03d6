"""The server's context: what it refuses to load, and reloading in place."""

import asyncio
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from mailsuite.base.errors import UserError
from mailsuite.tls import ServerTls

DAY = 86_400
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def elliptic() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def big() -> Key:
    return rsa.generate_private_key(65537, 2048)


def issue(
    folder: Path, name: str, key: Key, *, days: int = 90, before: int = 1
) -> tuple[Path, Path]:
    """A self-signed certificate for `name`, from `before` days ago until `days` from now."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=before))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, key_path = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, key_path


def presented(
    server: ssl.SSLContext, *, sni: str | None = None, version: ssl.TLSVersion | None = None
) -> str:
    """The name in the certificate that a client is shown."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    if version is not None:
        client.minimum_version = client.maximum_version = version
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(to_client, to_server, server_hostname=sni)
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(5):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    shown = x509.load_der_x509_certificate(theirs.getpeercert(True) or b"")
    return str(shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("sni", [None, "mail.example.test"])
def test_reload_in_place_even_to_another_kind_of_key(
    tmp_path: Path, version: ssl.TLSVersion, sni: str | None
) -> None:
    tls = ServerTls(*issue(tmp_path, "one.test", elliptic()))
    context = tls.context
    assert presented(context, sni=sni, version=version) == "one.test"
    issue(tmp_path, "two.test", big())
    assert presented(context, sni=sni, version=version) == "one.test"
    tls.reload()
    assert tls.context is context
    assert presented(context, sni=sni, version=version) == "two.test"
    issue(tmp_path, "three.test", elliptic())
    tls.reload()
    assert presented(context, sni=sni, version=version) == "three.test"
    assert tls.info.names == ("three.test",)


def test_a_bad_file_leaves_the_old_certificate_in_force(tmp_path: Path) -> None:
    certificate, key = issue(tmp_path, "one.test", elliptic())
    tls = ServerTls(certificate, key)
    certificate.write_text("nothing")
    with pytest.raises(UserError, match=r"cert\.pem: no certificate in it"):
        tls.reload()
    assert presented(tls.context) == "one.test"
    assert tls.info.names == ("one.test",)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_event_loops_follow_a_reload(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """The callback that chooses the certificate runs in each loop's own TLS machinery."""

    async def shown(port: int) -> str:
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.verify_mode = ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        octets = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.close()
        await writer.wait_closed()
        subject = x509.load_der_x509_certificate(octets).subject
        return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)

    async def main() -> None:
        tls = ServerTls(*issue(tmp_path, "one.test", elliptic()))
        server = await asyncio.start_server(
            lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=tls.context
        )
        port = server.sockets[0].getsockname()[1]
        assert await shown(port) == "one.test"
        issue(tmp_path, "two.test", big())
        tls.reload()
        assert await shown(port) == "two.test"
        server.close()
        await server.wait_closed()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


def test_reload_from_other_files(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    tls = ServerTls(*issue(tmp_path, "one.test", elliptic()))
    certificate, key = issue(tmp_path / "new", "two.test", elliptic())
    tls.reload(certificate, key)
    assert presented(tls.context) == "two.test"
    key.unlink()
    with pytest.raises(UserError, match=r"new/key\.pem: no such file"):
        tls.reload()


def test_old_versions_are_refused(tmp_path: Path) -> None:
    tls = ServerTls(*issue(tmp_path, "one.test", elliptic()))
    assert tls.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_mistakes_name_the_file(tmp_path: Path) -> None:
    certificate, key = issue(tmp_path, "one.test", elliptic())
    good_certificate, good_key = certificate.read_bytes(), key.read_bytes()

    def told(text: str) -> None:
        with pytest.raises(UserError, match=text):
            ServerTls(certificate, key)
        certificate.write_bytes(good_certificate)
        key.write_bytes(good_key)

    certificate.unlink()
    told(r"cert\.pem: no such file \(expected the TLS certificate")
    key.unlink()
    told(r"key\.pem: no such file \(expected the TLS key")
    certificate.write_bytes(good_key)
    told(r"cert\.pem: no certificate in it")
    key.write_bytes(good_certificate)
    told(r"key\.pem: no private key in it")
    certificate.write_bytes(good_certificate[:60] + b"\n" + good_certificate[-26:])
    told(r"cert\.pem: the certificate in it is damaged")
    key.write_bytes(good_key[:40] + good_key[60:])
    told(r"key\.pem: cannot be used")
    other = tmp_path / "other"
    other.mkdir()
    key.write_bytes(issue(other, "two.test", elliptic())[1].read_bytes())
    told(r"key\.pem: the key does not belong to the certificate .*cert\.pem")
    loaded = serialization.load_pem_private_key(good_key, None)
    key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    told(r"key\.pem: the key is protected by a passphrase")
    key.unlink()
    key.mkdir()
    with pytest.raises(UserError, match=r"key\.pem: Is a directory"):
        ServerTls(certificate, key)


def test_the_end_of_its_life_is_told(tmp_path: Path) -> None:
    files = issue(tmp_path, "one.test", elliptic(), days=30)
    assert ServerTls(*files).warnings() == []
    (soon,) = ServerTls(*files, now=lambda: time.time() + 20 * DAY).warnings()
    assert "cert.pem: expires on" in soon
    (late,) = ServerTls(*files, now=lambda: time.time() + 40 * DAY).warnings()
    assert "cert.pem: expired on" in late
    (early,) = ServerTls(*files, now=lambda: time.time() - 40 * DAY).warnings()
    assert "cert.pem: not valid before" in early


@pytest.mark.parametrize(
    ("name", "hostname", "fits"),
    [
        ("mail.example.org", "Mail.Example.Org", True),
        ("*.example.org", "mail.example.org", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "a.mail.example.org", False),
        ("www.example.org", "mail.example.org", False),
    ],
)
def test_a_certificate_for_another_name(
    tmp_path: Path, name: str, hostname: str, fits: bool
) -> None:
    files = issue(tmp_path, name, elliptic())
    told = [] if fits else [f"{files[0]}: is for {name}, not for {hostname}"]
    assert ServerTls(*files).warnings(hostname) == told
