"""Body structures of messages with thousands of parts keep nobody else waiting."""

import threading
from pathlib import Path

import pytest
from imap_dialogue import Runner, settings

from mailsuite.imapd import structures

PARTS = 2000
PART = b"--b\r\nContent-Type: message/global\r\n\r\nSubject: x\r\n\r\nx\r\n"
MANY = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + PART * PARTS + b"--b--\r\n"


async def test_long_work_is_done_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[threading.Thread] = []
    real = structures.as_basic

    def watched(structure: bytes) -> bytes:
        seen.append(threading.current_thread())
        return real(structure)

    monkeypatch.setattr(structures, "as_basic", watched)
    async with Runner(tmp_path, None, settings()) as runner:
        await runner.put(MANY)
        client = await runner.signed_in("A", "EXAMINE INBOX")
        (response,) = await client.command("FETCH 1 (BODY UID BODYSTRUCTURE)")
        assert response.startswith(b'* 1 FETCH (BODY (("message" "global" NIL NIL NIL "7bit" 15)(')
        assert response.count(b'("message" "global" NIL NIL NIL "7bit" 15)') == PARTS
        assert b'"mixed") UID 1 BODYSTRUCTURE (("message" "global" ' in response
        assert (
            response.count(b'("message" "global" NIL NIL NIL "7bit" 15 NIL NIL NIL NIL)') == PARTS
        )
        assert len(seen) == 2
        assert threading.main_thread() not in seen
        # Of a small one, at once.
        await runner.put(MANY.replace(PART * PARTS, PART))
        await client.command("NOOP")
        (response,) = await client.command("FETCH 2 BODY")
        assert response == b'* 2 FETCH (BODY (("message" "global" NIL NIL NIL "7bit" 15) "mixed"))'
        assert seen[2:] == [threading.main_thread()]
        # And a client that has enabled it is shown all of it (RFC 9755 §6).
        await client.command("ENABLE UTF8=ACCEPT")
        (response,) = await client.command("FETCH 2 BODY")
        assert b'"7bit" 15 (NIL "x" ' in response
