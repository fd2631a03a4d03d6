"""Pure. SASL mechanisms, client side: what to answer a server that asks who we are.

The interface that everything which signs in elsewhere uses (relay, fetch):

    exchange = choose(offered, Login("alice", "secret"), secure=connection.tls)
    # None: the server offers no mechanism that is known here and safe on this connection
    # send exchange.mechanism, with exchange.initial where it is not None (b"" is `=`)
    # to each challenge, decoded from base64, send what exchange.answer(challenge) gives;
    # None: give up with `*` (the server has not shown that it knows the password, say)
    # when the server says that we are signed in, believe it only if exchange.complete

With a `token` in the Login it is OAUTHBEARER or XOAUTH2, with `certificate` EXTERNAL, with a
password PLAIN, LOGIN, CRAM-MD5 or SCRAM. Encoding to base64 and back is `sasl.encode` and
`sasl.decode`. Nothing here waits or knows sockets, but `answer` may compute for a tenth of a second
(SCRAM): call it in a thread where other work must go on. Never sends a password in the clear where
the connection is not `secure`.
"""

import hmac
import re
import secrets
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mailsuite.sasl import scram
from mailsuite.sasl.saslprep import saslprep


@dataclass(frozen=True, slots=True)
class Login:
    """A name and its password, or an access token; no log shows either.

    certificate  neither: the TLS session shows a certificate that says who it is
    """

    name: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    certificate: bool = False

    @property
    def means(self) -> str:
        """What it signs in with, in words."""
        return "token" if self.token else "certificate" if self.certificate else "password"


class ClientExchange(Protocol):
    """One exchange, good for one try.

    mechanism  its name
    initial    what goes with the command, before the first challenge; None: nothing does
    complete   the server has shown what the mechanism wants it to show
    """

    @property
    def mechanism(self) -> str: ...
    @property
    def initial(self) -> bytes | None: ...
    @property
    def complete(self) -> bool: ...

    def answer(self, challenge: bytes) -> bytes | None:
        """The octets to answer with; None: the exchange can't go on. Never raises."""
        ...


class Plain:
    """RFC 4616: all in one message."""

    __slots__ = ("initial",)
    mechanism = "PLAIN"
    complete = True

    def __init__(self, login: Login) -> None:
        self.initial = b"\0%s\0%s" % (login.name.encode(), login.password.encode())

    def answer(self, challenge: bytes) -> bytes | None:
        """A server that has taken the initial response asks nothing."""
        return None


class LoginExchange:
    """The LOGIN mechanism: waits to be asked, twice."""

    __slots__ = ("_answers",)
    mechanism = "LOGIN"
    initial = None
    complete = True

    def __init__(self, login: Login) -> None:
        self._answers = [login.name.encode(), login.password.encode()]

    def answer(self, challenge: bytes) -> bytes | None:
        """The name, then the password."""
        return self._answers.pop(0) if self._answers else None


class CramMd5:
    """RFC 2195: the server's words, signed with the password."""

    __slots__ = ("_login", "complete")
    mechanism = "CRAM-MD5"
    initial = None

    def __init__(self, login: Login) -> None:
        self._login = login
        self.complete = False

    def answer(self, challenge: bytes) -> bytes | None:
        """Name and digest."""
        if self.complete or not challenge:
            return None
        self.complete = True
        digest = hmac.new(self._login.password.encode(), challenge, "md5").hexdigest()
        return self._login.name.encode() + b" " + digest.encode()


class External:
    """RFC 4422 appendix A: the certificate has said it; the name is whom to act as."""

    __slots__ = ("initial",)
    mechanism = "EXTERNAL"
    complete = True

    def __init__(self, login: Login) -> None:
        self.initial = login.name.encode()

    def answer(self, challenge: bytes) -> bytes | None:
        """A server that has taken the initial response asks nothing."""
        return None


class Bearer:
    """OAUTHBEARER (RFC 7628) or XOAUTH2: a token in one message.

    reason  what the server said of a token that it refused (JSON), "" until then
    """

    __slots__ = ("initial", "mechanism", "reason")
    complete = True

    def __init__(self, mechanism: str, login: Login) -> None:
        self.mechanism = mechanism
        self.reason = ""
        if mechanism == "XOAUTH2":
            message = f"user={login.name}\x01auth=Bearer {login.token}\x01\x01"
        else:
            message = f"n,a={scram.escape(login.name)},\x01auth=Bearer {login.token}\x01\x01"
        self.initial = message.encode()

    def answer(self, challenge: bytes) -> bytes | None:
        """An error's text is acknowledged (RFC 7628 §3.2.3); then the server says no."""
        if self.reason or not challenge:
            return None
        self.reason = challenge.decode("utf-8", "replace")
        return b"" if self.mechanism == "XOAUTH2" else b"\x01"


