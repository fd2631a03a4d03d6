"""TLS to the next hop: when, how checked, and what becomes of mail where it fails."""

import hashlib
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from relay_support import CA, relaying, server_tls

from mailsuite.mail import Bounced, Deferred, Outcome, Sent
from mailsuite.relay import Rule, Smarthost
from mailsuite.sasl import ClientLogin
from tests.dns_server import Zone
from tests.next_hop import OFFERS, NextHop, listening


def zone(*secure: str) -> Zone:
    found = Zone()
    found.records[("far.test", "MX")] = ["10 mx1.test."]
    found.records[("mx1.test", "A")] = ["127.0.0.1"]
    found.secure = set(secure)
    return found


def tls_of(outcome: Outcome) -> tuple[str, str]:
    assert outcome.contact is not None
    return outcome.contact.tls, outcome.contact.why


def tlsa(usage: int, octets: bytes) -> str:
    return f"{usage} 0 1 {hashlib.sha256(octets).hexdigest()}"


def ca_der() -> bytes:
    return x509.load_pem_x509_certificate(CA.cert_pem.bytes()).public_bytes(Encoding.DER)


SECURE = ("far.test", "mx1.test")


class TestOpportunistic:
    async def test_whoever_holds_the_certificate(self, tmp_path: Path) -> None:
        hop = NextHop(tls=server_tls("other.test"))
        async with listening(hop), relaying(tmp_path, zone(), port=hop.port) as relay:
            (outcome,) = await relay.send("a@far.test")
            assert isinstance(outcome, Sent), outcome
            words, why = tls_of(outcome)
            assert words.startswith("TLSv1.") and words.endswith(", certificate not checked")
            assert why == "opportunistic" and hop.commands.count("EHLO here.test") == 2

    async def test_without_tls_where_the_handshake_fails(self, tmp_path: Path) -> None:
        old = server_tls("mx1.test")
        old.set_ciphers("NULL")
        old.maximum_version = old.minimum_version
        hop = NextHop(tls=old)
        async with listening(hop), relaying(tmp_path, zone(), port=hop.port) as relay:
            (outcome,) = await relay.send("a@far.test")
            assert isinstance(outcome, Sent), outcome
            words, why = tls_of(outcome)
            assert words == "none" and why.startswith("opportunistic; TLS handshake failed")
            assert hop.connections == 2

    async def test_without_tls_where_starttls_is_refused(self, tmp_path: Path) -> None:
        hop = NextHop(tls=server_tls("mx1.test"), replies={"STARTTLS": ["454 4.7.0 not now"]})
        async with listening(hop), relaying(tmp_path, zone(), port=hop.port) as relay:
            (outcome,) = await relay.send("a@far.test")
            assert tls_of(outcome) == (
                "none",
                "opportunistic; STARTTLS is refused: 454 4.7.0 not now",
            )

    async def test_octets_before_the_handshake_are_an_attack(self, tmp_path: Path) -> None:
        hop = NextHop(tls=server_tls("mx1.test"), replies={"STARTTLS": ["220 go\r\n250 injected"]})
        async with listening(hop), relaying(tmp_path, zone(), port=hop.port) as relay:
            (outcome,) = await relay.send("a@far.test")
            assert isinstance(outcome, Deferred) and not hop.messages

    async def test_off(self, tmp_path: Path) -> None:
        hop = NextHop(tls=server_tls("mx1.test"))
        async with (
            listening(hop),
            relaying(tmp_path, zone(), port=hop.port, default=Rule(tls="off")) as relay,
        ):
            assert tls_of((await relay.send("a@far.test"))[0]) == ("none", "setting: off")


