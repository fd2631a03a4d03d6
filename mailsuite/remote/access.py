"""An account on another server, signed in to as often as one likes.

Promises: an access token is asked for before it is used, and kept as long as it is good; one that
is refused before its time is asked for anew, once. A refresh token that takes another's place is
kept (`keep`) before what came with it is used, also when nobody waits for it any more: the old one
may be void already (RFC 6749 §6).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from mailsuite.base.clock import Clock, SystemClock
from mailsuite.base.tasks import committed
from mailsuite.remote import tokens
from mailsuite.remote.credential import (
    Certificate,
    Credential,
    Password,
    RefreshToken,
    TokenCommand,
    TokenFile,
)
from mailsuite.remote.endpoint import Endpoint
from mailsuite.remote.errors import SignInRefused, TlsFailed
from mailsuite.remote.imap import ImapSession, open_imap
from mailsuite.remote.pop3 import Pop3Session, open_pop3
from mailsuite.sasl import ClientLogin

S = TypeVar("S")
Keep = Callable[[Credential], Awaitable[None]]


class Access:
    """See the module. `credential` is the one to use from now on."""

    def __init__(
        self,
        endpoint: Endpoint,
        credential: Credential,
        *,
        keep: Keep | None = None,
        clock: Clock | None = None,
    ) -> None:
        """
        endpoint  its login has a name only
        keep      called with another credential that takes this one's place
        """
        self.endpoint = endpoint
        self.credential = credential
        self._keep = keep
        self._clock = clock or SystemClock()
        self._token = ""
        self._good_until = 0.0
        self._asking = asyncio.Lock()

    async def imap(self) -> ImapSession:
        """A session, signed in. Raises RemoteError."""
        return await self._opened(open_imap)

    async def pop3(self) -> Pop3Session:
        """The same."""
        return await self._opened(open_pop3)

    async def _opened(self, open_session: Callable[[Endpoint], Awaitable[S]]) -> S:
        kept = self._token
        endpoint = await self._ready()
        try:
            return await open_session(endpoint)
        except SignInRefused:
            if not kept or endpoint.login.token != kept:
                raise
            if self._token == kept:
                self._token = ""  # it may have been revoked: another one
            return await open_session(await self._ready())

    async def _ready(self) -> Endpoint:
        """With what to sign in. Raises RemoteError."""
        name = self.endpoint.login.name
        match self.credential:
            case Password(password):
                login = ClientLogin(name, password)
            case Certificate():
                login = ClientLogin(name, certificate=True)
            case TokenFile() as source:
                login = ClientLogin(name, token=await tokens.from_file(source))
            case TokenCommand() as source:
                login = ClientLogin(name, token=await tokens.from_command(source))
            case RefreshToken():
                login = ClientLogin(name, token=await committed(self._granted()))
        return replace(self.endpoint, login=login)

    async def _granted(self) -> str:
        """Sessions that begin at the same time ask once."""
        async with self._asking:
            if self._token and self._clock.monotonic() < self._good_until:
                return self._token
            assert isinstance(self.credential, RefreshToken)
            begun = self._clock.monotonic()
            tls = await asyncio.to_thread(_context, self.endpoint.ca_file)
            granted = await tokens.refreshed(self.credential, tls)
            if granted.refresh != self.credential:
                self.credential = granted.refresh
                if self._keep is not None:
                    await self._keep(granted.refresh)
            self._token = granted.token
            self._good_until = begun + max(granted.seconds - tokens.EARLY, 0.0)
            return self._token


def _context(ca_file: str) -> ssl.SSLContext:
    """The provider's authority may be the house's own, as the mail server's."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            why = error.strerror or error
            raise TlsFailed(f"{ca_file}: no certificates can be read there: {why}") from error
    return context
