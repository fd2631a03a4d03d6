"""Pure. Replies: a code, an enhanced status code and text (RFC 5321 §4.2, RFC 2034, RFC 3463).

Fixed replies that several commands give stand here, so that the same thing is always said in the
same words.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply.

    code    three digits
    status  enhanced status code "x.y.z"; "" for the replies that carry none (RFC 2034 §4: the
            greeting, the reply to HELO and EHLO, and 3xx)
    lines   text, ASCII unless the client asked for SMTPUTF8, without CR and LF
    close   the connection is closed after it
    blamed  where it is an error: one that is held against the client (`Settings.max_errors`)
    """

    code: int
    status: str
    lines: tuple[str, ...]
    close: bool = False
    blamed: bool = True

    def __post_init__(self) -> None:
        """Raises ValueError where the classes of the codes differ (RFC 2034 §4)."""
        if self.status and not self.status.startswith(f"{self.code // 100}."):
            raise ValueError(f"{self.code} {self.status} are of two classes")

    @property
    def is_error(self) -> bool:
        """A 4xx or 5xx."""
        return self.code >= 400

    @property
    def text(self) -> str:
        """All on one line, for the log."""
        return " ".join(part for part in (str(self.code), self.status, *self.lines) if part)

    def named(self, hostname: str) -> "Reply":
        """221 and 421 begin with our name, which machines may look for (RFC 5321 §4.2, §4.2.3)."""
        if self.code not in (221, 421):
            return self
        first, *others = self.lines
        return replace(self, lines=(f"{hostname} {first}", *others))

    def render(self) -> bytes:
        """As it goes over the wire; every line carries the codes (RFC 2034 §4)."""
        status = f"{self.status} " if self.status else ""
        if len(self.lines) == 1:
            return f"{self.code} {status}{self.lines[0]}\r\n".encode("utf-8", "replace")
        last = len(self.lines) - 1
        return "".join(
            f"{self.code}{' ' if number == last else '-'}{status}{line}\r\n"
            for number, line in enumerate(self.lines)
        ).encode("utf-8", "replace")


def reply(code: int, status: str, text: str, *, close: bool = False) -> Reply:
    """A reply of one line."""
    return Reply(code, status, (text,), close)


OK = reply(250, "2.0.0", "Ok")
SENDER_OK = reply(250, "2.1.0", "Sender ok")
RECIPIENT_OK = reply(250, "2.1.5", "Recipient ok")
BYE = reply(221, "2.0.0", "Bye", close=True)
START_MAIL = reply(354, "", "End data with <CR><LF>.<CR><LF>")

SHUTTING_DOWN = reply(421, "4.3.2", "Server is shutting down, please try again later", close=True)
TIMED_OUT = reply(421, "4.4.2", "Timeout, no command came, closing connection", close=True)
AUTH_TIMED_OUT = reply(421, "4.4.2", "Timeout, the challenge was not answered", close=True)
DATA_TIMED_OUT = reply(421, "4.4.2", "Timeout, the message did not come in time", close=True)
# In place of the greeting, so without an enhanced code.
TOO_MANY_CONNECTIONS = reply(421, "", "Too many connections, try again later", close=True)
TOO_MANY_FROM_THERE = reply(
    421, "", "Too many connections from your address, try again later", close=True
)
TOO_MANY_ERRORS = reply(421, "4.7.0", "Too many errors, goodbye", close=True)
TOO_MANY_COMMANDS = reply(421, "4.7.0", "Too many commands without mail, goodbye", close=True)
SESSION_TOO_LONG = reply(421, "4.7.0", "Session lasts too long, reconnect", close=True)
TOO_MANY_MESSAGES = reply(421, "4.7.0", "Too many messages in one session, reconnect", close=True)
INTERNAL = reply(451, "4.3.0", "Local error in processing, try again later")
NO_DIRECTORY = reply(451, "4.3.0", "Cannot look up mailboxes now, try again later")

SEND_LHLO = reply(503, "5.5.1", "Send LHLO first")
SEND_HELLO = reply(503, "5.5.1", "Send EHLO or HELO first")
LINE_TOO_LONG = reply(500, "5.5.2", "Line too long")
BAD_LINE = reply(500, "5.5.2", "Lines end with CR LF, and hold no other CR, LF or NUL")
NOT_UTF8 = reply(500, "5.5.2", "Command is neither ASCII nor UTF-8")
UNKNOWN_COMMAND = reply(500, "5.5.2", "Command not recognized")
TLS_REQUIRED = reply(530, "5.7.0", "Must issue a STARTTLS command first")
NO_WEB_SERVER = reply(421, "4.7.0", "This is a mail server, goodbye", close=True)
NOT_FOR_ODMR = reply(502, "5.5.1", "Only on-demand mail relay is offered here")
AUTH_REQUIRED = reply(530, "5.7.0", "Authentication required")
BARE = reply(554, "5.6.0", "Bare CR or LF in the message; lines end with CR LF")
LONG_LINE = reply(554, "5.6.0", "A line of the message is too long")
CAME_BACK = reply(554, "5.4.6", "Mail loop: the recipient has had this message before")
# X.7.16 as RFC 4865 §6 has it.
TOO_MUCH_HELD = reply(552, "5.7.16", "Too much mail of yours is held already")
TOO_LARGE = reply(552, "5.3.4", "Message is larger than this server takes")
