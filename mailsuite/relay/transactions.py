"""A message on its way over sessions: transaction after transaction, until all is decided.

Promises: every recipient gets one outcome, or stays undecided for another host; what a server can't
take is converted for it, and goes back where that would do harm; what is signed is what is sent.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.mail import Contact, Job, Outcome, Recipient
from mailsuite.message.downgrade import Inconvertible
from mailsuite.relay.commands import (
    Unfit,
    as_binary,
    hop_of,
    mail_line,
    needs_utf8,
    rcpt_line,
    watches_for_us,
)
from mailsuite.relay.content import Content
from mailsuite.relay.dialogue import Fate, Result, Transfer, Verdict
from mailsuite.relay.offers import Offers
from mailsuite.relay.session import Session, batch, domain_in
from mailsuite.relay.settings import Settings
from mailsuite.relay.signing import Signer
from mailsuite.relay.verdicts import SessionFailed, elsewhere, outcome_of

log = get_logger("relay")


class Transactions:
    """One message and some of its job's recipients.

    left      places of those that are undecided
    outcomes  of those that are decided
    failures  why a session left some to another host
    tried     (address, port) that have refused the message for now
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        job: Job,
        places: Sequence[int],
        content: Content,
        signer: Signer | None = None,
    ) -> None:
        self.left = list(places)
        self.outcomes: dict[int, Outcome] = {}
        self.failures: list[SessionFailed] = []
        self.tried: set[tuple[str, int]] = set()
        self._settings = settings
        self._clock = clock
        self._job = job
        self._content = content
        self._signer = signer

    async def over(self, session: Session) -> bool:
        """As much as this session takes; what is undecided after it stays in `left`.

        Gives whether the session may be used again; it may not after an exception. Raises OSError.
        """
        kept = True
        while self.left:
            if not self._room(session):
                kept = False  # for these a connection of their own
                break
            result, places, signed_by = await self._transaction(session)
            contact = replace(session.contact, dkim=signed_by) if signed_by else session.contact
            moved = self._sort(session, contact, result, places)
            kept = result.usable
            if not kept or not session.usable or moved:
                break
        return kept

    def worst(self) -> SessionFailed:
        """What is told: that something may work later outweighs that something never will."""
        for failure in self.failures:
            if not failure.permanent:
                return failure
        nothing = SessionFailed("4.4.1", "no host could be tried")
        return self.failures[0] if self.failures else nothing

    def _sort(
        self, session: Session, contact: Contact, result: Result, places: Sequence[int]
    ) -> bool:
        """Take the verdicts in; gives whether some are left to another host."""
        moved = False
        endpoint = session.endpoint
        for place, verdict in zip(places, result.verdicts, strict=True):
            if verdict.fate is Fate.ANOTHER:
                continue
            if verdict.fate is Fate.ELSEWHERE:
                moved = True
                if verdict.reply is not None and verdict.reply.code != 421:
                    self.tried.add((endpoint.address, endpoint.port))
                continue
            self.left.remove(place)
            self.outcomes[place] = outcome_of(verdict, contact, session.offers, lmtp=endpoint.lmtp)
        if moved:
            verdict = next(each for each in result.verdicts if each.fate is Fate.ELSEWHERE)
            self.failures.append(elsewhere(verdict, contact))
        return moved

    def _room(self, session: Session) -> int:
        """How many of those that are left this session takes in one transaction."""
        names = [self._job.recipients[place].address for place in self.left]
        return batch(names, session.offers, self._settings.recipients, session.domains)

    # -- one transaction ------------------------------------------------------------------------

    async def _transaction(self, session: Session) -> tuple[Result, list[int], str]:
        """What came of it for which places, and the key that signed what was sent."""
        recipients = self._job.recipients
        places = self.left[: self._room(session)]
        chosen = [recipients[place] for place in places]
        session.domains.update(domain_in(each.address) for each in chosen)
        envelope, offers = self._job.envelope, session.offers
        utf8 = needs_utf8(envelope, chosen) or (envelope.smtputf8 and "SMTPUTF8" in offers)
        try:
            async with self._prepared(session, utf8=utf8) as content:
                now = self._clock.now()
                mail = mail_line(
                    envelope,
                    offers,
                    content.traits,
                    utf8=utf8,
                    now=now,
                    proven=session.proven,
                    signed_in=session.signed_in,
                )
                lines = _rcpt_lines(chosen, offers, delays=watches_for_us(envelope, offers, now))
                good = [place for place, line in enumerate(lines) if isinstance(line, bytes)]
                result = Result([])
                if good:
                    transfer = self._transfer(session, mail, lines, good, content)
                    result = await session.transact(transfer, content)
        except Unfit as error:
            verdict = Verdict(Fate.PERMANENT, None, error.text, error.status)
            return Result([verdict] * len(places)), places, ""
        answers = iter(result.verdicts)
        verdicts = [next(answers) if isinstance(line, bytes) else line for line in lines]
        return Result(verdicts, result.usable), places, content.signed_by

    def _transfer(
        self,
        session: Session,
        mail: bytes,
        lines: Sequence[bytes | Verdict],
        good: Sequence[int],
        content: Content,
    ) -> Transfer:
        offers = session.offers
        binary = as_binary(content.traits, hop_of(offers, utf8=False))
        return Transfer(
            mail,
            [line for place in good if isinstance(line := lines[place], bytes)],
            content.size,
            chunked=binary or ("CHUNKING" in offers and "PIPELINING" in offers),
            together=content.data is not None and content.size <= self._settings.together,
        )

    @asynccontextmanager
    async def _prepared(self, session: Session, *, utf8: bool) -> AsyncIterator[Content]:
        """What this server is sent: as it can take it, and signed. Raises Unfit, OSError."""
        content = await self._fitting(session, utf8=utf8)
        try:
            signer = self._signer
            if signer is not None and signer.concerns(self._job.envelope):
                signed = await content.headed(partial(signer.look, self._job))
                # Where a signature alone makes it too large, mail goes without.
                most = session.offers.size
                fits = most is None or signed.size <= most or content.size > most
                yield signed if fits else content
            else:
                yield content
        finally:
            if content is not self._content:
                content.close()

    async def _fitting(self, session: Session, *, utf8: bool) -> Content:
        """The message as this server can take it. Raises Unfit."""
        hop = hop_of(session.offers, utf8=utf8)
        asked = self._job.envelope.smtputf8
        traits = self._content.traits
        if traits.plain or (hop.takes(traits) and (utf8 or not asked)):
            return self._content
        try:
            converted = await self._content.converted(hop, smtputf8=asked)
        except Inconvertible as error:
            if error.status == "5.6.3" and hop.takes(replace(traits, long_line=False)):
                # Overlong lines alone: most servers take them, and a bounce helps nobody.
                return self._content
            raise Unfit(error.status, str(error)) from error
        if converted is None:
            return self._content
        log.info("converted", id=self._job.id, host=session.endpoint.name)
        return converted


def _rcpt_lines(
    recipients: Sequence[Recipient], offers: Offers, *, delays: bool
) -> list[bytes | Verdict]:
    lines: list[bytes | Verdict] = []
    for recipient in recipients:
        try:
            lines.append(rcpt_line(recipient, offers, delays=delays))
        except Unfit as error:
            lines.append(Verdict(Fate.PERMANENT, None, error.text, error.status))
    return lines
