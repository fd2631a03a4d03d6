"""Pure. DANE for SMTP: whether a chain of certificates is the one that TLSA records tell of.

RFC 6698 with what RFC 7672 makes of it for SMTP: usages DANE-TA(2) and DANE-EE(3) only; of DANE-EE
neither names nor dates matter; DANE-TA wants a path to the anchor, dates and a name. Of several
digests of one kind the strongest counts.
"""

import contextlib
import datetime
import hashlib
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from mailsuite.dns.answers import Tlsa

DANE_TA = 2
DANE_EE = 3
_LENGTHS = {1: 32, 2: 64}


def usable(records: Iterable[Tlsa]) -> tuple[Tlsa, ...]:
    """Those that a client of RFC 7672 can work with (§3.1); others are passed over.

    So are SHA-256 digests beside SHA-512 ones of the same usage and selector (§5, RFC 7671 §9).
    """
    found = [
        each
        for each in records
        if each.usage in (DANE_TA, DANE_EE)
        and each.selector in (0, 1)
        and (
            len(each.data) == _LENGTHS.get(each.matching, -1) or (each.matching == 0 and each.data)
        )
    ]
    strong = {(each.usage, each.selector) for each in found if each.matching == 2}
    return tuple(
        each for each in found if each.matching != 1 or (each.usage, each.selector) not in strong
    )


def matches(
    records: Sequence[Tlsa], chain: Sequence[bytes], names: Sequence[str], now: float
) -> bool:
    """Whether `chain` (DER, the server's own certificate first) is what `records` tell of.

    names  that the certificate may be for (RFC 7672 §3.2.2); now: seconds since the epoch
    """
    if not chain:
        return False
    return any(
        _fits(each, chain[0]) if each.usage == DANE_EE else _anchored(each, chain, names, now)
        for each in usable(records)
    )


def _fits(record: Tlsa, certificate: bytes) -> bool:
    """Whether the record tells of this certificate, or of its key (RFC 6698 §2.1)."""
    octets = certificate
    if record.selector == 1:
        try:
            octets = key_of(certificate)
        except ValueError:
            return False
    match record.matching:
        case 0:
            return octets == record.data
        case 1:
            return hashlib.sha256(octets).digest() == record.data
        case _:
            return hashlib.sha512(octets).digest() == record.data


def key_of(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate as it stands there (RFC 5280 §4.1), both DER.

    Raises ValueError.
    """
    _, start, end = _element(certificate, 0, len(certificate))
    _, at, end = _element(certificate, start, end)
    # Before it: version (a tag of its own), serial number, signature, issuer, validity, subject.
    before = 6 if certificate[at : at + 1] == b"\xa0" else 5
    for _ in range(before):
        _, _, at = _element(certificate, at, end)
    first, _, after = _element(certificate, at, end)
    return certificate[first:after]


def _element(octets: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Where a DER element begins, where its content does, and where it ends."""
    if at + 2 > end:
        raise ValueError("DER ends too early")
    length, content = octets[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        content += count
        if not 1 <= count <= 4 or content > end:
            raise ValueError("not a DER length")
        length = int.from_bytes(octets[content - count : content], "big")
    if content + length > end:
        raise ValueError("DER ends too early")
    return at, content, content + length


def _anchored(record: Tlsa, chain: Sequence[bytes], names: Sequence[str], now: float) -> bool:
    anchors = [each for each in chain if _fits(record, each)]
    if not anchors and (record.selector, record.matching) == (0, 0):
        anchors = [record.data]  # the whole anchor is in the DNS (RFC 7672 §3.1.2)
    if chain[0] in anchors:
        # An anchor that is the server's own certificate: nothing lies between.
        return _valid(chain[0], names, now)
    return any(_leads(chain, anchor, names, now) for anchor in anchors)


def _leads(chain: Sequence[bytes], anchor: bytes, names: Sequence[str], now: float) -> bool:
    """Whether the chain leads to the anchor, and the certificate is for one of the names."""
    try:
        leaf, *between = map(x509.load_der_x509_certificate, chain)
        store = Store([x509.load_der_x509_certificate(anchor)])
    except ValueError:
        return False
    if not _is_for(leaf, names):
        return False
    when = datetime.datetime.fromtimestamp(now, datetime.UTC)
    policies = ExtensionPolicy.permit_all()
    authorities = policies.require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    # The library's verifier of servers knows no names but those in a SAN.
    builder = PolicyBuilder().store(store).time(when)
    builder = builder.extension_policies(ca_policy=authorities, ee_policy=policies)
    try:
        builder.build_client_verifier().verify(leaf, between)
    except (VerificationError, ValueError):
        return False
    return True


def _valid(certificate: bytes, names: Sequence[str], now: float) -> bool:
    try:
        found = x509.load_der_x509_certificate(certificate)
    except ValueError:
        return False
    when = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return found.not_valid_before_utc <= when <= found.not_valid_after_utc and _is_for(found, names)


def _is_for(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    """Whether it presents one of the names: a DNS-ID, or where it has none its CN-ID (§3.2.3)."""
    presented: list[str] = []
    try:
        with contextlib.suppress(x509.ExtensionNotFound):
            extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            presented = extension.value.get_values_for_type(x509.DNSName)
        if not presented:
            common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            presented = [str(each.value) for each in common]
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False
    return any(name_fits(pattern, name) for pattern in presented for name in names)


def name_fits(pattern: str, name: str) -> bool:
    """Whether a name of a certificate, or of an MTA-STS policy, is for the host `name`.

    "*." in front stands for exactly one label (RFC 6125 §6.4.3, RFC 8461 §4.1).
    """
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name