class TestBySetting:
    @pytest.mark.parametrize(
        ("level", "name", "sent"),
        [
            ("require", "other.test", True),
            ("verify", "mx1.test", True),
            ("verify", "other.test", False),
        ],
    )
    async def test_certificate(self, tmp_path: Path, level: str, name: str, sent: bool) -> None:
        hop = NextHop(tls=server_tls(name))
        rule = Rule(tls=level)  # type: ignore[arg-type]
        async with (
            listening(hop),
            relaying(tmp_path, zone(), port=hop.port, rules={"far.test": rule}) as relay,
        ):
            (outcome,) = await relay.send("a@far.test")
            assert isinstance(outcome, Sent if sent else Deferred), outcome
            if not sent:
                assert outcome.status == "4.7.5" and not hop.messages
                assert "certificate not accepted" in outcome.text
                assert "required here (setting: verify)" in outcome.text

    async def test_not_offered(self, tmp_path: Path) -> None:
        async with (
            listening(NextHop()) as hop,
            relaying(tmp_path, zone(), port=hop.port, default=Rule(tls="require")) as relay,
        ):
            (outcome,) = await relay.send("a@far.test")
            assert isinstance(outcome, Deferred) and outcome.status == "4.7.4"
            assert hop.commands == ["EHLO here.test", "QUIT"]


class TestSmarthost:
    @pytest.mark.parametrize("implicit", [True, False])
    async def test_sign_in(self, tmp_path: Path, implicit: bool) -> None:
        hop = NextHop((*OFFERS, "AUTH LOGIN PLAIN"), server_tls("127.0.0.1"), implicit)
        async with listening(hop):
            login = ClientLogin("alice", "secret")
            host = Smarthost("127.0.0.1", hop.port, implicit=implicit, login=login)
            async with relaying(tmp_path, default=Rule(host)) as relay:
                (outcome,) = await relay.send("a@far.test")
                assert isinstance(outcome, Sent), outcome
                assert tls_of(outcome)[0].endswith("certificate valid")
        assert "AUTH PLAIN AGFsaWNlAHNlY3JldA==" in hop.commands

    async def test_sign_in_where_scram_is_offered_but_no_verifier_known(
        self, tmp_path: Path
    ) -> None:
        offers = (*OFFERS, "AUTH PLAIN SCRAM-SHA-1 SCRAM-SHA-256")
        answers = {"AUTH": ["535 5.7.8 no verifier", "235 2.7.0 ok"]}
        async with listening(NextHop(offers, server_tls("127.0.0.1"), True, answers)) as hop:
            login = ClientLogin("alice", "secret")
            host = Smarthost("127.0.0.1", hop.port, implicit=True, login=login)
            async with relaying(tmp_path, default=Rule(host)) as relay:
                (outcome,) = await relay.send("a@far.test")
                assert isinstance(outcome, Sent), outcome
        tried = [each.split()[1] for each in hop.commands if each.startswith("AUTH")]
        assert tried == ["SCRAM-SHA-256", "PLAIN"]

    async def test_an_alias_where_nobody_validates(self, tmp_path: Path) -> None:
        """Whether it is signed is not asked then: some name servers fail at that question."""
        where = Zone({("smart.test", "CNAME"): ["real.test."], ("real.test", "A"): ["127.0.0.1"]})
        where.broken.add(("smart.test", "CNAME"))
        async with listening(NextHop()) as hop:
            rule = Rule(Smarthost("smart.test", hop.port, "opportunistic"))
            async with relaying(tmp_path, where, default=rule, validating=False) as relay:
                (outcome,) = await relay.send("a@far.test")
                assert isinstance(outcome, Sent), outcome

    async def test_no_password_without_tls(self, tmp_path: Path) -> None:
        hop = NextHop((*OFFERS, "AUTH PLAIN"))
        async with listening(hop):
            host = Smarthost("127.0.0.1", hop.port, "off", login=ClientLogin("alice", "secret"))
            async with relaying(tmp_path, default=Rule(host)) as relay:
                (outcome,) = await relay.send("a@far.test")
                assert isinstance(outcome, Deferred) and outcome.status == "4.7.11"
        assert not any("AUTH" in each for each in hop.commands)

    async def test_a_refused_password_bounces_nobodys_mail(self, tmp_path: Path) -> None:
        hop = NextHop(("AUTH PLAIN",), server_tls("127.0.0.1"), True, {"AUTH": ["535 5.7.8 wrong"]})
        async with listening(hop):
            host = Smarthost("127.0.0.1", hop.port, implicit=True, login=ClientLogin("a", "b"))
            async with relaying(tmp_path, default=Rule(host)) as relay:
                (outcome,) = await relay.send("a@far.test")
                assert isinstance(outcome, Deferred) and outcome.status == "4.7.8"


