"""The keys that mail is signed with: made when needed, moved in and out by hand.

- A domain has a key when one is asked for, the same for all who ask at once.
- What an operator puts into the folder counts at once; one key signs, and it is told which.
- A key that can't be used is told by the name of its file.
"""

import base64
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from structlog.testing import capture_logs

from mailsuite.base.errors import UserError
from mailsuite.dkim import SELECTOR, Keys, troubles


def pem(
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
    *,
    passphrase: bytes = b"",
) -> bytes:
    """In the form that other programs write."""
    form = serialization.PrivateFormat
    lock = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    kind = form.TraditionalOpenSSL if isinstance(key, rsa.RSAPrivateKey) else form.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, lock)


def rsa_key(bits: int = 1024) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def damaged() -> bytes:
    """A key whose exponents have lost a bit."""
    whole = rsa_key().private_numbers()
    numbers = rsa.RSAPrivateNumbers(
        p=whole.p,
        q=whole.q,
        d=whole.d ^ 2,
        dmp1=whole.dmp1 ^ 2,
        dmq1=whole.dmq1,
        iqmp=whole.iqmp,
        public_numbers=whole.public_numbers,
    )
    return pem(numbers.private_key(unsafe_skip_rsa_key_validation=True))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "dkim")


def put(keys: Keys, tmp_path: Path, selector: str, octets: bytes) -> Path:
    folder = tmp_path / "dkim" / "example.org"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{selector}.pem"
    path.write_bytes(octets)
    return path


def test_the_first_key_is_made_when_it_is_asked_for(keys: Keys, tmp_path: Path) -> None:
    assert keys.of("example.org") == []
    with capture_logs() as logs:
        key = keys.signing("example.org")
    (told,) = logs
    assert told["remedy"] == "publish what `mailsuite domain records example.org` shows"
    assert key.record_name == "mailsuite._domainkey.example.org"
    tags = dict(tag.strip().split("=", 1) for tag in key.record.split(";"))
    assert (tags["v"], tags["k"]) == ("DKIM1", "rsa")
    public = serialization.load_der_public_key(base64.b64decode(tags["p"], validate=True))
    assert isinstance(public, rsa.RSAPublicKey) and public.key_size == 2048
    public.verify(key.sign(b"octets"), b"octets", padding.PKCS1v15(), hashes.SHA256())
    path = tmp_path / "dkim" / "example.org" / "mailsuite.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert [each.name for each in path.parent.iterdir()] == ["mailsuite.pem"]
    assert keys.signing("example.org") is key, "it is not read again"
    assert Keys(tmp_path / "dkim").signing("example.org").record == key.record


def test_those_who_ask_at_once_have_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        several = [Keys(tmp_path / "dkim") for _ in range(4)]
        records = set(pool.map(lambda keys: keys.signing("example.org").record, several))
    assert len(records) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_makes_them_for_the_owner_of_the_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 12345, 12346)
    keys = Keys(data / "dkim")
    keys.signing("example.org")
    keys.add("example.org", "next")
    keys.use("example.org", "next")
    made = [data / "dkim", *(data / "dkim").rglob("*")]
    assert len(made) == 5
    assert {(one.stat().st_uid, one.stat().st_gid) for one in made} == {(12345, 12346)}


def test_a_key_of_another_server_is_taken(keys: Keys, tmp_path: Path) -> None:
    moved = rsa_key()
    put(keys, tmp_path, "s2024.mx", pem(moved))
    key = keys.signing("example.org")
    assert key.selector == "s2024.mx"
    assert key.private.private_numbers() == moved.private_numbers()
    assert [each.selector for each in keys.of("example.org")] == ["s2024.mx"]


def test_a_name_that_is_no_selector_is_told(keys: Keys, tmp_path: Path) -> None:
    path = put(keys, tmp_path, "S2024", pem(rsa_key()))
    put(keys, tmp_path, ".s2024", b"of an editor")
    (found,) = keys.of("example.org")
    assert (found.selector, found.key, found.signs) == ("S2024", None, False)
    assert found.why.startswith(f"{path}: not named after a selector")
    (tmp_path / "dkim" / "Example.net").mkdir()
    (tmp_path / "dkim" / os.fsdecode(b"b\xfccher.test")).mkdir()
    found_all = troubles(tmp_path / "dkim")
    assert [text.partition(": ")[2][:23] for text in found_all] == [
        "not named after a domai",
        "not named after a domai",
        "not named after a selec",
    ]
    assert not any(0xDC00 <= ord(letter) < 0xE000 for letter in "".join(found_all))


