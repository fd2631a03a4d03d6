"""One message of `mailsuite sendmail`: its envelope and header, from options and what came in.

Promises: names without a domain get one, 8-bit texts are encoded, every other octet of the header
stays.
"""

import getpass
import os
import re
from dataclasses import dataclass, field

from mailsuite.cli.handing import EX_DATAERR, EX_USAGE, Mail, NotSent
from mailsuite.message import (
    MAX_PATH,
    Field,
    Group,
    decode_words,
    fields,
    mailboxes,
    parse_addresses,
    parse_mailbox,
)
from mailsuite.message.writing import Mailbox, MailboxGroup, address_field, text_field

# Fields that hold no text which could be encoded.
STRUCTURED = ("content-", "mime-", "message-id", "references", "in-reply-to", "received", "date")
NESTED = 8  # comments in comments

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\[[^][,<>"\s]{0,80}\]', re.DOTALL)  # or a domain literal
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)", re.DOTALL)
_ROUTE = re.compile(r"<[\s,]*@[^:<>]*:")


@dataclass(slots=True)
class Wanted:
    """What the command line says."""

    mode: str = "m"
    addresses: list[str] = field(default_factory=list)
    from_header: bool = False
    ignore_dots: bool = False
    values: dict[str, str] = field(default_factory=dict)
    flush: bool = False


def user_name() -> str:
    """Who runs this program."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid-{os.getuid()}"


def check_commas(given: str) -> None:
    """Raises NotSent for two addresses without a comma between them, and for one with two @.

    The parser, which reads what others have written, takes one of them and leaves the other out.
    """
    text = _QUOTED.sub("_", given)
    for _ in range(NESTED):
        text = _COMMENT.sub(" ", text)
    for element in re.split("[,;:]", _ROUTE.sub("<", text)):
        name, *angles = re.split("<+", element)
        inside, _, behind = angles[0].partition(">") if angles else (name, "", "")
        words = [word for word in inside.split() if "@" in word]
        if len(angles) > 1 or "@" in behind or len(words) > 1:
            raise NotSent(EX_DATAERR, f"{given.strip()!r}: between addresses a comma is missing")
        if inside.count("@") > 1:
            raise NotSent(EX_DATAERR, f"{given.strip()!r} is not an address: more than one @")


class Letter:
    """One message's envelope and header, bare names completed with the domain `origin`."""

    def __init__(self, wanted: Wanted, header: bytes, origin: str) -> None:
        self._origin = origin
        found = fields(header)
        sender = wanted.values.get("sender")
        if sender is None:
            sender = user_name()
        self.sender = "" if sender.strip("<>") == "" else self._whole(sender)
        recipients = [address for word in wanted.addresses for address in self._listed(word)]
        if wanted.from_header:
            resent = any(one.key.startswith("resent-") for one in found)
            keys = {f"{'resent-' if resent else ''}{name}" for name in ("to", "cc", "bcc")}
            for one in found:
                if one.key in keys:
                    recipients += self._listed(one.unfolded.decode("utf-8", "replace"))
        if not recipients:
            raise NotSent(EX_USAGE, "no recipients (name them, or -t to take them from the header)")
        self.header = b"".join(self._completed(one) for one in found)
        if not any(one.key == "from" for one in found):
            self.header = self._from(wanted.values.get("name", "")) + self.header
        notify = wanted.values.get("notify")
        addresses = [self.sender, *recipients]
        self.mail = Mail(
            self.sender,
            list(dict.fromkeys(recipients)),
            eight_bit=wanted.values.get("body", "8BITMIME").upper() != "7BIT",
            utf8=not all(address.isascii() for address in addresses) or not self.header.isascii(),
            mail=_given(RET=_ret(wanted.values.get("ret")), ENVID=wanted.values.get("envid")),
            rcpt=_given(NOTIFY=notify.upper() if notify else None),
        )

    def _whole(self, text: str) -> str:
        found = mailboxes(parse_addresses(text.encode("utf-8", "surrogateescape")))
        if len(found) != 1:
            raise NotSent(EX_USAGE, f"{text!r} is not an address")
        check_commas(text)
        return self._complete(found[0].address)

    def _listed(self, text: str) -> list[str]:
        found = mailboxes(parse_addresses(text.encode("utf-8", "surrogateescape")))
        for one in found:
            if one.display_name and not one.address:
                # Somebody was meant, and would be left out without a word.
                raise NotSent(EX_DATAERR, f"{one.display_name!r} is not an address")
        check_commas(text)
        return [self._complete(one.address) for one in found if one.address]

    def _complete(self, address: str) -> str:
        whole = address if "@" in address else f"{address}@{self._origin}"
        try:
            return parse_mailbox(whole, MAX_PATH)
        except ValueError as error:
            raise NotSent(EX_DATAERR, f"{address!r} is not an address: {error}") from error

    def _completed(self, one: Field) -> bytes:
        """An address field whose bare names have their domain, a text with its 8-bit words encoded.

        Any other as it is.
        """
        key = one.key.removeprefix("resent-")
        if key not in ("from", "sender", "reply-to", "to", "cc", "bcc"):
            if one.raw.isascii() or not one.name or key.startswith(STRUCTURED):
                return one.raw
            return text_field(one.name, decode_words(one.unfolded))
        listed = parse_addresses(one.value)
        if one.raw.isascii() and not any(who.mailbox and not who.host for who in mailboxes(listed)):
            return one.raw

        entries: list[Mailbox | MailboxGroup] = []
        for entry in listed:
            members = entry.members if isinstance(entry, Group) else [entry]
            named = [
                Mailbox(who.display_name, self._complete(who.address))
                for who in members
                if who.address
            ]
            if isinstance(entry, Group):
                entries.append(MailboxGroup(entry.display_name, tuple(named)))
            else:
                entries += named
        return address_field(one.name, entries) if entries else one.raw

    def _from(self, name: str) -> bytes:
        name = name or os.environ.get("NAME", "")
        if not self.sender:
            return b""
        return address_field("From", [Mailbox(name, self.sender)])


def _given(**parameters: str | None) -> tuple[str, ...]:
    return tuple(f"{name}={value}" for name, value in parameters.items() if value)


def _ret(text: str | None) -> str | None:
    return None if text is None else {"h": "HDRS", "f": "FULL"}.get(text[:1].lower())
