"""One SASL exchange: a mechanism's machine, and what it needs to know, found for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailsuite import sasl
from mailsuite.accounts import AppPasswordRow
from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.sasl.scram import Verifier
from mailsuite.signin.model import Client, Outcome, Refused, SignedIn, Why, refused
from mailsuite.signin.provider import NoGuess

if TYPE_CHECKING:
    from mailsuite.signin.service import SignIn

log = get_logger("signin")


class Exchange:
    """`step` until it gives something else than octets to send."""

    __slots__ = ("_authcid", "_client", "_excused", "_fitting", "_machine", "_sign_in", "_tried")

    def __init__(self, sign_in: SignIn, client: Client, machine: sasl.Mechanism) -> None:
        self._sign_in = sign_in
        self._client = client
        self._machine = machine
        self._fitting: list[tuple[AppPasswordRow | None, Verifier]] = []
        self._authcid: str | None = None  # SCRAM's, once it has been asked for its proof
        self._excused = ""  # why its failure is no guess
        self._tried = True  # its password may be, not only app passwords

    async def step(self, response: bytes | None) -> bytes | Outcome:
        """The client's decoded response in, a challenge (not yet encoded) or the outcome out.

        First call: the initial response, or None when the client sent none.
        """
        try:
            barred = self._barred_meanwhile()
            step = barred or self._machine.step(response)
            if isinstance(step, Refused):
                return step
            while not isinstance(step, sasl.Challenge):
                found = await self._supply(step)
                if isinstance(found, SignedIn | Refused):
                    return found
                step = found
            return step.data
        except UserError as error:
            log.error("directory not available", door=self._client.door, why=str(error))
            return refused(Why.UNAVAILABLE)

    def _barred_meanwhile(self) -> Refused | None:
        """SCRAM's proof is not looked at after a ban that came since its challenge.

        The server's signature would tell that the guess was right, whatever follows it, to
        somebody who has opened many exchanges before the first guess.
        """
        if self._authcid is None:
            return None
        bar = self._sign_in.bar if self._tried else self._sign_in.bar_address
        return bar(self._client, self._authcid)

    async def _supply(self, step: sasl.Step) -> sasl.Step | Outcome:
        """What the machine says next, given what it wants; or the outcome."""
        sign_in, client = self._sign_in, self._client
        match step:
            case sasl.Credentials():
                return await sign_in.password(client, step)
            case sasl.VerifierWanted(authcid, hash, go_on):
                self._fitting = sign_in.verifiers(client, authcid, hash)
                barred = sign_in.bar_address(client, authcid)
                self._authcid, self._tried = authcid, not sign_in.account_barred(client, authcid)
                return barred or go_on([verifier for _, verifier in self._fitting])
            case sasl.SecretWanted(authcid, go_on):
                return sign_in.bar(client, authcid) or go_on(sign_in.secret(authcid))
            case sasl.CertificateWanted(authzid):
                name = sign_in.certified(client) or ""
                barred = sign_in.bar_address(client, name)
                return barred or await sign_in.admit(client, authzid, name, None, "certificate")
            case sasl.TokenWanted():
                try:
                    return await sign_in.token(client, step)
                except NoGuess as error:
                    self._excused = error.told
                    return sign_in.no_guess(client, step, error)
            case sasl.Proven(authzid, authcid, verifier):
                rows = [row for row, each in self._fitting if each is verifier]
                row = rows[0] if rows else None
                # Banned meanwhile: nobody gains by having many exchanges open at once.
                barred = sign_in.bar_address(client, authcid)
                return barred or await sign_in.admit(
                    client, authzid, authcid, row, self._machine.name
                )
            case sasl.Rejected() if self._excused:
                # A client that asks again with the same token is not to be banned.
                return refused(Why.WRONG, self._excused)
            case sasl.Rejected(authcid):
                return await sign_in.fail(client, authcid, None)
            case sasl.Failure(text):
                return Refused(Why.MALFORMED, text)
        raise TypeError(f"unexpected {type(step).__name__}")
