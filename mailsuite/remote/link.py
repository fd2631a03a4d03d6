"""A connection to another server: opened, put under TLS, read with a time-out.

Promises: a certificate is checked by OpenSSL, the host's name with it; TLS 1.2 or newer; every wait
ends. What goes wrong is a `RemoteError` in words for the operator.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from mailsuite.net import Connection, connect
from mailsuite.remote.endpoint import Endpoint
from mailsuite.remote.errors import RemoteError, TlsFailed, Unreachable
from mailsuite.remote.steps import Compute, Handshake, Receive, Send, Step

T = TypeVar("T")
CONNECT_WAIT = 30.0  # seconds
ANSWER_WAIT = 300.0


class Link:
    """See the module. Made by `open_link`."""

    def __init__(self, endpoint: Endpoint, connection: Connection, tls: ssl.SSLContext) -> None:
        self._endpoint = endpoint
        self._connection = connection
        self._tls = tls

    @property
    def is_secure(self) -> bool:
        """A password may be said: under TLS, or where nobody can listen."""
        return self._connection.tls or self._endpoint.is_loopback

    @property
    def is_tls(self) -> bool:
        """It is under TLS."""
        return self._connection.tls

    def bindings(self) -> dict[str, bytes]:
        """Channel binding data by type: tls-server-end-point (RFC 5929 §4), where it is defined."""
        session = self._connection.ssl_object
        der = None if session is None else session.getpeercert(binary_form=True)
        if not der:
            return {}
        try:
            algorithm = x509.load_der_x509_certificate(der).signature_hash_algorithm
        except (ValueError, UnsupportedAlgorithm):
            algorithm = None
        if algorithm is None:
            return {}
        name = "sha256" if algorithm.name in ("md5", "sha1") else algorithm.name
        return {"tls-server-end-point": hashlib.new(name, der).digest()}

    async def read(self, wait: float = ANSWER_WAIT) -> bytes:
        """What comes next, at least one octet. Raises Unreachable."""
        try:
            async with asyncio.timeout(wait):
                data = await self._connection.read()
        except TimeoutError:
            raise Unreachable(f"{self._name}: no answer for {wait:.0f} s") from None
        if not data:
            raise Unreachable(f"{self._name}: the server closed the connection")
        return data

    async def write(self, octets: bytes) -> None:
        """Send. Raises Unreachable."""
        self._connection.write(octets)
        try:
            async with asyncio.timeout(ANSWER_WAIT):
                await self._connection.drain()
        except (TimeoutError, ConnectionError) as error:
            raise Unreachable(f"{self._name}: the connection was lost") from error

    async def start_tls(self) -> None:
        """Go over to TLS, which the server has agreed to. Raises TlsFailed."""
        try:
            await self._connection.begin_tls(self._tls, self._endpoint.host, CONNECT_WAIT)
        except OSError as error:
            raise _failure(self._endpoint, error) from error

    async def carry_out(
        self,
        steps: Generator[Step, Any, T],
        receive: Callable[[], Awaitable[object]],
        forget: Callable[[], None],
    ) -> T:
        """Do what a dialogue says, until its result. Raises RemoteError.

        receive  the next response
        forget   what was received before TLS counts for nothing
        """
        result: object = None
        while True:
            try:
                step = steps.send(result)
            except StopIteration as end:
                found: T = end.value
                return found
            result = None
            match step:
                case Send(octets):
                    await self.write(octets)
                case Receive():
                    result = await receive()
                case Handshake():
                    forget()
                    await self.start_tls()
                case Compute(call):
                    result = await asyncio.to_thread(call)

    def close(self) -> None:
        """Send what is to be sent, and hang up."""
        self._connection.close()

    def abort(self) -> None:
        """Hang up at once."""
        self._connection.abort()

    @property
    def _name(self) -> str:
        return f"{self._endpoint.host}:{self._endpoint.port}"


async def open_link(endpoint: Endpoint) -> Link:
    """Connect. Raises Unreachable, TlsFailed."""
    context = await asyncio.to_thread(_context, endpoint)
    implicit = endpoint.tls == "implicit"
    try:
        connection = await connect(
            endpoint.host,
            endpoint.port,
            timeout=CONNECT_WAIT,
            tls=context if implicit else None,
            name=endpoint.host,
        )
    except (OSError, UnicodeError) as error:
        raise _failure(endpoint, error) from error
    return Link(endpoint, connection, context)


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=endpoint.ca_file or None)
    except OSError as error:
        why = error.strerror or error
        raise TlsFailed(f"{endpoint.ca_file}: no certificates can be read there: {why}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if endpoint.certificate:
        _show(context, endpoint.certificate, endpoint.key)
    return context


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """The certificate to sign in with. Raises TlsFailed."""

    def locked() -> str:
        raise TlsFailed(f"{key or certificate}: the key is locked by a passphrase")

    try:
        context.load_cert_chain(certificate, key or None, password=locked)
    except ssl.SSLError as error:
        files = f"{certificate}, {key}" if key else certificate
        why = "no certificate with its key" if error.reason is None else error.reason
        raise TlsFailed(f"{files}: can't be used as certificate and key: {why}") from error
    except OSError as error:
        # OpenSSL does not say which of the two.
        missing = [name for name in (certificate, key) if name and not os.access(name, os.R_OK)]
        name = missing[0] if missing else certificate
        raise TlsFailed(f"{name}: {error.strerror or error}") from error


def _failure(endpoint: Endpoint, error: Exception) -> RemoteError:
    where = f"{endpoint.host}:{endpoint.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsFailed(f"the certificate of {where} is not valid: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return TlsFailed(f"{where}: no TLS: {error.reason or error}")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{where}: no answer")
    if isinstance(error, UnicodeError):
        return Unreachable(f"{where}: no host has such a name")
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Unreachable(f"can't connect to {where}: {text}")
