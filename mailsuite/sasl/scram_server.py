"""Pure. SCRAM, server side (RFC 5802, RFC 7677), with and without channel binding.

Promises: a name that nobody has takes the same way as one with a wrong password; a client that
could have bound the channel and was made to believe that we can't is refused (§6).
"""

import hmac
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence

from mailsuite.sasl.model import (
    MAX_RESPONSE,
    Challenge,
    Failure,
    Proven,
    Rejected,
    Step,
    VerifierWanted,
)
from mailsuite.sasl.scram import (
    Hash,
    Verifier,
    attributes,
    decode64,
    digest,
    is_nonce,
    keyed,
    unescape,
    xor,
)


class Scram:
    """One exchange of SCRAM-… or SCRAM-…-PLUS."""

    __slots__ = (
        "_bare",
        "_bindings",
        "_expected",
        "_hash",
        "_identity",
        "_nonce",
        "_own",
        "_plus",
        "_proven",
        "_server_first",
        "_state",
        "_verifiers",
        "name",
    )

    def __init__(
        self,
        hash: Hash,
        *,
        plus: bool = False,
        bindings: Mapping[str, bytes] | None = None,
        nonce: str | None = None,
    ) -> None:
        """`bindings` are the channel's, by type; none: no -PLUS is offered. `nonce`: our part."""
        self.name = hash.mechanism + ("-PLUS" if plus else "")
        self._hash = hash
        self._plus = plus
        self._bindings = bindings or {}
        self._own = nonce or secrets.token_urlsafe(24)
        self._state = "begin"
        self._identity = ("", "")  # authzid, authcid
        self._nonce = ""
        self._bare = ""
        self._server_first = ""
        self._expected = b""
        self._verifiers: Sequence[Verifier] = ()
        self._proven: Proven | None = None

    def step(self, response: bytes | None) -> Step:
        """See `Mechanism`."""
        if response is not None and len(response) > MAX_RESPONSE:
            return Failure(f"{self.name} message is too long")
        state, self._state = self._state, "over"
        try:
            if response is None:
                if state != "begin":
                    raise ValueError("an answer is missing")
                self._state = "asked"
                return Challenge(b"")
            text = response.decode()
            if state in ("begin", "asked"):
                return self._first(text)
            if state == "final":
                return self._final(text)
            if state == "proven" and self._proven is not None and not text:
                return self._proven  # the client has our signature, and nothing to add
        except ValueError as error:  # UnicodeDecodeError is one
            return self._broken(str(error))
        return self._broken("the exchange is over")

    def _broken(self, why: str) -> Failure:
        return Failure(f"{self.name} message is malformed: {why}")

    def _first(self, message: str) -> Step:
        """client-first-message (§7): gs2-header, then name and nonce."""
        flag, _, rest = message.partition(",")
        authzid, comma, bare = rest.partition(",")
        if not comma:
            raise ValueError("it has no header")
        if authzid and not authzid.startswith("a="):
            raise ValueError("that is no identity to act as")
        binding = self._binding(flag)
        if isinstance(binding, Failure):
            return binding
        pairs = attributes(bare)
        if [name for name, _ in pairs[:2]] != ["n", "r"]:
            raise ValueError("expected a name and a nonce")
        name, nonce = unescape(pairs[0][1]), pairs[1][1]
        if not is_nonce(nonce):
            raise ValueError("the nonce has characters that are not allowed")
        self._identity = (unescape(authzid[2:]) if authzid else "", name)
        self._nonce = nonce + self._own
        self._bare = bare
        self._expected = f"{flag},{authzid},".encode() + binding
        return VerifierWanted(name, self._hash, self._salted)

    def _binding(self, flag: str) -> bytes | Failure:
        """The channel binding data that the client must have (§5.1, §6)."""
        if flag.startswith("p="):
            if not self._plus:
                return Failure(f"{self.name} is without channel binding")
            data = self._bindings.get(flag[2:])
            return data or Failure("this type of channel binding is not available here")
        if flag not in ("n", "y"):
            raise ValueError("that is no channel binding flag")
        if self._plus:
            return Failure(f"{self.name} needs channel binding")
        if flag == "y" and self._bindings:
            # "You can't bind the channel": but we can, so somebody has changed what we offered.
            return Failure("channel binding is offered here, somebody has hidden that from you")
        return b""

    def _salted(self, verifiers: Sequence[Verifier]) -> Step:
        """server-first-message. All verifiers have the salt and the iterations of the first."""
        self._verifiers = verifiers
        salt = b64encode(verifiers[0].salt).decode()
        self._server_first = f"r={self._nonce},s={salt},i={verifiers[0].iterations}"
        self._state = "final"
        return Challenge(self._server_first.encode())

    def _final(self, message: str) -> Step:
        """client-final-message: channel binding, nonce, proof."""
        without_proof, comma, proof_text = message.rpartition(",p=")
        pairs = attributes(without_proof) if comma else []
        if [name for name, _ in pairs[:2]] != ["c", "r"]:
            raise ValueError("expected channel binding, nonce and proof")
        proof = decode64(proof_text)
        if decode64(pairs[0][1]) != self._expected:
            return Rejected(self._identity[1])
        if pairs[1][1] != self._nonce:
            raise ValueError("that is another nonce")
        if len(proof) != self._hash.octets:
            return Rejected(self._identity[1])
        signed = f"{self._bare},{self._server_first},{without_proof}".encode()
        for verifier in self._verifiers:
            client_key = xor(proof, keyed(self._hash, verifier.stored_key, signed))
            if hmac.compare_digest(digest(self._hash, client_key), verifier.stored_key):
                self._proven = Proven(*self._identity, verifier)
                self._state = "proven"
                signature = keyed(self._hash, verifier.server_key, signed)
                return Challenge(b"v=" + b64encode(signature))
        return Rejected(self._identity[1])
