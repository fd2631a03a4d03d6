"""The schema of the settings: every key with its type, default, bounds and explanation.

One place for all of it: the loader checks against it and takes the words of its errors from it,
`mailsuite config sample` prints it. Values are frozen; a reload makes a new Config.
"""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from mailsuite.config import units, values
from mailsuite.config.directories import Ldap, UsersFile
from mailsuite.config.fetch import Fetch
from mailsuite.config.limits import Limits
from mailsuite.config.listeners import Endpoint, Listener, endpoints, standard_listeners
from mailsuite.config.outgoing import Dns, Relay
from mailsuite.config.pop3 import Pop3
from mailsuite.config.section import Section, extra_of, setting
from mailsuite.config.sign_in import SignIn


class Tls(Section):
    """The certificate that all doors show."""

    certificate: values.FilePath = setting(
        "PEM file with the certificate and, after it, the intermediate ones.",
        "the name of a PEM file",
        example="/etc/mailsuite/tls/fullchain.pem",
        live=True,
    )
    key: values.FilePath = setting(
        "PEM file with its private key, without a passphrase.",
        "the name of a PEM file",
        example="/etc/mailsuite/tls/privkey.pem",
        live=True,
    )


class Imap(Section):
    """What IMAP clients may do."""

    unauthenticate: bool = setting(
        "Sign out and in again, as somebody else perhaps, on one connection (UNAUTHENTICATE)."
        " Turn it off behind a proxy that checks only the first sign-in.",
        "true or false",
        True,
        live=True,
    )


class Quota(Section):
    """What an account may keep, unless `mailsuite user quota` says otherwise for it."""

    storage: values.Size | None = setting(
        "Octets of all its messages. Left away: no limit.",
        'a size such as "5 GB", or a number of octets',
        None,
        example="5 GB",
        live=True,
        ge=1024,
        le=1 << 60,
    )
    messages: int | None = setting(
        "Number of all its messages. Left away: no limit.",
        "a number from 1 to 4000000000",
        None,
        example="100000",
        live=True,
        ge=1,
        le=4_000_000_000,
    )


class Queue(Section):
    """Mail that could not be delivered at once."""

    first_retry: values.Duration = setting(
        "Wait after the first attempt that failed.",
        'a duration from 1s to 1d such as "5m"',
        300.0,
        show=units.format_duration,
        ge=1,
        le=86_400,
    )
    growth: float = setting(
        "Each further wait is so many times longer, give or take a little.",
        "a number from 1 to 10",
        1.6,
        ge=1,
        le=10,
    )
    longest_retry: values.Duration = setting(
        "And never longer than this.",
        'a duration from 1s to 1d such as "4h"',
        14_400.0,
        show=units.format_duration,
        ge=1,
        le=86_400,
    )
    lifetime: values.Duration = setting(
        "After this time without success the sender is told that it failed.",
        'a duration from 1m to 30d such as "5d"',
        432_000.0,
        show=units.format_duration,
        ge=60,
        le=2_592_000,
    )
    delay_notice: values.Duration = setting(
        "A sender is told that a message waits when it has waited so long; 0s: never.",
        'a duration from 0s to 30d such as "4h"',
        14_400.0,
        show=units.format_duration,
        ge=0,
        le=2_592_000,
    )


class History(Section):
    """What `mailsuite why` tells."""

    keep: values.Duration = setting(
        "What became of a message is known for so long.",
        'a duration from 1h to 1000d such as "30d"',
        2_592_000.0,
        show=units.format_duration,
        ge=3600,
        le=86_400_000,
    )


class Log(Section):
    """What is written to standard error."""

    format: Literal["text", "json"] = setting(
        "Lines for people, or JSON for programs.", "text or json", "text", live=True
    )
    level: Literal["debug", "info", "warning", "error"] = setting(
        "The least severity that is written.", "debug, info, warning or error", "info", live=True
    )


