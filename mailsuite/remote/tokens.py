"""Access tokens for accounts on other servers: out of a file, a command, a token endpoint.

Promises: every wait ends and every answer is bounded; a token that is kept is asked for anew before
its time is over; no error shows a token. What goes wrong is a `RemoteError` for the operator.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import shlex
import signal
import ssl
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from mailsuite.base.tasks import committed
from mailsuite.net.http import HttpFailed, request
from mailsuite.remote.credential import RefreshToken, TokenCommand, TokenFile
from mailsuite.remote.errors import RemoteError, SignInRefused, Unreachable

MAX_TOKEN = 1 << 15  # octets
COMMAND_WAIT = 60.0  # seconds
END_WAIT = 5.0
HTTP_WAIT = 15.0
KEPT_WITHOUT_WORD = 300.0
"""Seconds that a token is kept of which nobody has said how long it is good."""
EARLY = 60.0
"""Seconds before its end that a token is not used any more."""
_TOKEN = re.compile(r"[!-~]+\Z")  # RFC 6749 appendix A.12, without the space
_CONTROL = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token endpoint gives.

    seconds  how long the token may be used
    refresh  with the refresh token to use from now on
    """

    token: str
    seconds: float
    refresh: RefreshToken


async def from_file(source: TokenFile) -> str:
    """Raises RemoteError."""

    def read() -> bytes:
        with Path(source.path).open("rb") as file:
            return file.read(MAX_TOKEN)

    try:
        octets = await asyncio.to_thread(read)
    except OSError as error:
        raise RemoteError(f"{source.path}: no access token: {error.strerror}") from error
    return _first_line(octets, source.path)


async def from_command(source: TokenCommand) -> str:
    """Raises RemoteError."""
    name = f"token command {_clean(source.command)}"
    try:
        program, *words = shlex.split(source.command) or [""]
        process = await asyncio.create_subprocess_exec(
            program, *words, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise RemoteError(f"{name}: {why}") from error
    try:
        async with asyncio.timeout(COMMAND_WAIT):
            said, complained = await _said(process)
            status = await process.wait()
    except TimeoutError:
        raise RemoteError(f"{name}: not done after {COMMAND_WAIT:.0f} s") from None
    finally:
        await committed(_end(process))
    if status != 0:
        *_, last = complained.decode("utf-8", "replace").strip().split("\n")
        raise RemoteError(f"{name}: exit status {status}" + (f": {_clean(last)}" if last else ""))
    return _first_line(said, name)


async def _end(process: Process) -> None:
    """What it has begun must not outlive it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_WAIT):
            await process.wait()


async def _said(process: Process) -> tuple[bytes, bytes]:
    """The beginning of what it writes to its output and to its error output, to their end."""
    assert process.stdout is not None and process.stderr is not None
    said, complained = await asyncio.gather(_read(process.stdout), _read(process.stderr))
    return said, complained


async def _read(stream: asyncio.StreamReader) -> bytes:
    found = b""
    while octets := await stream.read(MAX_TOKEN):
        found = (found + octets)[:MAX_TOKEN]
    return found


def _first_line(octets: bytes, name: str) -> str:
    line = octets.partition(b"\n")[0].strip().decode("ascii", "replace")
    if not _TOKEN.match(line):
        raise RemoteError(f"{name}: its first line is no access token")
    return line


# -- the token endpoint ----------------------------------------------------------------------------


async def refreshed(credential: RefreshToken, tls: ssl.SSLContext) -> Granted:
    """Ask for an access token (RFC 6749 §6).

    Raises SignInRefused where the refresh token is good for nothing any more, RemoteError where
    it may pass.
    """
    form = {"grant_type": "refresh_token", "refresh_token": credential.token}
    if credential.scope:
        form["scope"] = credential.scope
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if credential.client_secret:
        # RFC 6749 §2.3.1: every server takes Basic, each half encoded as in a form.
        pair = f"{quote(credential.client_id, '')}:{quote(credential.client_secret, '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    else:
        form["client_id"] = credential.client_id
    where = urlsplit(credential.endpoint).hostname or credential.endpoint
    try:
        answer = await request(
            credential.endpoint,
            tls=tls,
            body=urlencode(form).encode(),
            headers=headers,
            timeout=HTTP_WAIT,
        )
    except HttpFailed as error:
        raise Unreachable(f"no access token: {error}") from error
    found = _object(answer.body)
    if answer.status != 200:
        raise _refusal(where, answer.status, found)
    token, kind = found.get("access_token"), found.get("token_type")
    if not isinstance(token, str) or not _TOKEN.match(token) or len(token) > MAX_TOKEN:
        raise RemoteError(f"{where} answers without an access token")
    if isinstance(kind, str) and kind.lower() != "bearer":
        raise RemoteError(f"{where} gives a token of another type: {_clean(kind)}")
    new = found.get("refresh_token")
    if isinstance(new, str) and new:
        credential = replace(credential, token=new)
    return Granted(token, _seconds(found.get("expires_in")), credential)


def _refusal(where: str, status: int, found: dict[str, Any]) -> RemoteError:
    """RFC 6749 §5.2."""
    code = _clean(str(found.get("error", "")))
    told = _clean(str(found.get("error_description", "")))
    words = ": ".join(word for word in (code, told) if word) or f"status {status}"
    match code:
        case "invalid_grant":
            return SignInRefused(
                f"{where} takes the refresh token no more ({words}): get a new one, then"
                " `mailsuite fetch login`"
            )
        case "invalid_client" | "unauthorized_client":
            return SignInRefused(f"{where} does not take this client id or secret ({words})")
        case "invalid_scope":
            return SignInRefused(f"{where} does not give this scope ({words})")
    return RemoteError(f"{where} gives no access token: {words}")


def _object(octets: bytes) -> dict[str, Any]:
    try:
        found = json.loads(octets)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(told: object) -> float:
    """Some providers write the number as a text."""
    if isinstance(told, str) and told.isascii() and told.isdigit():
        told = int(told[:10])
    if isinstance(told, bool) or not isinstance(told, int | float) or told <= 0:
        return KEPT_WITHOUT_WORD
    return float(told)


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()[:200]
