"""The rows that are measured on running servers, each by one function that gives seconds."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.pop3.client import Client
from bench.pop3.servers import Server, accounts, timed

SOME = 5000
TOGETHER = 100
SMALL = 1000
STEP = 50
"""What small maildrops hold, and how far on in the mail each begins."""


@dataclass(frozen=True, slots=True)
class Row:
    """`run` is given the server and how many messages its large maildrop has."""

    key: str
    title: str
    run: Callable[[Server, int], float]
    goal: float | None = 1.0


def _stat(server: Server, count: int) -> float:
    """The password is known from the sign-in before, the maildrop's index is in memory."""
    client = server.pop3()
    took = client.sign_in(server.address("bob"), server.password)
    client.quit()
    return took


def _whole(line: str) -> Callable[[Server, int], float]:
    return lambda server, count: timed(server, lambda client: client.all_of(line))


def _each(form: str) -> Callable[[Server, int], float]:
    def run(server: Server, count: int) -> float:
        lines = [form.format(number) for number in range(1, min(SOME, count) + 1)]
        return timed(server, lambda client: client.each(lines))

    return run


def _together(form: str) -> Callable[[Server, int], float]:
    def work(client: Client, count: int) -> float:
        return sum(
            client.together([form.format(number) for number in range(at, at + TOGETHER)])
            for at in range(1, min(SOME, count) + 1, TOGETHER)
        )

    return lambda server, count: timed(server, lambda client: work(client, count))


def _at_once(server: Server, count: int) -> float:
    """20 sessions on 20 maildrops: sign in, look, fetch 250 messages each, leave."""

    def session(name: str) -> None:
        client = server.pop3()
        client.sign_in(server.address(name), server.password)
        client.all_of("UIDL")
        for at in range(1, 251, 50):
            client.together([f"RETR {number}" for number in range(at, at + 50)])
        client.quit()

    names = accounts()[1:]
    began = time.perf_counter()
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(session, names))
    return time.perf_counter() - began


ROWS = (
    Row("stat-warm", "STAT after sign-in, warm", _stat),
    Row("uidl", "UIDL of all", _whole("UIDL")),
    Row("list", "LIST of all", _whole("LIST")),
    Row("retr", f"RETR of {SOME:,}, one by one", _each("RETR {}")),
    Row("retr-together", f"RETR of {SOME:,}, pipelined", _together("RETR {}")),
    Row("top", f"TOP n 0 of {SOME:,}, one by one", _each("TOP {} 0")),
    Row("top-together", f"TOP n 0 of {SOME:,}, pipelined", _together("TOP {} 0")),
    Row("sessions", "20 sessions at once", _at_once),
)
