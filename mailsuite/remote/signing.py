"""Pure. How one signs in, whatever the protocol: mechanism after mechanism, then its own command.

Promises: a mechanism that is refused is not the end while there is another of another kind, but
servers that lock out whoever guesses see two tries a session at the most; a server that says yes
without having shown what the mechanism wants is not believed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from mailsuite.remote.errors import Refused, SignInRefused
from mailsuite.remote.steps import Step
from mailsuite.sasl import ClientExchange, ClientLogin, choose
from mailsuite.sasl.scram import HASHES

MAX_TRIES = 2
_SCRAM = [hash.mechanism + plus for hash in HASHES for plus in ("-PLUS", "")]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says to a try.

    code    of a response in brackets, or ""
    passes  a refusal that says nothing of who signs in, and may pass
    """

    ok: bool
    text: str
    code: str = ""
    passes: bool = False


Try: TypeAlias = Generator[Step, Any, Answer]


def sign_in(
    host: str,
    login: ClientLogin,
    *,
    offered: Sequence[str],
    bindings: Mapping[str, bytes],
    authenticate: Callable[[ClientExchange], Try],
    plainly: Callable[[], Try | None],
    secure: bool,
) -> Generator[Step, Any, None]:
    """Raises RemoteError.

    offered       mechanisms that the server names
    bindings      channel binding data by type, best first
    authenticate  carries out an exchange
    plainly       the protocol's own command for a name and a password; None: it can't be used here
    """
    tried: list[str] = []
    tries, refusal = 0, ""
    best = partial(choose, offered, login, secure=secure, bindings=bindings)
    while tries < MAX_TRIES and (exchange := best(without=tried)):
        answer = yield from authenticate(exchange)
        if answer.ok and exchange.complete:
            return
        if answer.ok:
            raise SignInRefused(f"{host} has not shown that it knows the password")
        refusal = _refusal(host, answer) + _reason(exchange)
        tries += 1
        # Many servers offer SCRAM also to accounts of which they know no verifier.
        tried += _SCRAM if exchange.mechanism in _SCRAM else [exchange.mechanism]
    if not tries:
        command = plainly() if login.means == "password" else None
        if command is None:
            raise _no_way(host, login, secure=secure)
        answer = yield from command
        if answer.ok:
            return
        refusal = _refusal(host, answer)
    what = "user or password" if login.means == "password" else login.means
    raise SignInRefused(f"{host} refuses the {what}: {refusal}")


def _refusal(host: str, answer: Answer) -> str:
    """Raises Refused where it says nothing of the password."""
    if answer.passes:
        raise Refused(f"{host} takes no sign-in now: {answer.text}", answer.code)
    return answer.text


def _no_way(host: str, login: ClientLogin, *, secure: bool) -> SignInRefused:
    safe = "" if secure else " without TLS"
    match login.means:
        case "token":
            ways = "sign-in with a token (OAUTHBEARER, XOAUTH2)"
        case "certificate":
            ways = "sign-in with this certificate (EXTERNAL)"
        case _:
            return SignInRefused(f"{host} offers no way to sign in that is safe{safe}")
    return SignInRefused(f"{host} offers no {ways}{safe}")


def _reason(exchange: ClientExchange) -> str:
    """What it said of a token, in its own word (RFC 7628 §3.2.2: status)."""
    told = getattr(exchange, "reason", "")
    try:
        status = json.loads(told)["status"] if told else ""
    except (ValueError, LookupError, TypeError, RecursionError):
        status = ""
    return f" ({status})" if isinstance(status, str) and status else ""
