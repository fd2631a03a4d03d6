"""The part of the schema that is about mail to other hosts: relay and DNS."""

from typing import Annotated, Literal

from mailsuite.config import values
from mailsuite.config.section import Section, setting

TlsLevel = Annotated[Literal["off", "opportunistic", "require", "verify"], values.Off]
TLS_WORDS = (
    "opportunistic: TLS where it is offered and works; require: TLS or not at all, whoever holds"
    " the certificate; verify: and the certificate must be valid for the host's name; off: never."
)


class Dns(Section):
    """Whom to ask."""

    nameservers: Annotated[tuple[values.Nameserver, ...], values.OneOrMore] = setting(
        "Resolvers. Left empty: those of /etc/resolv.conf.",
        'an IP address such as "127.0.0.1" or "127.0.0.1:5353", or a list of them',
        (),
        max_length=10,
    )
    validating: bool | None = setting(
        "They check DNSSEC, and the way to them is safe: what DANE needs. Left away: so it is taken"
        " to be where all of them are on this machine.",
        "true or false",
        None,
        example="true",
    )


class Smarthost(Section):
    """A host that takes mail for other domains."""

    host: values.HostOrAddress = setting(
        "Its name, or its IP address.",
        "a host name or an IP address",
        example="smtp.example.net",
    )
    port: int = setting("Its port.", "a number from 1 to 65535", 587, example="587", ge=1, le=65535)
    tls: Annotated[Literal["implicit", "off", "opportunistic", "require", "verify"], values.Off] = (
        setting(
            "implicit: TLS from the first octet, and as verify. The others: STARTTLS. " + TLS_WORDS,
            "implicit, verify, require, opportunistic or off",
            "verify",
            example="verify",
        )
    )
    protocol: Literal["smtp", "lmtp"] = setting(
        "What it speaks.", "smtp or lmtp", "smtp", example="smtp"
    )


class Destination(Section):
    """Some domains whose mail goes another way."""

    domains: Annotated[tuple[values.DomainPattern, ...], values.OneOrMore] = setting(
        'Names; ".example.org" is every domain below example.org.',
        'a domain such as example.org or ".example.org", or a list of them',
        min_length=1,
        max_length=1000,
    )
    smarthost: Smarthost | None = setting(
        "The host for them. Left away: by the DNS.", "a mapping with host", None
    )
    tls: TlsLevel = setting(TLS_WORDS, "off, opportunistic, require or verify", "opportunistic")


class OnDemand(Section):
    """Domains whose mail a host fetches here."""

    account: values.MailAddress = setting(
        "The account that the host signs in with.", "an address such as branch@example.org"
    )
    domains: Annotated[tuple[values.DomainPattern, ...], values.OneOrMore] = setting(
        'Names; ".example.org" is every domain below example.org.',
        'a domain such as example.org or ".example.org", or a list of them',
        min_length=1,
        max_length=1000,
    )
    held: bool = setting(
        "Their mail waits for the host, at most for queue.lifetime; false: it is also sent by the"
        " DNS as other mail is.",
        "true or false",
        True,
    )


class Relay(Section):
    """How mail goes out."""

    smarthost: Smarthost | None = setting(
        "The host for all mail to other domains, with `outbound: smarthost`; with allowlist for"
        " what is sent.",
        "a mapping with host",
        None,
        live=True,
    )
    credentials: values.FilePath | None = setting(
        "File with the passwords for smarthosts, a line each: host (or host:port), user name,"
        " password. Only the server's user may read it (chmod 600).",
        "the name of a file",
        None,
        example="/etc/mailsuite/relay-credentials",
        live=True,
    )
    allow: Annotated[tuple[values.AddressPattern, ...], values.OneOrMore] = setting(
        "With `outbound: allowlist`: domains and addresses that mail is sent to.",
        'a domain, ".example.org" for those below it, or an address; or a list of them',
        (),
        max_length=10_000,
        live=True,
    )
    tls: TlsLevel = setting(
        "For hosts that the DNS names; DANE and MTA-STS ask for more where they are found. "
        + TLS_WORDS,
        "off, opportunistic, require or verify",
        "opportunistic",
        live=True,
    )
    destinations: Annotated[tuple[Destination, ...], values.ListOf] = setting(
        "Domains whose mail goes another way, such as"
        " {domains: partner.example, tls: verify} or"
        " {domains: [branch.example, .branch.example], smarthost: {host: 10.0.0.25, port: 25,"
        " tls: require}}.",
        "a list of mappings with domains, and smarthost or tls",
        (),
        max_length=1000,
        live=True,
    )
    etrn: Annotated[tuple[values.DomainPattern, ...], values.OneOrMore] = setting(
        "Domains whose hosts are not always there, and may ask by ETRN that their mail be sent.",
        'a domain such as example.org, or ".example.org" for those below it; or a list of them',
        (),
        live=True,
        max_length=1000,
    )
    atrn: Annotated[tuple[OnDemand, ...], values.ListOf] = setting(
        "Domains whose hosts fetch their mail here (ATRN, TURN): they sign in as an account, and"
        " mail for these domains is taken from anybody. Such as"
        " {account: branch@example.org, domains: [branch.example, .branch.example]}; held: false"
        " has it sent by the DNS as well, and not wait for the host only.",
        "a list of mappings with account and domains",
        (),
        live=True,
        max_length=1000,
    )
    dane: bool = setting(
        "Look for TLSA records (RFC 7672); works with a validating resolver only.",
        "true or false",
        True,
        live=True,
    )
    mta_sts: bool = setting(
        "Look for MTA-STS policies (RFC 8461).", "true or false", True, live=True
    )
    dkim: bool = setting(
        "Sign mail of our own domains (RFC 6376). `mailsuite domain records` shows what the DNS"
        " must have for it.",
        "true or false",
        True,
        live=True,
    )
    ca_file: values.FilePath | None = setting(
        "PEM file with the certificate authorities to believe. Left away: the system's.",
        "the name of a PEM file",
        None,
        example="/etc/ssl/certs/ca-certificates.crt",
        live=True,
    )
    port: int = setting(
        "Where the hosts that the DNS names are spoken to.",
        "a number from 1 to 65535",
        25,
        ge=1,
        le=65535,
        live=True,
    )
    connections: int = setting(
        "Messages on their way out at once.", "a number from 1 to 10000", 200, ge=1, le=10_000
    )
    connections_per_destination: int = setting(
        "The same to one domain or smarthost.", "a number from 1 to 1000", 10, ge=1, le=1000
    )