class TestDane:
    async def test_matches(self, tmp_path: Path) -> None:
        other = trustme.CA()  # DANE asks no authority, and DANE-EE no name
        context = server_tls("mx1.test")
        cert = other.issue_cert("whatever.test")
        cert.configure_cert(context)
        hop = NextHop(tls=context)
        async with listening(hop):
            name = f"_{hop.port}._tcp.mx1.test"
            where = zone(*SECURE, name)
            leaf = x509.load_pem_x509_certificate(cert.cert_chain_pems[0].bytes())
            where.records[(name, "TLSA")] = [tlsa(3, leaf.public_bytes(Encoding.DER))]
            async with relaying(tmp_path, where, port=hop.port) as relay:
                (outcome,) = await relay.send("a@far.test")
                assert isinstance(outcome, Sent), outcome
                words, why = tls_of(outcome)
                assert words.endswith("certificate valid by DANE") and why == "DANE"

    @pytest.mark.parametrize(
        ("name", "sent"), [("mx1.test", True), ("far.test", True), ("other.test", False)]
    )
    async def test_trust_anchor_wants_a_name(self, tmp_path: Path, name: str, sent: bool) -> None:
        hop = NextHop(tls=chain_tls(name))
        async with listening(hop):
            tlsa_name = f"_{hop.port}._tcp.mx1.test"
            where = zone(*SECURE, tlsa_name)
            where.records[(tlsa_name, "TLSA")] = [tlsa(2, ca_der())]
            async with relaying(tmp_path, where, port=hop.port) as relay:
                (outcome,) = await relay.send("a@far.test")
                assert isinstance(outcome, Sent if sent else Deferred), outcome

    async def test_records_at_the_end_of_an_alias(self, tmp_path: Path) -> None:
        """RFC 7672 §2.2.2, §8.1: looked for there first, and that name is asked for."""
        context, asked = chain_tls("real.test"), []
        context.sni_callback = lambda session, name, outer: asked.append(name)
        hop = NextHop(tls=context)
        async with listening(hop):
            name = f"_{hop.port}._tcp.real.test"
            where = zone(*SECURE, "real.test", name)
            where.records[("mx1.test", "CNAME")] = ["real.test."]
            where.records[("real.test", "A")] = ["127.0.0.1"]
            where.records[(name, "TLSA")] = [tlsa(2, ca_der())]
            async with relaying(tmp_path, where, port=hop.port) as relay:
                (outcome,) = await relay.send("a@far.test")
                assert isinstance(outcome, Sent), outcome
                assert tls_of(outcome)[1] == "DANE" and asked == ["real.test"]

    async def test_an_alias_that_is_signed_and_leads_elsewhere(self, tmp_path: Path) -> None:
        """RFC 7672 §2.2.2, "Insecure CNAME": records for the alias itself count."""
        hop = NextHop(tls=chain_tls("mx1.test"))
        async with listening(hop):
            name = f"_{hop.port}._tcp.mx1.test"
            for signed in (True, False):
                where = zone(*SECURE, name)
                where.records[("mx1.test", "CNAME")] = ["real.test."]
                where.records[("real.test", "A")] = ["127.0.0.1"]
                where.records[(name, "TLSA")] = [tlsa(2, ca_der())]
                if not signed:
                    where.secure.discard("mx1.test")
                async with relaying(tmp_path, where, port=hop.port) as relay:
                    (outcome,) = await relay.send("a@far.test")
                    assert isinstance(outcome, Sent), outcome
                    assert tls_of(outcome)[1] == ("DANE" if signed else "opportunistic")
                    assert ((name, "TLSA") in where.asked) is signed

    async def test_the_name_that_the_domain_is_an_alias_of(self, tmp_path: Path) -> None:
        """RFC 7672 §3.2.2: the third name of a certificate."""
        hop = NextHop(tls=chain_tls("big.test"))
        async with listening(hop):
            name = f"_{hop.port}._tcp.mx1.test"
            where = zone(*SECURE, "big.test", name)
            where.records[("big.test", "MX")] = where.records.pop(("far.test", "MX"))
            where.records[("far.test", "CNAME")] = ["big.test."]
            where.records[(name, "TLSA")] = [tlsa(2, ca_der())]
            async with relaying(tmp_path, where, port=hop.port) as relay:
                (outcome,) = await relay.send("a@far.test")
                assert isinstance(outcome, Sent) and tls_of(outcome)[1] == "DANE", outcome

    async def test_does_not_match(self, tmp_path: Path) -> None:
        hop = NextHop(tls=server_tls("mx1.test"))
        async with listening(hop):
            name = f"_{hop.port}._tcp.mx1.test"
            where = zone(*SECURE, name)
            where.records[(name, "TLSA")] = [tlsa(3, b"another")]
            async with relaying(tmp_path, where, port=hop.port) as relay:
                (outcome,) = await relay.send("a@far.test")
                assert isinstance(outcome, Deferred) and outcome.status == "4.7.5"
                assert "does not match the TLSA records" in outcome.text
                assert hop.commands == ["EHLO here.test", "STARTTLS", "QUIT"]  # RFC 3207 §4.1

    async def test_tls_is_required(self, tmp_path: Path) -> None:
        async with listening(NextHop()) as hop:
            name = f"_{hop.port}._tcp.mx1.test"
            where = zone(*SECURE, name)
            for record in (tlsa(3, b"x"), "1 0 1 " + "ab" * 32):  # usable, and not
                where.records[(name, "TLSA")] = [record]
                async with relaying(tmp_path, where, port=hop.port) as relay:
                    (outcome,) = await relay.send("a@far.test")
                    assert isinstance(outcome, Deferred) and outcome.status == "4.7.4"
            assert hop.commands == ["EHLO here.test", "QUIT"] * 2

    async def test_records_that_can_not_be_had(self, tmp_path: Path) -> None:
        hop = NextHop(tls=server_tls("mx1.test"))
        async with listening(hop):
            where = zone(*SECURE)
            where.broken.add((f"_{hop.port}._tcp.mx1.test", "TLSA"))
            async with relaying(tmp_path, where, port=hop.port) as relay:
                (outcome,) = await relay.send("a@far.test")
                assert isinstance(outcome, Deferred) and "TLSA" in outcome.text
                assert not hop.connections

    @pytest.mark.parametrize("missing", [*SECURE, "tlsa", "validating"])
    async def test_what_is_not_secure_counts_for_nothing(
        self, tmp_path: Path, missing: str
    ) -> None:
        hop = NextHop(tls=server_tls("mx1.test"))
        async with listening(hop):
            name = f"_{hop.port}._tcp.mx1.test"
            where = zone(*SECURE, name)
            where.secure.discard(name if missing == "tlsa" else missing)
            where.records[(name, "TLSA")] = [tlsa(3, b"another")]
            validating = missing != "validating"
            async with relaying(tmp_path, where, port=hop.port, validating=validating) as relay:
                (outcome,) = await relay.send("a@far.test")
                assert isinstance(outcome, Sent) and tls_of(outcome)[1] == "opportunistic"


