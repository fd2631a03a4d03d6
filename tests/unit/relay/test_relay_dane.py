"""TLSA matching: usages 2 and 3, both selectors, all matching types; certificates made of junk."""

import datetime
import hashlib
import time

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.dns import Tlsa
from mailsuite.relay.dane import key_of, matches, usable

CA = trustme.CA()
BETWEEN = CA.create_child_ca()


def der(pem: trustme.Blob) -> bytes:
    return x509.load_pem_x509_certificate(pem.bytes()).public_bytes(Encoding.DER)


def issue(authority: trustme.CA, *names: str, days: int = 1) -> bytes:
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    return der(authority.issue_cert(*names, not_after=end).cert_chain_pems[0])


LEAF = issue(BETWEEN, "mx.test")
CHAIN = [LEAF, der(BETWEEN.cert_pem), der(CA.cert_pem)]


def record(usage: int, selector: int, matching: int, certificate: bytes) -> Tlsa:
    octets = certificate
    if selector:
        key = x509.load_der_x509_certificate(certificate).public_key()
        octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = {0: lambda o: o, 1: lambda o: hashlib.sha256(o).digest()}
    return Tlsa(
        usage,
        selector,
        matching,
        digest.get(matching, lambda o: hashlib.sha512(o).digest())(octets),
    )


@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("selector", [0, 1])
class TestAllKinds:
    def test_end_entity(self, selector: int, matching: int) -> None:
        fitting = record(3, selector, matching, LEAF)
        now = time.time()
        assert matches([fitting], CHAIN, [], now), "whatever its names"
        assert matches([fitting], [LEAF], [], now + 10 * 365 * 86_400), "and whatever its dates"
        other = issue(CA, "mx.test")
        assert not matches([fitting], [other, *CHAIN[1:]], ["mx.test"], now)
        assert not matches([record(3, selector, matching, CHAIN[1])], CHAIN, ["mx.test"], now)

    @pytest.mark.parametrize("anchor", [1, 2])
    def test_trust_anchor(self, selector: int, matching: int, anchor: int) -> None:
        fitting = record(2, selector, matching, CHAIN[anchor])
        now = time.time()
        assert matches([fitting], CHAIN, ["x.test", "mx.test"], now)
        assert not matches([fitting], CHAIN, ["x.test"], now), "a name is wanted"
        assert not matches([fitting], CHAIN, ["mx.test"], now + 3 * 86_400), "and a valid date"
        stranger = issue(trustme.CA(), "mx.test")
        assert not matches([fitting], [stranger, *CHAIN[1:]], ["mx.test"], now), "and a path"

    def test_an_anchor_that_is_not_sent(self, selector: int, matching: int) -> None:
        leaf = issue(CA, "mx.test")
        found = matches([record(2, selector, matching, CHAIN[2])], [leaf], ["mx.test"], time.time())
        assert found is (selector == matching == 0), "unless the record has the whole of it"


def test_an_anchor_that_is_the_certificate_itself() -> None:
    now = time.time()
    assert matches([record(2, 0, 1, LEAF)], CHAIN, ["mx.test"], now)
    assert not matches([record(2, 0, 1, LEAF)], CHAIN, ["x.test"], now)
    assert not matches([record(2, 0, 1, LEAF)], CHAIN, ["mx.test"], now + 3 * 86_400)


def test_wildcards() -> None:
    chain = [issue(CA, "*.mx.test"), CHAIN[2]]
    fitting = record(2, 1, 1, CHAIN[2])
    assert matches([fitting], chain, ["a.mx.test"], time.time())
    assert not matches([fitting], chain, ["a.b.mx.test"], time.time())


def test_what_is_not_usable() -> None:
    good = record(3, 1, 1, LEAF)
    bad = [
        Tlsa(0, 1, 1, good.data),
        Tlsa(1, 1, 1, good.data),
        Tlsa(255, 1, 1, good.data),
        Tlsa(3, 2, 1, good.data),
        Tlsa(3, 1, 3, good.data),
        Tlsa(3, 1, 1, good.data[:-1]),
        Tlsa(3, 1, 2, good.data),
        Tlsa(3, 1, 0, b""),
    ]
    assert usable([*bad, good]) == (good,)
    assert not matches(bad, CHAIN, ["mx.test"], time.time())
    assert not matches([good], [], [], time.time())


def test_of_digests_the_strongest_counts() -> None:
    """RFC 7672 §5, RFC 7671 §9: for each usage and selector, beside the whole."""
    whole, weak, strong = (record(3, 1, matching, LEAF) for matching in (0, 1, 2))
    of_certificate = record(3, 0, 1, LEAF)
    assert usable([weak, of_certificate, whole, strong]) == (of_certificate, whole, strong)
    other = record(3, 1, 2, CHAIN[1])
    assert not matches([weak, other], CHAIN, ["mx.test"], time.time())
    assert matches([weak, Tlsa(3, 1, 2, b"short")], CHAIN, ["mx.test"], time.time())


@pytest.mark.parametrize("authority", [CA, None], ids=["anchor", "itself"])
def test_the_subject_names_it_where_nothing_else_does(authority: trustme.CA | None) -> None:
    """RFC 7672 §3.2.3: a CN-ID counts where there is no DNS-ID."""
    for identity, counts in (("post@mx.test", True), ("other.test", False)):
        blob = CA.issue_cert(identity, common_name="mx.test").cert_chain_pems[0]
        leaf = der(blob)
        chain = [leaf, der(CA.cert_pem)]
        fitting = record(2, 0, 1, chain[1] if authority else leaf)
        assert matches([fitting], chain, ["mx.test"], time.time()) is counts
        assert not matches([fitting], chain, ["x.test"], time.time())


def test_the_key_stands_in_the_certificate_as_the_library_says() -> None:
    for certificate in CHAIN:
        key = x509.load_der_x509_certificate(certificate).public_key()
        assert key_of(certificate) == key.public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )


@given(st.binary(max_size=60) | st.integers(0, len(LEAF)).map(lambda at: LEAF[:at]))
def test_junk_matches_nothing(octets: bytes) -> None:
    """No octets raise anything but ValueError, and none but the right ones match."""
    try:
        key_of(octets)
    except ValueError:
        pass
    records = [record(usage, selector, 1, LEAF) for usage in (2, 3) for selector in (0, 1)]
    found = matches(records, [octets, CHAIN[2]], ["mx.test"], 0.0)
    assert not found or octets == LEAF
