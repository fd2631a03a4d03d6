"""The server's longest pause: how long a session waits for NOOP while another keeps it busy."""

import multiprocessing
import time
from multiprocessing.synchronize import Event as Signal

from bench.imap.client import Client
from bench.imap.rows import THUNDERBIRD
from bench.imap.servers import Server

WORK = {
    "nothing": "",
    "FETCH FLAGS": "FETCH 1:* (FLAGS)",
    "FETCH ENVELOPE": "FETCH 1:* (UID INTERNALDATE RFC822.SIZE ENVELOPE)",
    "FETCH header list": f"FETCH 1:* (BODY.PEEK[HEADER.FIELDS ({THUNDERBIRD})])",
    "FETCH bodies": "FETCH 1:{some} (BODY.PEEK[])",
    "SEARCH UNSEEN": "SEARCH UNSEEN UNDELETED",
    "SEARCH TEXT": "SEARCH TEXT heliotropic",
    "SEARCH HEADER": "SEARCH HEADER Message-ID heliotropic",
    "SORT": "SORT (SUBJECT DATE) UTF-8 ALL",
    "THREAD": "THREAD REFERENCES UTF-8 ALL",
    "STORE all": "STORE 1:* +FLAGS.SILENT (\\Answered)",
    "SELECT": "SELECT INBOX",
}


def _work(port: int, user: str, password: str, command: str, go: Signal, end: Signal) -> None:
    client = Client(port, user, password)
    client.time("SELECT INBOX")
    go.set()
    try:
        if command:
            client.time(command)
        else:
            time.sleep(3)
    finally:
        end.set()
        client.close()


def longest(server: Server, command: str, count: int) -> tuple[float, float]:
    """(longest, 99th percentile) seconds of a NOOP's round trip while `command` runs."""
    command = command.format(some=min(20_000, count))
    context = multiprocessing.get_context("spawn")
    go, end = context.Event(), context.Event()
    client = server.client()
    work = context.Process(
        target=_work, args=(server.port, server.user, server.password, command, go, end)
    )
    work.start()
    go.wait()
    times = [client.time("NOOP")]
    while not end.is_set():
        times.append(client.time("NOOP"))
        time.sleep(0.001)
    work.join()
    client.close()
    times.sort()
    return times[-1], times[int(len(times) * 0.99)]
