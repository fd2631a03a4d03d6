"""Pure. A delivery status notification as octets: RFC 3464 in a multipart/report (RFC 6522).

Three parts: words for a person, fields for a program, and the message or its header. Where an
address has letters outside ASCII, the forms of RFC 6533 are used. Never looks into the message.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from email.quoprimime import body_encode

from mailsuite.dsn.words import explain
from mailsuite.mail import Envelope, Report, decode_unitext, decode_xtext, encode_unitext
from mailsuite.mail.notice import DELAYED, FAILED
from mailsuite.message import address_literal, format_date
from mailsuite.message.writing import text_field

_WIDTH = 76
_LONGEST = 900  # octets of a field; lines may have 998 (RFC 5322 §2.1.1)
_SUBJECT = 300  # characters of the message's subject in the notice's
_OPENINGS = {
    FAILED: "could not be delivered to",
    DELAYED: "has not been delivered yet to",
    "delivered": "has been delivered to",
    "relayed": "has been passed on, to a server that sends no such notices, for",
    "expanded": "has been passed on to all those who are meant by",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What a notice is made of.

    hostname    our name
    to          who is told
    queue_id    of the message that it is about
    id          of the notice, for its Message-ID
    boundary    an atom that is in no message
    envelope    of the message
    received_at, now   seconds since the epoch
    zone        of this machine at `now`, minutes east of Greenwich (RFC 5322 §3.3)
    reports     at least one
    header      header block of the message, CRLF line ends
    subject     its subject, decoded
    message_id  its Message-ID with brackets, or ""
    full        the whole message is returned: it follows `head`
    ascii       the message holds no octet above 127, whatever its envelope says
    returned    the notice to postmaster of a notice that came back
    """

    hostname: str
    to: str
    queue_id: str
    id: str
    boundary: str
    envelope: Envelope
    received_at: float
    now: float
    reports: Sequence[Report]
    header: bytes
    subject: str
    message_id: str
    full: bool
    ascii: bool = True
    returned: bool = False
    zone: int = 0

    @property
    def action(self) -> str:
        """The gravest action."""
        actions = [report.action for report in self.reports]
        return next((one for one in _OPENINGS if one in actions), FAILED)

    @property
    def utf8(self) -> bool:
        """Some address needs RFC 6533."""
        addresses = (self.to, *(report.recipient.address for report in self.reports))
        return not all(address.isascii() for address in addresses)

    @property
    def eight_bit(self) -> bool:
        """The notice holds octets that are not ASCII."""
        return self.utf8 or (self.full and not self.ascii) or not self.header.isascii()

    @property
    def returned_as(self) -> bytes:
        """The type of the part with what is returned.

        A whole message with other letters in its header is a message/global (RFC 6532 §3.7): that
        may be encoded on its way to a host that knows no such letters, a message/rfc822 may not.
        """
        if self.full:
            global_ = self.utf8 or not self.header.isascii()
            return b"message/global" if global_ else b"message/rfc822"
        return b"message/global-headers" if self.utf8 else b"text/rfc822-headers"


def compose(notice: Notice) -> tuple[bytes, bytes]:
    """What stands before and after the message; without `full` the first is all of it."""
    boundary = notice.boundary.encode()
    parts = [
        _header(notice),
        b"This is a report in MIME format, for a mail program to show.\r\n",
        _opening(boundary, b"text/plain; charset=utf-8", *_text(notice)),
        _status(boundary, notice),
    ]
    bits = b"8bit" if notice.eight_bit else b"7bit"
    body = b"" if notice.full else notice.header.rstrip(b"\r\n") + b"\r\n"
    parts.append(_opening(boundary, notice.returned_as, bits, body))
    return b"".join(parts), b"\r\n--%b--\r\n" % boundary


def _opening(boundary: bytes, kind: bytes, encoding: bytes, body: bytes) -> bytes:
    return b"\r\n--%b\r\nContent-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (
        boundary,
        kind,
        encoding,
        body,
    )


