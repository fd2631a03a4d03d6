"""The one way in for all doors: checks what a client shows, and keeps the count of failures."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from mailsuite import sasl
from mailsuite.accounts import AppPasswordRow, DirectoryUnavailable, names
from mailsuite.base.clock import Clock
from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Threads
from mailsuite.sasl.scram import Hash, Verifier
from mailsuite.signin.exchange import Exchange
from mailsuite.signin.model import Client, Outcome, Refused, SignedIn, Why, refused
from mailsuite.signin.provider import NoGuess, TokenMissing, TokenRefused
from mailsuite.signin.settings import Settings
from mailsuite.signin.throttle import Throttle
from mailsuite.tls import bindings_of, certificate_names

if TYPE_CHECKING:
    from mailsuite.signin.tokens import Tokens

log = get_logger("signin")
MAX_NAME = 320  # characters of a name that are kept and logged


class AppPasswords(Protocol):
    """`accounts.AppPasswords`."""

    def find(self, key: str, password: str) -> AppPasswordRow | None: ...
    def verifiers(
        self, key: str, hash: Hash, door: str
    ) -> Sequence[tuple[AppPasswordRow, Verifier]]: ...
    def should_note(self, row: AppPasswordRow, now: float) -> bool: ...
    def note(self, row: AppPasswordRow, peer: str, door: str, now: float) -> None: ...


class Accounts(Protocol):
    """Who has an account and what it signs in with: `accounts.Directory`, or several of them.

    All but `verify` are quick. Each may raise DirectoryUnavailable.
    """

    @property
    def all_have_verifiers(self) -> bool: ...
    @property
    def some_have_secrets(self) -> bool: ...
    @property
    def app_passwords(self) -> AppPasswords: ...
    @property
    def local_domains(self) -> frozenset[str]: ...

    def enabled(self, name: str) -> str | None:
        """The address of an account that may sign in, in the form that it is kept in."""
        ...

    async def verify(self, name: str, password: str) -> str | None:
        """Its address, when the password is right and it is enabled."""
        ...

    def verifier(self, name: str, hash: Hash) -> Verifier | None: ...
    def decoy(self, key: str, hash: Hash) -> Verifier: ...
    def secret(self, name: str) -> str | None: ...


class SignIn:
    """See the room. Used on the event loop."""

    def __init__(
        self,
        accounts: Accounts,
        settings: Settings,
        throttle: Throttle,
        threads: Threads,
        clock: Clock,
        tokens: Tokens | None = None,
    ) -> None:
        """`threads` write down the last use of app passwords. Without `tokens` none are taken."""
        self._tokens = tokens
        self.accounts = accounts
        self.settings = settings
        self.throttle = throttle
        self._threads = threads
        self._clock = clock

    def apply(self, settings: Settings) -> None:
        """Other settings, from now on."""
        self.settings = self.throttle.settings = settings

    # -- what is offered ------------------------------------------------------------------------

    def mechanisms(self, client: Client) -> list[str]:
        """Names to announce, best first."""
        return sasl.mechanisms(self._channel(client))

    def start(self, name: str, client: Client) -> Exchange | None:
        """An exchange by the mechanism `name`, in any case; None where it can't be used now."""
        machine = sasl.start(name, self._channel(client))
        return Exchange(self, client, machine) if machine is not None else None

    def needs_tls(self, name: str, client: Client) -> bool:
        """Whether the mechanism can't be used only because others can read the connection."""
        secured = replace(client, secure=True)
        return not client.secure and name.upper() in self.mechanisms(secured)

    def takes_digests(self, client: Client) -> bool:
        """Some account may sign in there by CRAM-MD5 or APOP."""
        try:
            return self._may_prove(client) and self.accounts.some_have_secrets
        except DirectoryUnavailable:
            return False

    def _may_prove(self, client: Client) -> bool:
        """Mechanisms that show no password need no TLS, but the mail that follows does."""
        return client.secure or client.clear or self.settings.without_tls

    def _channel(self, client: Client) -> sasl.Channel:
        unique = f"<{secrets.token_hex(12)}@{self.settings.hostname}>"
        return sasl.Channel(
            secure=client.secure,
            bindings=bindings_of(client.tls),
            announce_plus=client.door == "imap" or self.settings.scram_plus == "always",
            certificate=self.certified(client) is not None,
            tokens=self._tokens is not None,
            secrets=self.takes_digests(client),
            verifiers=self._may_prove(client) and self._scram(),
            challenge=unique.encode("ascii", "replace"),
        )

    def _scram(self) -> bool:
        if self.settings.scram != "auto":
            return self.settings.scram == "always"
        try:
            return self.accounts.all_have_verifiers
        except DirectoryUnavailable:
            return False

    # -- checking -------------------------------------------------------------------------------

    async def password(self, client: Client, given: sasl.Credentials) -> Outcome:
        """Name and password in the clear (PLAIN, LOGIN, USER and PASS)."""
        return await self._guarded(client, given.authcid, self._password(client, given))

    async def _password(self, client: Client, given: sasl.Credentials) -> Outcome:
        if self.throttle.address_barred(client.peer):
            return self._barred(client, given.authcid)
        if not given.authcid or not given.password:  # nobody's, whatever a list elsewhere says
            return await self.fail(client, given.authcid, given.password)
        name = self._full(given.authcid)
        address = self.accounts.enabled(name)
        row = self.accounts.app_passwords.find(address or "", given.password)
        if address is not None and row is not None and client.door in row.doors:
            return await self._accept(client, address, given.authzid, given.authcid, row)
        async with self.throttle.turn(client.peer):
            barred = self.bar(client, given.authcid)  # meanwhile, by another connection
            if barred is not None:
                return barred
            account = await self.accounts.verify(name, given.password)
            if account is None:
                return await self.fail(client, given.authcid, given.password)
        return await self._accept(client, account, given.authzid, given.authcid, None)

    async def digest(self, client: Client, name: str, fits: Callable[[str], bool]) -> Outcome:
        """A digest over a password that the server knows (APOP); `fits` compares."""
        return await self._guarded(client, name, self._digest(client, name, fits))

    async def _digest(self, client: Client, name: str, fits: Callable[[str], bool]) -> Outcome:
        barred = self.bar(client, name)
        if barred is not None:
            return barred
        secret = self.secret(name)
        if not fits(secret):
            return await self.fail(client, name, None)
        return await self.admit(client, "", name, None, "digest")

    def bar(self, client: Client, name: str) -> Refused | None:
        """The refusal of a client that may not even try."""
        barred = self.throttle.address_barred(client.peer) or self.account_barred(client, name)
        return self._barred(client, name) if barred else None

    def account_barred(self, client: Client, name: str) -> bool:
        """The account's password may not be tried from there."""
        return self.throttle.account_barred(client.peer, self._key(name))

    def bar_address(self, client: Client, name: str) -> Refused | None:
        """The same, where only the address counts: nobody guesses a token or an app password."""
        return self._barred(client, name) if self.throttle.address_barred(client.peer) else None

    def secret(self, name: str) -> str:
        """The password of an account that has opted in; else one that nobody knows."""
        return self.accounts.secret(self._full(name)) or secrets.token_hex(32)

    def verifiers(
        self, client: Client, name: str, hash: Hash
    ) -> list[tuple[AppPasswordRow | None, Verifier]]:
        """What SCRAM may fit: the password where it may be tried, and the app passwords.

        At least one, which may be a decoy. All have the salt and count of the first.
        """
        key, name = self._key(name), self._full(name)
        address = self.accounts.enabled(name)
        found: list[tuple[AppPasswordRow | None, Verifier]] = []
        own = self.accounts.verifier(name, hash)
        if own is not None and not self.throttle.account_barred(client.peer, key):
            found.append((None, own))
        if address is not None:
            found += self.accounts.app_passwords.verifiers(address, hash, client.door)
        if not found:
            return [(None, self.accounts.decoy(key, hash))]
        first = found[0][1]
        return [
            (row, verifier)
            for row, verifier in found
            if (verifier.salt, verifier.iterations) == (first.salt, first.iterations)
        ]

    def certified(self, client: Client) -> str | None:
        """The account that the client's certificate names."""
        for name in certificate_names(client.tls):
            try:
                address = self.accounts.enabled(name)
            except DirectoryUnavailable:
                return None
            if address is not None:
                return address
        return None

    async def token(self, client: Client, wanted: sasl.TokenWanted) -> sasl.Step | Outcome:
        """Whose the bearer token is; a refusal goes to the client before the exchange fails.

        Raises NoGuess where none is made: the client is told so, by the same words.
        """
        assert self._tokens is not None
        barred = self.bar_address(client, wanted.authzid)
        if barred is not None:
            return barred
        if not wanted.token:
            raise TokenMissing
        try:
            name = await self._tokens.account(wanted.token)
            if self.accounts.enabled(name) is None:
                raise TokenRefused(f"{name} has no account here")
        except NoGuess:
            raise
        except TokenRefused as error:
            log.info("token refused", door=client.door, peer=client.peer, why=str(error))
            return wanted.refuse("invalid_token", self._tokens.provider.configuration)
        return await self.admit(client, wanted.authzid, name, None, "token")

    # -- outcomes -------------------------------------------------------------------------------

    async def admit(
        self, client: Client, authzid: str, name: str, row: AppPasswordRow | None, via: str = ""
    ) -> Outcome:
        """The client has shown that it is `name`: sign it in, if the account is enabled still."""
        address = self.accounts.enabled(self._full(name))
        if address is None:
            return await self.fail(client, name, None)
        return await self._accept(client, address, authzid, name, row, via)

    async def _accept(
        self,
        client: Client,
        account: str,
        authzid: str,
        authcid: str,
        row: AppPasswordRow | None,
        via: str = "",
    ) -> Outcome:
        if not sasl.acts_as(authzid, authcid, account):
            self._log(client, authcid, Why.FORBIDDEN)
            return refused(Why.FORBIDDEN)
        await self.throttle.succeeded(client.peer, account)
        if row is not None and self.accounts.app_passwords.should_note(row, self._clock.now()):
            await self._threads.run(
                self.accounts.app_passwords.note, row, client.peer, client.door, self._clock.now()
            )
        via = f"app password {row.name}" if row is not None else via or "password"
        log.info(
            "signed in",
            door=client.door,
            peer=client.peer,
            account=account,
            via=via,
            tls=client.tls is not None,
        )
        return SignedIn(account, via)

    async def fail(self, client: Client, name: str, guess: str | None) -> Refused:
        """Note a failure and log it, in a line that fail2ban can read."""
        self._log(client, name, Why.WRONG)
        wait = await self.throttle.failed(client.peer, self._key(name), guess)
        return refused(Why.WRONG, wait=wait)

    def no_guess(self, client: Client, wanted: sasl.TokenWanted, why: NoGuess) -> sasl.Step:
        """What a client is told that has no token any more, or yet (RFC 7628 §3.2.2)."""
        assert self._tokens is not None
        log.info(why.log, door=client.door, peer=client.peer, name=wanted.authzid[:MAX_NAME])
        return wanted.refuse("invalid_token", self._tokens.provider.configuration)

    def _barred(self, client: Client, name: str) -> Refused:
        self._log(client, name, Why.BANNED)
        return refused(Why.BANNED)

    @staticmethod
    def _log(client: Client, name: str, why: Why) -> None:
        # docs/operations.md has the fail2ban filter for this line.
        log.warning(
            "sign-in failed",
            door=client.door,
            peer=client.peer,
            name=name[:MAX_NAME],
            why=why.value,
        )

    def _key(self, name: str) -> str:
        """The name as failures are counted by, and as SCRAM's salt is made from.

        In the form of addresses whether there is such an account or not: else one that is not there
        would be known by having other salts for other ways to write it.
        """
        name = self._full(name)
        return (names.account_key(name) or name.casefold())[:MAX_NAME]

    def _full(self, name: str) -> str:
        """With a domain: `alice` can only be alice of the one that there is."""
        if not name or "@" in name or len(domains := self.accounts.local_domains) != 1:
            return name
        return f"{name}@{next(iter(domains))}"

    async def _guarded(self, client: Client, name: str, work: Awaitable[Outcome]) -> Outcome:
        try:
            return await work
        except UserError as error:
            # The directory, or the file of bans: the operator's to mend.
            log.error(
                "sign-in not possible", door=client.door, name=name[:MAX_NAME], why=str(error)
            )
            return refused(Why.UNAVAILABLE)