class TestRequireTls:
    """RFC 8689 §4.2.1."""

    async def test_nobody_vouches_for_the_host(self, tmp_path: Path) -> None:
        hop = NextHop((*OFFERS, "REQUIRETLS"), server_tls("mx1.test"))
        async with listening(hop), relaying(tmp_path, zone(), port=hop.port) as relay:
            (outcome,) = await relay.send("a@far.test", require_tls=True)
            assert isinstance(outcome, Bounced) and outcome.status == "5.7.30"

    @pytest.mark.parametrize(
        ("offers", "name", "kind"),
        [
            ((*OFFERS, "REQUIRETLS"), "mx1.test", Sent),
            (OFFERS, "mx1.test", Bounced),
            ((*OFFERS, "REQUIRETLS"), "other.test", Deferred),
        ],
    )
    async def test_by_dnssec(
        self, tmp_path: Path, offers: tuple[str, ...], name: str, kind: type[Outcome]
    ) -> None:
        hop = NextHop(offers, server_tls(name))
        async with listening(hop), relaying(tmp_path, zone(*SECURE), port=hop.port) as relay:
            (outcome,) = await relay.send("a@far.test", require_tls=True)
            assert type(outcome) is kind, outcome
            if kind is Sent:
                assert tls_of(outcome)[1] == "REQUIRETLS"
                assert hop.messages[0][0].endswith(" REQUIRETLS")

    @pytest.mark.parametrize("secure", [True, False])
    async def test_a_notice_is_not_lost_for_it(self, tmp_path: Path, secure: bool) -> None:
        """RFC 8689 §5: with it where the host is proven, without it anywhere else."""
        hop = NextHop((*OFFERS, "REQUIRETLS"), server_tls("mx1.test"))
        where = zone(*SECURE) if secure else zone()
        where.records[("_25._tcp.mx1.test", "TLSA")] = []
        async with listening(hop), relaying(tmp_path, where, port=hop.port) as relay:
            (outcome,) = await relay.send("a@far.test", require_tls=True, sender="")
            assert isinstance(outcome, Sent)
            assert not hop.messages[0][0].endswith(" REQUIRETLS")


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize(
    ("header", "sent"),
    [
        (b"TLS-Required: No\r\nSubject: x\r\n\r\n", True),
        (b"Subject: x\r\ntls-required:no \r\n\r\nx\r\n", True),
        (b"Subject: x\r\n\r\nTLS-Required: No\r\n", False),
        (b"TLS-Required: Not\r\n\r\n", False),
    ],
)
async def test_a_sender_who_wants_no_policy(
    tmp_path: Path, header: bytes, sent: bool, in_file: bool
) -> None:
    """RFC 8689 §4.3 and §5."""
    async with listening(NextHop()) as hop:
        name = f"_{hop.port}._tcp.mx1.test"
        where = zone(*SECURE, name)
        where.records[(name, "TLSA")] = [tlsa(3, b"x")]
        async with relaying(tmp_path, where, port=hop.port) as relay:
            (outcome,) = await relay.send("a@far.test", message=header, in_file=in_file)
            assert isinstance(outcome, Sent if sent else Deferred), outcome
            if sent:
                assert tls_of(outcome)[1].startswith("opportunistic, TLS-Required: No")


async def test_a_sender_who_wants_no_policy_does_not_overrule_the_settings(tmp_path: Path) -> None:
    """Anybody can write the field, also into mail that an alias passes on."""
    header = b"TLS-Required: No\r\n\r\nx\r\n"
    rule = Rule(tls="require")
    async with (
        listening(NextHop()) as hop,
        relaying(tmp_path, zone(), port=hop.port, default=rule) as relay,
    ):
        (outcome,) = await relay.send("a@far.test", message=header)
        assert isinstance(outcome, Deferred) and "TLS is required" in outcome.text
        assert not hop.messages


def chain_tls(name: str) -> ssl.SSLContext:
    """With the authority's own certificate in the chain, as DANE-TA wants it (RFC 7672 §3.1.2)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert = CA.issue_cert(name)
    with cert.private_key_and_cert_chain_pem.tempfile() as file:
        both = Path(file).read_bytes() + CA.cert_pem.bytes()
    with trustme.Blob(both).tempfile() as file:
        context.load_cert_chain(file)
    return context