class Scram:
    """SCRAM (RFC 5802, RFC 7677), with channel binding in the -PLUS variants.

    The name and the password are prepared by SASLprep; ValueError where that prohibits them.
    """

    __slots__ = ("_bare", "_binding", "_first", "_hash", "_login", "_signature", "complete", "name")

    def __init__(
        self,
        hash: scram.Hash,
        login: Login,
        *,
        binding: tuple[str, bytes] | None = None,
        unused: bool = False,
        nonce: str | None = None,
    ) -> None:
        """`binding` is type and data, for -PLUS. `unused`: there is one, but the server has no use
        for it. `nonce` is our part of it.
        """
        flag = f"p={binding[0]}" if binding else "y" if unused else "n"
        self._hash = hash
        self._login = login
        self._binding = f"{flag},,".encode() + (binding[1] if binding else b"")
        self._first = nonce or secrets.token_urlsafe(24)
        self._bare = f"n={scram.escape(login.name)},r={self._first}"
        self._signature = b""
        self.name = hash.mechanism + ("-PLUS" if binding else "")
        self.complete = False
        saslprep(login.password)

    @property
    def mechanism(self) -> str:
        """Its name."""
        return self.name

    @property
    def initial(self) -> bytes:
        """client-first-message."""
        return self._binding.partition(b",,")[0] + b",," + self._bare.encode()

    def answer(self, challenge: bytes) -> bytes | None:
        """The proof; then, if the server's own proof is right, an empty line."""
        try:
            text = challenge.decode()
            if not self._signature:
                return self._prove(text)
            name, signature = scram.attributes(text)[0]  # e: the server tells why it refuses
            given = scram.decode64(signature) if name == "v" else b""
        except ValueError:
            return None
        if self.complete or not hmac.compare_digest(given, self._signature):
            return None
        self.complete = True
        return b""

    def _prove(self, server_first: str) -> bytes:
        """client-final-message. Raises ValueError where the server's makes no sense."""
        pairs = scram.attributes(server_first)
        if [name for name, _ in pairs[:3]] != ["r", "s", "i"]:
            raise ValueError("expected nonce, salt and iteration count")
        nonce, salt, count = pairs[0][1], scram.decode64(pairs[1][1]), pairs[2][1]
        if not nonce.startswith(self._first) or len(nonce) <= len(self._first):
            raise ValueError("the server has not added to the nonce")
        if not scram.is_nonce(nonce):
            raise ValueError("characters that are not allowed in a nonce")
        if not re.fullmatch("[1-9][0-9]{0,8}", count):  # posit-number (RFC 5802 §7)
            raise ValueError("no iteration count")
        if not scram.MIN_ITERATIONS <= int(count) <= scram.MAX_ITERATIONS:
            raise ValueError("too small or too large an iteration count")
        salted = scram.salt_password(self._hash, self._login.password, salt, int(count))
        client_key = scram.keyed(self._hash, salted, b"Client Key")
        bare = f"c={b64encode(self._binding).decode()},r={nonce}"
        signed = f"{self._bare},{server_first},{bare}".encode()
        stored_key = scram.digest(self._hash, client_key)
        proof = scram.xor(client_key, scram.keyed(self._hash, stored_key, signed))
        server_key = scram.keyed(self._hash, salted, b"Server Key")
        self._signature = scram.keyed(self._hash, server_key, signed)
        return f"{bare},p={b64encode(proof).decode()}".encode()


def choose(
    offered: Iterable[str],
    login: Login,
    *,
    secure: bool,
    bindings: Mapping[str, bytes] | None = None,
    without: Iterable[str] = (),
) -> ClientExchange | None:
    """An exchange by the best mechanism that both sides know, or None.

    offered   as the server named them, in any case
    secure    nobody else can read the connection: PLAIN, LOGIN and tokens may be used
    bindings  channel binding data by type, best first, where they are known
    without   mechanisms that have failed already: servers offer SCRAM also to accounts of which
              they know no verifier
    """
    offered = {name.upper() for name in offered}
    known = offered - {name.upper() for name in without}
    if login.token:
        names = [name for name in ("OAUTHBEARER", "XOAUTH2") if name in known and secure]
        return Bearer(names[0], login) if names else None
    if login.certificate:
        return External(login) if "EXTERNAL" in known and secure else None
    plus = any(hash.mechanism + "-PLUS" in offered for hash in scram.HASHES)
    found = _scram(known, login, bindings or {}, plus)
    if found is not None:
        return found
    if secure and "PLAIN" in known:
        return Plain(login)
    if secure and "LOGIN" in known:
        return LoginExchange(login)
    return CramMd5(login) if "CRAM-MD5" in known else None


def _scram(
    known: set[str], login: Login, bindings: Mapping[str, bytes], plus: bool
) -> ClientExchange | None:
    """`plus`: the server has offered to bind the channel, whether that has failed since or not."""
    try:
        for hash in scram.HASHES:
            if bindings and hash.mechanism + "-PLUS" in known:
                return Scram(hash, login, binding=next(iter(bindings.items())))
        for hash in scram.HASHES:
            # Who can bind the channel to a server that can must not do without (RFC 5802 §6). "y"
            # tells the server that it seemed to us to have no -PLUS.
            if hash.mechanism in known and not (bindings and plus):
                return Scram(hash, login, unused=bool(bindings))
    except ValueError:
        pass  # SASLprep prohibits the name or the password: as they are, by another mechanism
    return None
