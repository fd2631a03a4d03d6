"""The part of the schema that is about accounts kept elsewhere: a file, an LDAP directory."""

from typing import Annotated

from mailsuite.config import units, values
from mailsuite.config.section import Section, setting

_DOMAINS = "a domain such as example.org, or a list of them"


class UsersFile(Section):
    """Accounts in a file, beside those of `mailsuite user`."""

    path: values.FilePath = setting(
        "File with address:hash on each line; `mailsuite user hash` makes the hash. A change is in"
        " force within seconds.",
        "the name of a file",
        example="/etc/mailsuite/users",
    )
    domains: Annotated[tuple[values.HostName, ...], values.OneOrMore] = setting(
        "Domains of these accounts. Their mail is ours, also while the file can't be read.",
        _DOMAINS,
        example="[example.org]",
        min_length=1,
        max_length=1000,
    )


class Ldap(Section):
    """Accounts in an LDAP directory, beside those of `mailsuite user`."""

    url: values.LdapAddress = setting(
        "Its address. Without TLS it must be this machine.",
        "an address such as ldaps://ldap.example.org",
        example="ldaps://ldap.example.org",
    )
    starttls: bool = setting("TLS on an ldap:// address.", "true or false", False, example="false")
    ca: values.FilePath | None = setting(
        "PEM file with the authorities that its certificate may be of. Left away: the system's.",
        "the name of a PEM file",
        None,
        example="/etc/mailsuite/ldap-ca.pem",
    )
    domains: Annotated[tuple[values.HostName, ...], values.OneOrMore] = setting(
        "Domains of these accounts. Their mail is ours, also while the directory can't be reached.",
        _DOMAINS,
        example="[example.org]",
        min_length=1,
        max_length=1000,
    )
    base: str = setting(
        "Where accounts are searched for.",
        "a name such as ou=people,dc=example,dc=org",
        example='"ou=people,dc=example,dc=org"',
        min_length=1,
    )
    filter: str = setting(
        "Which entries are accounts.",
        "a filter such as (objectClass=inetOrgPerson)",
        "(mail=*)",
        example='"(&(objectClass=inetOrgPerson)(mail=*))"',
        min_length=1,
    )
    address: str = setting(
        "Attribute with the account's one address.",
        "the name of an attribute such as mail",
        "mail",
        example="mail",
        min_length=1,
    )
    user: str | None = setting(
        "Who searches. Left away: nobody in particular (anonymous).",
        "a name such as cn=mail,dc=example,dc=org",
        None,
        example='"cn=mail,dc=example,dc=org"',
        min_length=1,
    )
    password: values.FilePath | None = setting(
        "File with its password, readable by the server's user only.",
        "the name of a file",
        None,
        example="/etc/mailsuite/ldap-password",
    )
    refresh: values.Duration = setting(
        "Accounts are searched for again after this time; new ones get mail then.",
        'a duration from 1s to 1d such as "1m"',
        60.0,
        example="1m",
        show=units.format_duration,
        ge=1,
        le=86_400,
    )
    timeout: values.Duration = setting(
        "How long it may take to answer.",
        'a duration from 1s to 1m such as "5s"',
        5.0,
        example="5s",
        show=units.format_duration,
        ge=1,
        le=60,
    )
    connections: int = setting(
        "Connections to it at once.", "a number from 1 to 100", 4, example="4", ge=1, le=100
    )
