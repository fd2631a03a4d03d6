"""The development CA: strict verifiers accept it, it is kept, and it renews what runs out."""

import shutil
import ssl
import stat
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mailsuite.base.errors import UserError
from mailsuite.tls import DevTls, ServerTls, ensure_dev_tls

DAY = 86_400


def make(folder: Path, *, domain: str = "example.test", now: float | None = None) -> DevTls:
    return ensure_dev_tls(folder, hostname="Box.lan", domain=domain, now=now)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None) -> ssl.SSLObject:
    """A whole handshake in memory; the client's side of it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(5):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return theirs


@pytest.mark.parametrize(
    "name",
    ["box.lan", "localhost", "example.test", "mail.example.test", "127.0.0.1", "::1"],
)
def test_strict_clients_accept_every_name(tmp_path: Path, name: str) -> None:
    made = make(tmp_path)
    client = ssl.create_default_context(cafile=str(made.ca))
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    seen = handshake(ServerTls(made.certificate, made.key).context, client, name)
    assert seen.version() == "TLSv1.3"


def test_other_names_are_refused(tmp_path: Path) -> None:
    made = make(tmp_path)
    client = ssl.create_default_context(cafile=str(made.ca))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(ServerTls(made.certificate, made.key).context, client, "other.test")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_verifies_strictly(tmp_path: Path) -> None:
    made = make(tmp_path)
    subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname",
         "mail.example.test", "-CAfile", made.ca, made.certificate],
        check=True,
        capture_output=True,
    )  # fmt: skip


def test_the_life_of_a_certificate_is_one_that_apple_accepts(tmp_path: Path) -> None:
    leaf = certificate(make(tmp_path).certificate)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=398)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [use.dotted_string for use in usage] == ["1.3.6.1.5.5.7.3.1"]


def test_keys_are_the_owners_alone(tmp_path: Path) -> None:
    made = make(tmp_path / "tls")
    for key in (made.key, tmp_path / "tls" / "ca-key.pem"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.ca.stat().st_mode) == 0o644


def test_files_are_kept(tmp_path: Path) -> None:
    make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    make(tmp_path, now=time.time() + 300 * DAY)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert len(before) == 4


def test_the_server_certificate_is_renewed_and_the_ca_stays(tmp_path: Path) -> None:
    made = make(tmp_path)
    ca, first = made.ca.read_bytes(), certificate(made.certificate)
    later = time.time() + 370 * DAY
    make(tmp_path, now=later)
    second = certificate(made.certificate)
    assert second.not_valid_after_utc.timestamp() > later + 390 * DAY
    make(tmp_path, domain="other.test", now=later)
    third = certificate(made.certificate)
    assert len({c.serial_number for c in (first, second, third)}) == 3
    names = third.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "box.lan",
        "localhost",
        "other.test",
        "mail.other.test",
    ]
    assert made.ca.read_bytes() == ca


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem", "server.pem", "server-key.pem"])
@pytest.mark.parametrize("damage", ["missing", "cut", "foreign"])
def test_damaged_files_are_made_again(tmp_path: Path, name: str, damage: str) -> None:
    """A crash between two files leaves a pair that doesn't fit; the next start mends it."""
    make(tmp_path / "one")
    make(tmp_path / "two")
    path = tmp_path / "one" / name
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        path.write_bytes((tmp_path / "two" / name).read_bytes())
    made = make(tmp_path / "one")
    client = ssl.create_default_context(cafile=str(made.ca))
    handshake(ServerTls(made.certificate, made.key).context, client, "localhost")


def test_international_and_odd_names(tmp_path: Path) -> None:
    made = ensure_dev_tls(tmp_path, hostname="Anna's Mac", domain="bücher.test")
    names = certificate(made.certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == [
        "localhost",
        "xn--bcher-kva.test",
        "mail.xn--bcher-kva.test",
    ]


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        make(tmp_path / "file")
