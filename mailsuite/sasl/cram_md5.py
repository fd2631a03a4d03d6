"""Pure. The CRAM-MD5 mechanism (RFC 2195): the client signs our words with its password.

Safe to use in the open only as far as MD5 is; the server must know the password itself.
"""

import hmac

from mailsuite.sasl.model import (
    MAX_RESPONSE,
    Challenge,
    Failure,
    Proven,
    Rejected,
    SecretWanted,
    Step,
    text_of,
)


class CramMd5:
    """One CRAM-MD5 exchange. The server speaks first."""

    __slots__ = ("_asked", "_challenge", "_digest", "_name")
    name = "CRAM-MD5"

    def __init__(self, challenge: bytes) -> None:
        """`challenge` is ``<unique@host>``, never used before (§2)."""
        self._challenge = challenge
        self._asked = False
        self._name = ""
        self._digest = b""

    def step(self, response: bytes | None) -> Step:
        """See `Mechanism`."""
        if response is None or not self._asked:
            # There is no initial response, the answer needs our challenge (RFC 4422 §5 2b).
            if response is not None or self._asked:
                return Failure("CRAM-MD5 takes no initial response")
            self._asked = True
            return Challenge(self._challenge)
        # The name may have spaces in it (§2).
        name, _, digest = response.rpartition(b" ")
        text = text_of(name)
        if len(response) > MAX_RESPONSE or not text or len(digest) != 32:
            return Failure("CRAM-MD5 answer must be a name and a digest")
        self._name, self._digest = text, digest
        return SecretWanted(text, self._compare)

    def _compare(self, password: str) -> Step:
        wanted = hmac.new(password.encode("utf-8", "surrogatepass"), self._challenge, "md5")
        if hmac.compare_digest(wanted.hexdigest().encode(), self._digest):
            return Proven("", self._name)
        return Rejected(self._name)