def test_a_key_that_could_not_be_written_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    generate = rsa.generate_private_key

    def counting(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        made.append(generate(public_exponent, key_size))
        return made[-1]

    monkeypatch.setattr(rsa, "generate_private_key", counting)
    folder = tmp_path / "dkim"
    folder.mkdir()
    (folder / "example.org").symlink_to(tmp_path / "not mounted")
    keys = Keys(folder)
    for _ in range(2):
        with pytest.raises(UserError, match=r"mailsuite\.pem: No such file"):
            keys.signing("example.org")
    (tmp_path / "not mounted").mkdir()
    key = keys.signing("example.org")
    assert [one.private_numbers() for one in made] == [key.private.private_numbers()]
    keys.signing("example.net")
    assert len(made) == 2, "no two domains have the same"


def test_a_file_that_changes_is_read_again(keys: Keys, tmp_path: Path) -> None:
    put(keys, tmp_path, "one", pem(rsa_key()))
    before = keys.signing("example.org").record
    path = put(keys, tmp_path, "two", pem(rsa_key()))
    path.replace(path.with_name("one.pem"))
    assert keys.signing("example.org").record != before


def test_our_own_signs_where_nobody_says_which(keys: Keys, tmp_path: Path) -> None:
    put(keys, tmp_path, "b", pem(rsa_key()))
    put(keys, tmp_path, "a", pem(rsa_key()))
    assert keys.signing("example.org").selector == "a"
    put(keys, tmp_path, SELECTOR, pem(rsa_key()))
    assert keys.signing("example.org").selector == SELECTOR
    found = keys.of("example.org")
    assert [(each.selector, each.signs) for each in found] == [
        ("a", False),
        ("b", False),
        (SELECTOR, True),
    ]


def test_a_change_of_keys(keys: Keys, tmp_path: Path) -> None:
    put(keys, tmp_path, "z1", pem(rsa_key()))
    assert keys.add("example.org", "a2")
    assert not keys.add("example.org", "a2")
    assert keys.signing("example.org").selector == "z1", "the DNS does not know the new one yet"
    keys.use("example.org", "a2")
    assert keys.signing("example.org").selector == "a2"
    assert {each.selector for each in keys.of("example.org")} == {"a2", "z1"}
    with pytest.raises(UserError, match=r"a2 signs the mail of example\.org"):
        keys.remove("example.org", "a2")
    keys.remove("example.org", "z1")
    assert {each.selector for each in keys.of("example.org")} == {"a2"}
    with pytest.raises(UserError, match=r"gone\.pem: No such file"):
        keys.use("example.org", "gone")
    with pytest.raises(UserError, match=r"gone\.pem: No such file"):
        keys.remove("example.org", "gone")


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "not a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a private key"),
        (pem(rsa_key(), passphrase=b"secret"), "without a passphrase"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "not an RSA key"),
        (damaged(), "a damaged key"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "not an RSA key"),
    ],
    ids=["empty", "broken", "locked", "ed25519", "damaged", "ec"],
)
def test_a_key_that_can_not_be_used_is_named(
    keys: Keys, tmp_path: Path, octets: bytes, why: str
) -> None:
    path = put(keys, tmp_path, "bad", octets)
    with pytest.raises(UserError, match=f"{re.escape(str(path))}: .*{why}"):
        keys.signing("example.org")
    (found,) = keys.of("example.org")
    assert found.key is None and str(path) in found.why


def test_a_folder_that_can_not_be_read_is_named(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "dkim").write_bytes(b"")
    with pytest.raises(UserError, match=r"dkim/example\.org"):
        keys.signing("example.org")
    with pytest.raises(UserError, match=r"dkim/example\.org"):
        keys.of("example.org")


def test_a_marker_that_leads_nowhere_is_named(keys: Keys, tmp_path: Path) -> None:
    put(keys, tmp_path, "a", pem(rsa_key()))
    active = tmp_path / "dkim" / "example.org" / "active"
    active.write_bytes(b"../other\n")
    with pytest.raises(UserError, match="active: does not name a selector"):
        keys.signing("example.org")
    active.write_bytes(b"b\n")
    with pytest.raises(UserError, match=r"b\.pem: No such file"):
        keys.signing("example.org")
    assert [(each.selector, each.signs) for each in keys.of("example.org")] == [
        ("a", False),
        ("b", True),
    ]


@pytest.mark.parametrize("selector", ["", "A", "a_b", "-a", "a..b", "../a", "a" * 64, "ä", "a\n"])
def test_what_is_no_selector(keys: Keys, selector: str) -> None:
    with pytest.raises(UserError, match="not a selector"):
        keys.add("example.org", selector)


@pytest.mark.parametrize(
    "domain", ["", "..", "a/b", "Example.org", "[127.0.0.1]", "bücher.example"]
)
def test_what_is_no_domain_in_a_labels(keys: Keys, domain: str) -> None:
    with pytest.raises(ValueError, match="domain"):
        keys.signing(domain)


def test_all_troubles_at_once(keys: Keys, tmp_path: Path) -> None:
    assert troubles(tmp_path / "dkim") == []
    bad = put(keys, tmp_path, "bad", b"broken")
    put(keys, tmp_path, "good", pem(rsa_key()))
    (tmp_path / "dkim" / "else.test").write_bytes(b"")
    (tmp_path / "dkim" / "README").write_bytes(b"")
    found = troubles(tmp_path / "dkim")
    assert [text.partition(": ")[0] for text in found] == [
        str(tmp_path / "dkim" / "else.test" / "active"),
        str(bad),
    ]
    assert troubles(bad) == [f"{bad}: Not a directory"]