class Config(Section):
    """All settings."""

    hostname: values.HostName | None = setting(
        "This server's full name: in greetings, in Received lines, and the name that clients and"
        " other servers reach it by. Left away: the system's own name.",
        "a host name such as mail.example.org",
        None,
        example="mail.example.org",
    )
    data: values.FilePath = setting(
        "Folder of accounts, queue and mailboxes. A relative name starts at the folder of this"
        " file.",
        "the name of a folder",
        Path("/var/lib/mailsuite"),
    )
    user: str | None = setting(
        "User that the server becomes after a start as root, once the ports are bound.",
        "the name of a system user",
        None,
        example="mailsuite",
        min_length=1,
    )
    group: str | None = setting(
        "Its group. Left away: the user's own.",
        "the name of a system group",
        None,
        example="mailsuite",
        min_length=1,
    )
    listeners: Annotated[tuple[Listener, ...], values.ListOf] = setting(
        "Doors to open.",
        "a list of listeners, each with protocol and port",
        standard_listeners(),
        min_length=1,
        max_length=100,
    )
    tls: Tls | None = setting(
        "Certificate and key of this server. Left away: the server makes a certificate of its own,"
        " which clients warn about. Send SIGHUP after a renewal.",
        "a mapping with certificate and key",
        None,
        live=True,
    )
    outbound: Literal["direct", "smarthost", "capture", "allowlist"] = setting(
        "Mail to other domains. direct: to the hosts that the DNS names; smarthost: all of it to"
        " the host in relay.smarthost; capture: it is never sent, but kept in the folder Outbound"
        " of the sender's account; allowlist: only that to relay.allow is sent, the rest is"
        " captured.",
        "direct, smarthost, capture or allowlist",
        "direct",
        live=True,
    )
    relay: Relay = setting("Mail to other hosts.", "a mapping of how mail goes out", Relay())
    fetch: Fetch = setting(
        "Mail collected from other servers.", "a mapping of how it is fetched", Fetch()
    )
    dns: Dns = setting("Questions to the DNS.", "a mapping with nameservers", Dns())
    postmaster: values.MailAddress | None = setting(
        "Who gets mail for postmaster (RFC 5321, section 4.5.1) in domains that have neither such"
        " an address nor a catch-all. Left away: the domain's first user.",
        "an address such as alice@example.org",
        None,
        example="alice@example.org",
    )
    subaddress_separator: values.Separator = setting(
        "Stands between user and subaddress (alice+shop@example.org). An empty text switches"
        " subaddresses off.",
        'one character such as "+", or "" for none',
        "+",
    )
    local_socket: values.FilePath | None = setting(
        "Unix socket where programs of this machine hand in mail without signing in, by `mailsuite"
        " sendmail`. Every user of the machine may use one that is named here; its folder must be"
        " there. Left away: submit.sock in the data folder, for the server's own user and root.",
        "the name of a file",
        None,
        example="/run/mailsuite/submit.sock",
    )
    apparently_fields: bool = setting(
        "Mail of our users without From or To: true adds Apparently-From and Apparently-To, as"
        " mail systems of old did; false adds From, and To: undisclosed-recipients:;. The names of"
        " Bcc recipients are never told.",
        "true or false",
        False,
    )
    limits: Limits = setting("Bounds.", "a mapping of limits", Limits(), live=True)
    quota: Quota = setting("Quota.", "a mapping with storage and messages", Quota(), live=True)
    imap: Imap = setting("IMAP.", "a mapping with unauthenticate", Imap(), live=True)
    pop3: Pop3 = setting("POP3.", "a mapping with expire and login_delay", Pop3(), live=True)
    sign_in: SignIn = setting("Sign-in.", "a mapping of mechanisms and bans", SignIn(), live=True)
    users_file: UsersFile | None = setting(
        "Accounts in a file, beside those of `mailsuite user`. Left away: none.",
        "a mapping with path and domains",
        None,
    )
    ldap: Ldap | None = setting(
        "Accounts in an LDAP directory, beside those of `mailsuite user`. Left away: none.",
        "a mapping with url, base and domains",
        None,
    )
    queue: Queue = setting("Retries.", "a mapping of waits and lifetime", Queue())
    history: History = setting("History.", "a mapping with keep", History())
    log: Log = setting("Log.", "a mapping with format and level", Log(), live=True)

    def endpoints(self) -> list[Endpoint]:
        """Every socket to bind, with a name for each that no other has."""
        return endpoints(self.listeners)


def needs_restart(old: Config, new: Config) -> list[str]:
    """Keys whose change a reload can't put in force, as `section.key`; for the log."""
    return list(_changed(old, new, ""))


def reloaded(old: Config, new: Config) -> Config:
    """The settings in force after a reload: `old`, with what of `new` needs no restart."""
    return old.model_copy(update=_live(old, new))


def _live(old: Section, new: Section) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in type(old).model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        if extra_of(field).get("live"):
            found[name] = after
        elif isinstance(before, Section) and isinstance(after, Section):
            found[name] = before.model_copy(update=_live(before, after))
    return found


def _changed(old: Section, new: Section, prefix: str) -> Iterator[str]:
    for name, field in type(old).model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        if before == after or extra_of(field).get("live"):
            continue
        if isinstance(before, Section) and isinstance(after, Section):
            yield from _changed(before, after, f"{prefix}{name}.")
        else:
            yield prefix + name


def system_hostname() -> str:
    """The name that the system knows itself by; may ask the resolver, so it can block.

    Without a dot in it, it is not fully qualified, and the operator should set `hostname`.
    """
    name = socket.gethostname()
    if "." not in name:
        full = socket.getfqdn(name)
        # Some systems answer with the loopback's name.
        if "." in full and not full.startswith("localhost"):
            name = full
    return name.rstrip(".").lower() or "localhost"
