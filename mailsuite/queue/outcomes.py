"""From what a courier answered to what is recorded: states, the next attempt, clean words."""

from collections.abc import Sequence
from dataclasses import replace

from mailsuite.base.log import get_logger
from mailsuite.mail import Bounced, Contact, Deferred, Job, Outcome, Recipient, Report, Sent
from mailsuite.mail.notice import DELAYED, FAILED, RELAYED
from mailsuite.queue import schedule
from mailsuite.queue.changes import Attempted, Result
from mailsuite.queue.settings import DAY, HOUR, MINUTE, Settings

log = get_logger("queue")

MAX_TEXT = 1000  # characters kept of a courier's words
EXPIRED = "4.4.7"  # of what is late and still tried (RFC 2852 §4.1.3)


def recorded(
    job: Job,
    courier: str,
    ended: Sequence[Outcome],
    now: float,
    chance: float,
    settings: Settings,
) -> Attempted:
    """The rows of an attempt that ended at `now`, each told to the log as well.

    Recipients deferred together stay together: they share one next attempt.
    """
    later = _later(job, courier, now, chance, settings)
    results = tuple(
        _result(index, outcome, later, job, now, settings)
        for index, outcome in zip(job.indexes, ended, strict=True)
    )
    for recipient, result in zip(job.recipients, results, strict=True):
        met = result.contact
        tell = log.info if result.state == "sent" else log.warning
        tell(
            "deferred" if result.state == "due" else result.state,
            id=job.id,
            to=recipient.address,
            courier=courier,
            attempt=job.attempt,
            status=result.status,
            text=result.text,
            **(
                {
                    "host": met.host,
                    "address": met.address,
                    "reply": met.reply,
                    "tls": met.tls,
                    "why": met.why,
                }
                if met
                else {}
            ),
            **({"dkim": met.dkim} if met and met.dkim else {}),
        )
    return Attempted(job.id, courier, now, results, len(job.envelope.recipients) == 1)


def _later(job: Job, courier: str, now: float, chance: float, settings: Settings) -> float | None:
    if courier not in settings.parked:
        return schedule.next_attempt(
            job.received_at, job.envelope, job.attempt, now, chance, settings
        )
    until = schedule.parked_until(job.received_at, job.envelope, now, settings)
    return until if until > now else None


def reports(
    job: Job, ended: Sequence[Outcome], results: Sequence[Result], now: float, settings: Settings
) -> list[Report]:
    """What the sender wants to be told of an attempt."""
    envelope, last = job.envelope, job.last_attempt
    late = schedule.delay_is_news(job.received_at, envelope, last, now, settings)
    over = schedule.by_is_over(envelope, last, now)
    told = []
    for recipient, outcome, result in zip(job.recipients, ended, results, strict=True):
        until, timed, status = None, True, result.status
        match outcome:
            case Sent(action=action, timed=timed):
                # What goes on from here to where an alias leads is late by itself.
                if over and not outcome.follow_ups:
                    told += _too_late(recipient, result)
            case _ if result.state == "bounced":
                action = FAILED
            case _ if late:
                action = DELAYED
                until = schedule.end(job.received_at, envelope, settings)
                if over:
                    status = EXPIRED  # RFC 2852 §4.1.3
            case _:
                continue
        traced = _traced(job, recipient, action, timed=timed or _is_over(job, now))
        if traced:
            action = RELAYED
        report = Report(recipient, action, status, result.text, result.contact, until)
        if traced or (action and report.wanted):
            told.append(report)
    return told


def _too_late(recipient: Recipient, result: Result) -> list[Report]:
    """What is told of mail that goes at an attempt after its time was over (BY in mode N).

    RFC 2852 §4.1.3: it was not delivered or relayed before, so "delayed", though it is no longer.
    """
    words = f"not delivered within the time that was set; then: {result.text}"
    late = Report(recipient, DELAYED, EXPIRED, words, result.contact)
    return [late] if late.wanted else []


def _traced(job: Job, recipient: Recipient, action: str, *, timed: bool) -> bool:
    """Whether the sender is to be told that it went to another host, whatever NOTIFY says.

    Who traces is (RFC 2852 §4.1.4), and who is to be told of lateness (mode N) where the next host
    is not `timed`: no notice will come from there (§4.1.4.2), of what goes before its time is over.
    Of what is late he has been told, or is (§4.1.3). NEVER is never.
    """
    by = job.envelope.deliver_by
    if by is None or recipient.notify == ("NEVER",) or action not in (RELAYED, ""):
        return False
    return by.trace or (by.mode == "N" and not timed)


def _is_over(job: Job, now: float) -> bool:
    by = job.envelope.deliver_by
    return by is not None and by.by <= now


def returned(attempted: Attempted) -> Attempted:
    """The same attempt, after which nobody waits for what has bounced: its sender knows."""
    results = tuple(
        replace(result, state="returned") if result.state == "bounced" else result
        for result in attempted.results
    )
    return replace(attempted, results=results)


def _result(
    index: int, outcome: Outcome, later: float | None, job: Job, now: float, settings: Settings
) -> Result:
    text = clean(outcome.text)
    status = clean(outcome.status)
    contact = _clean_contact(outcome.contact)
    match outcome:
        case Sent():
            return Result(index, "sent", status, text, None, contact)
        case Bounced():
            return Result(index, "bounced", status, text, None, contact)
        case Deferred():
            if later is None and _is_over(job, now) and schedule.is_returned(job.envelope):
                text = clean(f"not delivered within the time that was set; at last: {text}")
                return Result(index, "bounced", "5.4.7", text, None, contact)  # RFC 2852 §4.1.3
            if later is None:
                # RFC 3463 §3.5: the code of the actual problem, rather than X.4.7.
                text = clean(f"gave up after {_span(settings.lifetime)}; at last: {text}")
                return Result(index, "bounced", status, text, None, contact)
            return Result(index, "due", status, text, later, contact)


def _clean_contact(contact: Contact | None) -> Contact | None:
    if contact is None:
        return None
    return Contact(
        clean(contact.host),
        clean(contact.address),
        "\n".join(map(clean, contact.reply[:MAX_TEXT].splitlines())),
        clean(contact.tls),
        clean(contact.why),
        clean(contact.dkim),
    )


def clean(text: str) -> str:
    """One bounded line of printable Unicode, whatever a peer made of its reply."""
    kept = text[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
    if kept.isprintable():
        return kept
    return "".join(letter if letter.isprintable() else " " for letter in kept)


def _span(seconds: float) -> str:
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= unit:
            count = round(seconds / unit)
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return f"{seconds:.0f} seconds"