def _header(notice: Notice) -> bytes:
    title = "Late" if all(each.gone_late for each in notice.reports) else _TITLES[notice.action]
    subject = f"{title}: {_words(notice.subject)[:_SUBJECT] or '(none)'}"
    fields = [
        b"Date: " + format_date(notice.now, offset=notice.zone),
        b"From: Mail Delivery System <MAILER-DAEMON@%b>" % notice.hostname.encode(),
        text_field("Subject", subject).rstrip(b"\r\n"),
        b"To: <%b>" % _line(notice.to),
        b"Message-ID: <%b.report@%b>" % (notice.id.encode(), notice.hostname.encode()),
        b"Auto-Submitted: auto-replied",
    ]
    if notice.message_id:
        fields.append(b"In-Reply-To: " + _line(notice.message_id))
        fields.append(b"References: " + _line(notice.message_id))
    fields += [
        b"MIME-Version: 1.0",
        b"Content-Type: multipart/report; report-type=%b;\r\n boundary=%b"
        % (
            b"global-delivery-status" if notice.utf8 else b"delivery-status",
            notice.boundary.encode(),
        ),
    ]
    if notice.eight_bit:
        fields.append(b"Content-Transfer-Encoding: 8bit")
    return b"\r\n".join(fields) + b"\r\n\r\n"


_TITLES = {
    FAILED: "Not delivered",
    DELAYED: "Not delivered yet",
    "delivered": "Delivered",
    "relayed": "Passed on",
    "expanded": "Passed on",
}


# -- the part for a person ------------------------------------------------------------------------


def _text(notice: Notice) -> tuple[bytes, bytes]:
    """(Content-Transfer-Encoding, body)"""
    lines: list[str] = []
    if notice.returned:
        lines += _wrapped(
            "A message with an empty sender, most likely itself a report or an automatic answer, "
            "came to its end here. Nobody can be told of it but you, the postmaster."
        )
        lines.append("")
    for action, opening in _OPENINGS.items():
        of_it = [report for report in notice.reports if report.action == action]
        late = [each for each in of_it if each.gone_late]
        if told := [each for each in of_it if not each.gone_late]:
            lines += _told(notice, action, opening, told)
        if late:
            lines += _told(notice, action, "was not delivered in the time that you set to", late)
    whole = "Your message is" if notice.full else "The header of your message is"
    lines += _wrapped(
        f"This is an automatic message of the mail server {notice.hostname}, which knows yours as "
        f"{notice.queue_id}. {whole} attached."
    )
    text = "\r\n".join(lines) + "\r\n"
    if text.isascii():
        return b"7bit", text.encode("ascii")
    octets = "".join(chr(octet) for octet in text.encode())
    return b"quoted-printable", body_encode(octets, eol="\r\n").encode("ascii")


def _told(notice: Notice, action: str, opening: str, told: Sequence[Report]) -> list[str]:
    named = f'Your message "{_short(notice.subject)}"' if notice.subject else "Your message"
    lines = [*_wrapped(f"{named} {opening}:"), ""]
    for report in told:
        lines.append(f"  <{_words(report.recipient.address)}>")
        if action in (FAILED, DELAYED) and not report.gone_late:
            happened, advice = explain(report.status, report.recipient.address)
            lines += _wrapped(happened, "    ")
            if action == FAILED:
                lines += _wrapped(f"What you can try: {advice}", "    ")
        if action in (FAILED, DELAYED):
            lines += _wrapped(_said(report, notice.hostname), "    ")
        lines.append("")
    if until := max((report.until for report in told if report.until is not None), default=0.0):
        end = format_date(until, offset=notice.zone).decode()
        lines += _wrapped(
            "You need do nothing, and not send it again: it is tried until "
            f"{end}. If it can't be delivered by then, you will be told."
        )
        lines.append("")
    return lines


def _said(report: Report, hostname: str) -> str:
    met = report.contact
    if met is not None and met.reply:
        return f"The mail server {_words(met.host or met.address)} said: {_words(met.reply)}"
    return f"The mail server {hostname} says: {report.status} {_words(report.text)}"


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _short(text: str) -> str:
    return textwrap.shorten(_words(text), 60, placeholder="…")


