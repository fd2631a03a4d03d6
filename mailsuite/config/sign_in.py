"""The part of the schema that is about signing in: mechanisms, bans, an OpenID provider."""

from collections.abc import Iterator
from typing import Annotated, Literal

from mailsuite.config import units, values
from mailsuite.config.section import Section, setting


class OpenId(Section):
    """An OpenID provider whose access tokens sign in (OAUTHBEARER, XOAUTH2)."""

    issuer: values.WebAddress = setting(
        "The provider, as its tokens name it (iss). Clients are told to ask there for a token.",
        "an address such as https://id.example.org",
        example="https://id.example.org",
    )
    introspection: values.WebAddress | None = setting(
        "Where tokens are checked one by one (RFC 7662).",
        "an address such as https://id.example.org/introspect",
        None,
        example="https://id.example.org/oauth2/introspect",
    )
    jwks: values.WebAddress | None = setting(
        "Where the keys are that the provider signs its tokens with. Tokens that are JWTs are"
        " then checked here, and only others by introspection.",
        "an address such as https://id.example.org/jwks",
        None,
        example="https://id.example.org/oauth2/jwks",
    )
    client_id: str | None = setting(
        "Our name at the introspection endpoint.",
        "a name",
        None,
        example="mailsuite",
        min_length=1,
        max_length=200,
    )
    client_secret: values.FilePath | None = setting(
        "File with the password to that name, readable by the server's user only.",
        "the name of a file",
        None,
        example="/etc/mailsuite/openid-secret",
    )
    audience: str | None = setting(
        "Tokens must be meant for it (aud). Left away: for whomever, which is safe only with a"
        " provider that serves nobody else.",
        "a name",
        None,
        example="mailsuite",
        min_length=1,
        max_length=200,
    )
    claim: str = setting(
        "What in a token is the account's address.",
        "the name of a claim such as email",
        "email",
        example="email",
        min_length=1,
        max_length=100,
    )


class SignIn(Section):
    """How users show who they are, and what stops those who guess."""

    scram: Literal["auto", "always", "never"] = setting(
        "SCRAM is announced; auto: as soon as it works for every account (its password was set, or"
        " used once, since there is SCRAM here).",
        "auto, always or never",
        "auto",
        live=True,
    )
    scram_plus: Literal["imap", "always"] = setting(
        "Where SCRAM with channel binding (SCRAM-SHA-256-PLUS and SCRAM-SHA-1-PLUS) is announced;"
        " imap: by IMAP only, since mutt and neomutt, by SMTP and POP3, begin it wherever they see"
        " it, can't do it, and give up. It is taken everywhere, also where it is not announced.",
        "imap or always",
        "imap",
        live=True,
    )
    without_tls: bool = setting(
        "SCRAM, CRAM-MD5 and APOP also without TLS. They show no password, but the mail that"
        " follows can be read by others.",
        "true or false",
        False,
        live=True,
    )
    first_delay: values.Duration = setting(
        "A failed sign-in is answered after this time; each further one takes twice as long.",
        'a duration from 0s to 1m such as "1s"',
        1.0,
        live=True,
        show=units.format_duration,
        ge=0,
        le=60,
    )
    longest_delay: values.Duration = setting(
        "But no longer than this.",
        'a duration from 0s to 5m such as "15s"',
        15.0,
        live=True,
        show=units.format_duration,
        ge=0,
        le=300,
    )
    window: values.Duration = setting(
        "Failures within this time count together.",
        'a duration from 1m to 1d such as "10m"',
        600.0,
        live=True,
        show=units.format_duration,
        ge=60,
        le=86_400,
    )
    address_failures: int = setting(
        "Failures from one address (IPv6: one /64 network) after which it is banned. The same wrong"
        " password again counts once.",
        "a number from 1 to 1000000",
        10,
        live=True,
        ge=1,
        le=1_000_000,
    )
    account_failures: int = setting(
        "Failures of one account after which it is closed to addresses that it was not used from.",
        "a number from 1 to 1000000",
        50,
        live=True,
        ge=1,
        le=1_000_000,
    )
    ban: values.Duration = setting(
        "Length of the first ban; each further one within a day is twice as long.",
        'a duration from 10s to 1d such as "10m"',
        600.0,
        live=True,
        show=units.format_duration,
        ge=10,
        le=86_400,
    )
    longest_ban: values.Duration = setting(
        "But no longer than this.",
        'a duration from 10s to 365d such as "1d"',
        86_400.0,
        live=True,
        show=units.format_duration,
        ge=10,
        le=31_536_000,
    )
    known_for: values.Duration = setting(
        "An address that an account was used from counts as its own for so long.",
        'a duration from 1h to 365d such as "30d"',
        2_592_000.0,
        live=True,
        show=units.format_duration,
        ge=3600,
        le=31_536_000,
    )
    never_ban: Annotated[tuple[values.Network, ...], values.OneOrMore] = setting(
        "Addresses and networks that are never banned. Do not put the gateway of a container"
        " network here: every client may seem to come from there.",
        'an address or a network such as "192.0.2.0/24", or a list of them',
        ("127.0.0.0/8", "::1/128"),
        live=True,
        max_length=100,
    )
    openid: OpenId | None = setting(
        "Tokens of an OpenID provider sign in. Left away: none do.",
        "a mapping with issuer, and introspection or jwks",
        None,
    )


def contradictions(sign_in: SignIn) -> Iterator[tuple[str, str]]:
    """What the keys say against each other: which, below sign_in, and in words."""
    if sign_in.longest_delay < sign_in.first_delay:
        yield "longest_delay", "shorter than sign_in.first_delay, expected at least that"
    if sign_in.longest_ban < sign_in.ban:
        yield "longest_ban", "shorter than sign_in.ban, expected at least that"
    openid = sign_in.openid
    if openid is None:
        return
    if openid.introspection is None and openid.jwks is None:
        yield "openid", "no way to check a token, expected introspection or jwks"
    if openid.introspection is not None and None in (openid.client_id, openid.client_secret):
        yield "openid", "introspection needs our name there, expected client_id and client_secret"
