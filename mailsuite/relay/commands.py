"""Pure. The MAIL and RCPT lines for an envelope and a server, or why that server can't have it.

Promises: a line never holds what would end it or begin another command, whatever the envelope
says; a parameter is sent only where its extension is offered.
"""

import math
import re
from collections.abc import Sequence

from mailsuite.mail import Envelope, Recipient, encode_unitext
from mailsuite.message.downgrade import NextHop
from mailsuite.message.traits import Traits
from mailsuite.relay.offers import Offers

# Neither controls, nor brackets or spaces outside of a quoted string.
_PATH = re.compile(r'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"|[^<>"\s\x00-\x1f\x7f])+\Z')
_VALUE = re.compile(r"[!-<>-~]{1,500}\Z")


class Unfit(Exception):
    """The server can't take this message; `status` is an enhanced status code."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def hop_of(offers: Offers, *, utf8: bool) -> NextHop:
    """What the server takes; `utf8`: the message is to go with SMTPUTF8."""
    return NextHop(
        eight_bit="8BITMIME" in offers,
        binary="BINARYMIME" in offers and "CHUNKING" in offers,
        utf8=utf8,
    )


def needs_utf8(envelope: Envelope, recipients: Sequence[Recipient]) -> bool:
    """Whether the addresses alone need SMTPUTF8."""
    return not (envelope.sender.isascii() and all(each.address.isascii() for each in recipients))


def as_binary(traits: Traits, hop: NextHop) -> bool:
    """Whether the message goes as BINARYMIME, which only BDAT can carry."""
    return hop.binary and not NextHop(eight_bit=hop.eight_bit).takes(traits)


def mail_line(
    envelope: Envelope,
    offers: Offers,
    traits: Traits,
    *,
    utf8: bool,
    now: float,
    proven: bool = True,
    signed_in: bool = False,
) -> bytes:
    """The MAIL command. Raises Unfit.

    traits     of what is sent
    now        seconds since the epoch
    proven     the server is under TLS and known to be the one that is meant
    signed_in  we have signed in to it
    """
    parts = [f"MAIL FROM:<{_path(envelope.sender) if envelope.sender else ''}>"]
    if "SIZE" in offers:
        if offers.size is not None and traits.size > offers.size:
            raise Unfit("5.3.4", f"it takes messages up to {offers.size} octets, not {traits.size}")
        parts.append(f"SIZE={traits.size}")
    if as_binary(traits, hop_of(offers, utf8=utf8)):
        parts.append("BODY=BINARYMIME")
    elif traits.high and "8BITMIME" in offers:
        parts.append("BODY=8BITMIME")
    if utf8:
        if "SMTPUTF8" not in offers:
            raise Unfit("5.6.7", "it takes no addresses or header fields beyond ASCII (SMTPUTF8)")
        parts.append("SMTPUTF8")
    if "DSN" in offers:
        if envelope.ret:
            parts.append(f"RET={_value(envelope.ret)}")
        if envelope.envid:
            parts.append(f"ENVID={_value(envelope.envid)}")
    parts += _require_tls(envelope, offers, proven=proven)
    if "MT-PRIORITY" in offers:  # always, RFC 6710 §4.2
        parts.append(f"MT-PRIORITY={envelope.priority}")
    parts += _deliver_by(envelope, offers, now)
    if signed_in:
        parts.append("AUTH=<>")  # RFC 4954 §5: nobody's word is passed on as to who has written it
    return " ".join(parts).encode() + b"\r\n"


def _require_tls(envelope: Envelope, offers: Offers, *, proven: bool) -> list[str]:
    if not envelope.require_tls:
        return []
    if "REQUIRETLS" in offers and proven:
        return ["REQUIRETLS"]
    if envelope.sender:
        raise Unfit("5.7.30", "it can't promise to pass the message on by TLS only (REQUIRETLS)")
    return []  # a notice is not to be lost for that (RFC 8689 §5)


def _deliver_by(envelope: Envelope, offers: Offers, now: float) -> list[str]:
    asked = envelope.deliver_by
    if asked is None:
        return []
    left = math.floor(asked.by - now)
    # In mode R the message goes back rather than on where the time can't be kept (RFC 2852
    # §4.1.4.1).
    if asked.mode == "R":
        if left <= 0:
            raise Unfit("5.4.7", "the time by which the sender wants it delivered has passed")
        if "DELIVERBY" not in offers:
            raise Unfit("5.3.3", "it can't promise delivery by a certain time (DELIVERBY)")
        if left < offers.deliver_by:
            raise Unfit("5.4.7", f"it promises delivery within {offers.deliver_by} seconds at best")
    elif "DELIVERBY" not in offers:
        return []
    left = max(-999_999_999, min(left, 999_999_999))
    return [f"BY={left};{asked.mode}{'T' if asked.trace else ''}"]


def watches_for_us(envelope: Envelope, offers: Offers, now: float) -> bool:
    """Whether the server is to tell of delays, as it knows nothing of a BY in mode N.

    (RFC 2852 §4.1.4.2; `now`: seconds since the epoch.) Once the time is over, that has been told.
    """
    asked = envelope.deliver_by
    if asked is None or "DELIVERBY" in offers:
        return False
    return asked.mode == "N" and now < asked.by


def rcpt_line(recipient: Recipient, offers: Offers, *, delays: bool = False) -> bytes:
    """The RCPT command; `delays`: delays are to be told (`watches_for_us`). Raises Unfit."""
    parts = [f"RCPT TO:<{_path(recipient.address)}>"]
    if "DSN" in offers:
        notify = recipient.notify
        if delays and notify != ("NEVER",) and "DELAY" not in notify:
            notify = (*(notify or ("FAILURE",)), "DELAY")
        if notify:
            parts.append(f"NOTIFY={_value(','.join(notify))}")
        if recipient.orcpt:
            known = "SMTPUTF8" in offers
            orcpt = recipient.orcpt if known else encode_unitext(recipient.orcpt)  # RFC 6533 §3
            parts.append(f"ORCPT={_value(orcpt)}")
    return " ".join(parts).encode() + b"\r\n"


def _path(address: str) -> str:
    if not _PATH.match(address) or len(address) > 1000 or not _is_unicode(address):
        raise Unfit("5.1.3", "the address can't be written in an SMTP command")
    return address


def _value(text: str) -> str:
    # esmtp-value (RFC 5321 §4.1.2); beyond ASCII only in an ORCPT of RFC 6533.
    plain = text if text.isascii() else re.sub(r"[^\x00-\x7f]", "x", text)
    if not _VALUE.match(plain) or not _is_unicode(text):
        raise Unfit("5.5.4", "a parameter of the envelope can't be written in an SMTP command")
    return text


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
