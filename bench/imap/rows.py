"""The rows that are one command each: what to send, and what must be true before.

A row's `run` gives seconds; what prepares it, or sets things right again, is not counted.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread

from bench.imap.client import Client
from bench.imap.mail import RARE
from bench.imap.servers import Server

SOME = 5000
MANY_MAILBOXES = 200
THUNDERBIRD = (
    "From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups"
    " In-Reply-To Content-Type"
)
MESSAGE = b"".join(
    [
        b"From: a@example.org\r\nTo: bob@example.test\r\nSubject: appended\r\n",
        b"Message-ID: <appended@example.org>\r\n\r\n",
        (b"All work and no play makes Jack a dull boy, said the small server. " + b"\r\n") * 57,
    ]
)


@dataclass(frozen=True, slots=True)
class Row:
    """`goal`: the ratio to reach; `needs`: a capability, else the row is left out."""

    key: str
    title: str
    run: Callable[[Server, Client, int], float]
    goal: float | None = None
    needs: str = ""
    rounds: int = 99


def _command(key: str, title: str, command: str, goal: float | None, needs: str = "") -> Row:
    def run(server: Server, client: Client, count: int) -> float:
        return client.time(command.format(some=min(SOME, count)))

    return Row(key, title, run, goal, needs)


# -- changes ---------------------------------------------------------------------------------------


def _store(server: Server, client: Client, count: int) -> float:
    some = min(SOME, count)
    client.time(f"STORE 1:{some} -FLAGS.SILENT (\\Flagged)")
    return client.time(f"STORE 1:{some} +FLAGS (\\Flagged)")


def _fresh(client: Client, *names: str) -> None:
    for name in names:
        client.try_(f"DELETE {name}")
        client.time(f"CREATE {name}")


def _copy(server: Server, client: Client, count: int) -> float:
    _fresh(client, "target")
    return client.time(f"COPY 1:{min(SOME, count)} target")


def _move(server: Server, client: Client, count: int) -> float:
    _fresh(client, "target", "source")
    client.time(f"COPY 1:{min(SOME, count)} source")
    with_source = server.selected("source")
    took = with_source.time("MOVE 1:* target")
    with_source.close()
    return took


def _expunge(server: Server, client: Client, count: int) -> float:
    _fresh(client, "source")
    client.time(f"COPY 1:{min(SOME, count)} source")
    with_source = server.selected("source")
    with_source.time("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    took = with_source.time("EXPUNGE")
    with_source.close()
    return took


def _append(server: Server, client: Client, count: int) -> float:
    """Seconds a message, one after the other."""
    _fresh(client, "target")
    return sum(client.append("target", MESSAGE) for _ in range(200)) / 200


def _append_parallel(server: Server, client: Client, count: int) -> float:
    """Seconds a message, ten sessions at once."""
    _fresh(client, "target")
    sessions = [server.client() for _ in range(10)]

    def work(session: Client) -> None:
        for _ in range(50):
            session.append("target", MESSAGE)

    threads = [Thread(target=work, args=(session,)) for session in sessions]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    for session in sessions:
        session.close()
    return took / 500


# -- opening ---------------------------------------------------------------------------------------


def _select_warm(server: Server, client: Client, count: int) -> float:
    other = server.client()
    took = other.time("SELECT INBOX")
    other.close()
    return took


def _status(server: Server, client: Client, count: int) -> float:
    """All 200, pipelined."""
    began = time.perf_counter()
    tags = [
        client.send(f"STATUS many{number} (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)")
        for number in range(MANY_MAILBOXES)
    ]
    client.finish(tags[-1])
    return time.perf_counter() - began


ROWS = (
    _command("flags", "FETCH 1:* (FLAGS)", "FETCH 1:* (FLAGS)", 1.0),
    _command("uid-flags", "UID FETCH 1:* (FLAGS)", "UID FETCH 1:* (FLAGS)", 1.0),
    _command(
        "envelope",
        "…ENVELOPE, dates, sizes",
        "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
        0.5,
    ),
    _command(
        "headers",
        "…Thunderbird's header list",
        f"UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS ({THUNDERBIRD})])",
        1.0,
    ),
    _command("structure", "…BODYSTRUCTURE", "FETCH 1:* (BODYSTRUCTURE)", 1.0),
    _command("bodies", "FETCH 5,000 BODY.PEEK[]", "FETCH 1:{some} (BODY.PEEK[])", 1.2),
    _command("search-body", "SEARCH BODY, in 5", f"SEARCH BODY {RARE}", 0.02),
    _command("search-text", "SEARCH TEXT, in none", "SEARCH TEXT heliotropic", 0.02),
    _command("search-unseen", "SEARCH UNSEEN UNDELETED", "SEARCH UNSEEN UNDELETED", 1.0),
    _command("sort-date", "SORT DATE", "SORT (DATE) UTF-8 ALL", 1.0, "SORT"),
    _command("sort-subject", "SORT SUBJECT", "SORT (SUBJECT) UTF-8 ALL", 1.0, "SORT"),
    _command("sort-unseen", "SORT DATE UNSEEN", "SORT (REVERSE DATE) UTF-8 UNSEEN", 1.0, "SORT"),
    _command("sort-from", "SORT FROM SUBJECT", "SORT (FROM SUBJECT) UTF-8 ALL", 1.0, "SORT"),
    _command(
        "thread", "THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL", 1.0, "THREAD=REFERENCES"
    ),
    _command(
        "thread-unseen",
        "THREAD REFERENCES UNSEEN",
        "THREAD REFERENCES UTF-8 UNSEEN",
        1.0,
        "THREAD=REFERENCES",
    ),
    Row("select-warm", "SELECT, warm", _select_warm, 1.0),
    Row("status", "STATUS of 200 mailboxes", _status, 1.0),
    Row("append", "APPEND 4 kB, a message", _append, 1.0),
    Row("append-10", "APPEND by 10 sessions, a message", _append_parallel, 1.0),
    Row("store", "STORE 5,000 +FLAGS", _store, 1.0),
    Row("copy", "COPY 5,000", _copy, 1.0),
    Row("move", "MOVE 5,000", _move, 1.0),
    Row("expunge", "EXPUNGE 5,000", _expunge, 1.0),
)