def _words(text: str) -> str:
    """On one line, without what a terminal would act on (RFC 5322 §5)."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(clean.split())[:_LONGEST]


# -- the part for a program (RFC 3464 §2, RFC 6533 §3) ---------------------------------------------


def _status(boundary: bytes, notice: Notice) -> bytes:
    # RFC 3461 §6.3 (b): what is no name of the whole Internet is not of the type "dns".
    known_as = "dns" if "." in notice.hostname else "x-local-hostname"
    fields = [_field("Reporting-MTA", f"{known_as}; {notice.hostname}")]
    if notice.envelope.envid:
        fields.insert(0, _field("Original-Envelope-Id", _plain(notice.envelope.envid)))
    fields.append(_field("Arrival-Date", format_date(notice.received_at).decode()))
    if notice.envelope.deliver_by is not None:  # RFC 2852, which adds it to RFC 3464 §2.2
        by = notice.envelope.deliver_by.by
        fields.append(_field("Deliver-By-Date", format_date(by).decode()))
    if notice.envelope.hold:  # RFC 4865 §5.1.2
        fields.append(_field("Future-Release-Request", notice.envelope.hold))
    fields.append(_field("X-Queue-ID", notice.queue_id))
    blocks = [b"".join(fields), *(_recipient(notice, report) for report in notice.reports)]
    kind = b"message/global-delivery-status" if notice.utf8 else b"message/delivery-status"
    bits = b"8bit" if notice.utf8 else b"7bit"
    return _opening(boundary, kind, bits, b"\r\n".join(blocks))


def _recipient(notice: Notice, report: Report) -> bytes:
    recipient = report.recipient
    fields = []
    if recipient.orcpt:
        original = _original(recipient.orcpt, utf8=notice.utf8)
        fields.append(_field("Original-Recipient", original, notice.utf8))
    kind = "rfc822" if recipient.address.isascii() else "utf-8"
    fields.append(_field("Final-Recipient", f"{kind}; {recipient.address}", notice.utf8))
    fields.append(_field("Action", report.action))
    fields.append(_field("Status", report.status))
    met = report.contact
    # RFC 3461 §6.3 (h), (i): of every attempt to relay, those that succeeded too.
    if met is not None and (name := met.host or address_literal(met.address)):
        fields.append(_field("Remote-MTA", f"dns; {name}"))
    if met is not None and met.reply:
        fields.append(_field("Diagnostic-Code", f"smtp; {met.reply}", notice.utf8))
    elif report.action in (FAILED, DELAYED):
        words = f"x-mailsuite; {report.status} {report.text}"
        fields.append(_field("Diagnostic-Code", words, notice.utf8))
    fields.append(_field("Last-Attempt-Date", format_date(notice.now).decode()))
    if report.until is not None:
        fields.append(_field("Will-Retry-Until", format_date(report.until).decode()))
    return b"".join(fields)


def _field(name: str, value: str, utf8: bool = False) -> bytes:
    """One folded field; without `utf8` what is not ASCII becomes a question mark."""
    lines = textwrap.wrap(
        f"{name}: {_words(value)}",
        _WIDTH,
        subsequent_indent="    ",
        break_on_hyphens=False,
        break_long_words=False,
    )
    return "\r\n".join(lines).encode("utf-8" if utf8 else "ascii", "replace") + b"\r\n"


def _original(orcpt: str, *, utf8: bool) -> str:
    """ORCPT as a field has it, in letters where it may have them (RFC 3461 §6.3, RFC 6533 §3)."""
    kind, _, address = orcpt.partition(";")
    if kind.lower() != "utf-8":
        return f"{kind}; {_plain(address)}"
    return f"{kind}; {decode_unitext(address) if utf8 else encode_unitext(address)}"


def _plain(xtext: str) -> str:
    """What the peer gave as xtext; where it is none, as it came."""
    try:
        return decode_xtext(xtext)
    except ValueError:
        return xtext


def _line(text: str) -> bytes:
    """Text of an address or a message id, on one line."""
    return "".join(c if c.isprintable() else "?" for c in text).encode()
