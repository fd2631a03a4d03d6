"""The sign-in room, built from the settings."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from mailsuite.accounts import Directory
from mailsuite.accounts.ldap import Ldap, LdapSettings
from mailsuite.accounts.mirror import Mirror
from mailsuite.accounts.several import Directories
from mailsuite.accounts.users_file import UsersFile
from mailsuite.base.clock import Clock
from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Threads
from mailsuite.config import Config
from mailsuite.signin import Provider, Settings
from mailsuite.vault import Vault

if TYPE_CHECKING:
    from mailsuite.signin.tokens import Tokens

log = get_logger("app")
MAX_SECRET = 4096  # octets
FILE_THREADS = 2


def settings(config: Config, hostname: str) -> Settings:
    """What the room is told."""
    chosen = config.sign_in
    return Settings(
        hostname=hostname,
        scram=chosen.scram,
        scram_plus=chosen.scram_plus,
        without_tls=chosen.without_tls,
        first_delay=chosen.first_delay,
        longest_delay=chosen.longest_delay,
        window=chosen.window,
        address_failures=chosen.address_failures,
        account_failures=chosen.account_failures,
        ban=chosen.ban,
        longest_ban=chosen.longest_ban,
        known_for=chosen.known_for,
        never_ban=tuple(ip_network(each) for each in chosen.never_ban),
    )


def directories(
    config: Config, own: Directory, threads: Callable[[str, int], Threads]
) -> Directories:
    """The built-in directory, and those of the settings. Raises UserError. Blocks on the disk.

    `threads` makes a pool by name and size.
    """
    others: list[Mirror] = []
    if (file := config.users_file) is not None:
        pool = threads("users file", FILE_THREADS)
        others.append(UsersFile(file.path, file.domains, pool))
    if (ldap := config.ldap) is not None:
        settings = LdapSettings(
            url=ldap.url,
            base=ldap.base,
            starttls=ldap.starttls,
            ca=ldap.ca,
            user=ldap.user or "",
            password=_secret(ldap.password) if ldap.password else "",
            filter=ldap.filter,
            address=ldap.address,
            timeout=ldap.timeout,
            refresh=ldap.refresh,
        )
        others.append(Ldap(settings, ldap.domains, threads("ldap", ldap.connections)))
    return Directories(own, others)


def tell_lost(vault: Vault, directory: Directory) -> None:
    """Make the server's key if there is none yet, and tell what it does not open. Blocks.

    Mail is taken and delivered without it, so that is no reason not to start.
    """
    try:
        vault.load()
        lost = directory.lost()
    except UserError as error:
        log.error(
            "there is no key for secrets",
            why=str(error),
            remedy="put the file back from a backup: nobody can sign in until then",
        )
        return
    if lost:
        log.error(
            "the key for secrets is another one than it was",
            file=str(vault.path),
            lost=str(lost),
            remedy="stop the server and put the file back from a backup; else make app passwords"
            " anew, and set the passwords of fetched accounts and of those with CRAM-MD5 anew",
        )


def tokens(config: Config, clock: Clock) -> Tokens | None:
    """Who tells whose a token is. Blocks on the disk. Raises UserError that names the file."""
    chosen = config.sign_in.openid
    if chosen is None:
        return None
    provider = Provider(
        issuer=chosen.issuer,
        jwks=chosen.jwks,
        introspection=chosen.introspection,
        client_id=chosen.client_id or "",
        client_secret=_secret(chosen.client_secret) if chosen.client_secret else "",
        audience=chosen.audience,
        claim=chosen.claim,
    )
    from mailsuite.signin.tokens import Tokens

    return Tokens(provider, clock, ssl.create_default_context())


def _secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_SECRET + 1)
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror} (expected sign_in.openid.client_secret)"
        ) from error
    try:
        text = octets.decode().strip()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (expected a password)") from error
    if not text or len(octets) > MAX_SECRET or "\n" in text:
        raise UserError(f"{path}: expected a password on one line")
    return text
