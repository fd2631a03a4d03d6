"""Pure. What a verdict on a recipient, or a session that failed, comes to as an outcome."""

from dataclasses import replace

from mailsuite.mail import Bounced, Contact, Deferred, Outcome, Sent
from mailsuite.relay.dialogue import Fate, Verdict
from mailsuite.relay.offers import Offers
from mailsuite.relay.replies import Reply


class SessionFailed(Exception):
    """A host could not be brought to take the message.

    status   enhanced code; its class says whether for now or for good
    reached  it answered: the destination as such is there
    """

    def __init__(
        self,
        status: str,
        text: str,
        contact: Contact | None = None,
        *,
        reached: bool = False,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.contact = contact
        self.reached = reached

    @property
    def permanent(self) -> bool:
        """Whether trying again is of no use."""
        return self.status.startswith("5")

    def outcome(self) -> Outcome:
        """For a recipient for whom no other host is left."""
        kind = Bounced if self.permanent else Deferred
        return kind(self.status, self.text, contact=self.contact)


def refused(reply: Reply, contact: Contact, *, permanent: bool | None = None) -> SessionFailed:
    """From a reply that ends a session."""
    lasting = reply.code >= 500 if permanent is None else permanent
    status = reply.status or ""
    if not status.startswith("5" if lasting else "4"):
        status = ("5" if lasting else "4") + (status[1:] or ".0.0")
    words = f"{contact.host or contact.address} answered: {reply}"
    return SessionFailed(status, words, replace(contact, reply=reply.wire), reached=True)


def outcome_of(verdict: Verdict, contact: Contact, offers: Offers, *, lmtp: bool) -> Outcome:
    """Of a verdict that is final for this attempt."""
    reply = verdict.reply
    name = contact.host or contact.address
    if reply is not None:
        contact = replace(contact, reply=reply.wire)
    words = f"{name} answered: {reply}" if reply else f"{name}: {verdict.words}"
    known = verdict.status or (reply.status if reply else None) or ""
    match verdict.fate:
        case Fate.SENT:
            # Who speaks DSN sees to the notices from here on (RFC 3461 §5.2.2).
            action = "delivered" if lmtp else "" if "DSN" in offers else "relayed"
            timed = lmtp or "DELIVERBY" in offers
            return Sent(known or "2.0.0", words, contact=contact, action=action, timed=timed)
        case Fate.PERMANENT:
            return Bounced(known or "5.0.0", words, contact=contact)
        case _:
            status = known if known.startswith("4") else "4.0.0" if reply else "4.4.2"
            return Deferred(status, words, contact=contact)


def elsewhere(verdict: Verdict, contact: Contact) -> SessionFailed:
    """Of a verdict that leaves the decision to another host."""
    if verdict.reply is not None:
        return refused(verdict.reply, contact, permanent=False)
    name = contact.host or contact.address
    return SessionFailed("4.4.2", f"{name}: {verdict.words}", contact, reached=True)
