"""IMAPClient and aioimaplib, as programs use them."""

import asyncio
from datetime import datetime

from aioimaplib import IMAP4_SSL as AsyncClient
from e2e_harness import CLIENT_TIMEOUT, HOST, Account, Server, message
from imapclient import IMAPClient
from imapclient.imapclient import DRAFTS, JUNK, SENT, TRASH


def connected(server: Server, account: Account) -> IMAPClient:
    client = IMAPClient(
        HOST, server.port("imaps"), ssl_context=server.tls(), timeout=CLIENT_TIMEOUT
    )
    client.login(account.address, account.password)
    return client


def test_imapclient(server: Server, account: Account, token: str) -> None:
    with connected(server, account) as client:
        for name in ("UIDPLUS", "IDLE", "MOVE", "CONDSTORE", "QUOTA", "NAMESPACE", "SORT"):
            assert client.has_capability(name), name
        found = {use: client.find_special_folder(use) for use in (SENT, DRAFTS, TRASH, JUNK)}
        assert None not in found.values()
        when = datetime(2026, 11, 23, 9, 0, 0)
        for number in (2, 1, 3):
            client.append("INBOX", message(f"{token}-{number}"), [rb"\Seen"], when)
        assert client.select_folder("INBOX")[b"EXISTS"] == 3
        assert client.search(["SUBJECT", token]) == [1, 2, 3]
        assert client.search(["BODY", "Hello", "NOT", "SUBJECT", f"{token}-2"]) == [2, 3]
        assert client.sort("SUBJECT") == [2, 1, 3]
        rows = client.fetch([1, 2, 3], ["ENVELOPE", "FLAGS", "BODYSTRUCTURE", "INTERNALDATE"])
        assert rows[1][b"ENVELOPE"].subject == f"{token}-2".encode()
        assert rows[1][b"INTERNALDATE"] == when
        changed = client.add_flags([2], [b"work", rb"\Flagged"], silent=False)
        assert {b"work", rb"\Flagged", rb"\Seen"} <= set(changed[2])
        client.move([1], found[TRASH])
        client.copy([3], found[DRAFTS])
        client.delete_messages([2])
        client.expunge()
        assert client.folder_status("INBOX", ["MESSAGES"])[b"MESSAGES"] == 1
        client.idle()
        with connected(server, account) as other:
            other.append("INBOX", message(f"{token}-4"))
        told: list[object] = []
        while (2, b"EXISTS") not in told:
            told += client.idle_check(CLIENT_TIMEOUT)
            assert told, "never told"
        client.idle_done()
        assert client.search(["ALL"]) == [3, 4]


def test_aioimaplib(server: Server, account: Account, token: str) -> None:
    async def use() -> None:
        client = AsyncClient(
            HOST, server.port("imaps"), ssl_context=server.tls(), timeout=CLIENT_TIMEOUT
        )
        await client.wait_hello_from_server()
        await client.login(account.address, account.password)
        assert client.has_capability("IDLE")
        assert (await client.select("INBOX")).result == "OK"
        idle = await client.idle_start(timeout=CLIENT_TIMEOUT)
        with server.smtp() as sender:
            await asyncio.to_thread(
                sender.sendmail, "eve@elsewhere.test", [account.address], message(token)
            )
        while b"1 EXISTS" not in await client.wait_server_push(CLIENT_TIMEOUT):
            pass
        client.idle_done()
        await asyncio.wait_for(idle, CLIENT_TIMEOUT)
        found = await client.uid_search(f"SUBJECT {token}")
        assert found.lines[0] == b"1"
        result, lines = await client.uid("fetch", "1", "(BODY.PEEK[])")
        assert result == "OK"
        assert token.encode() in b"".join(bytes(line) for line in lines)
        assert (await client.uid("move", "1", "Archive")).result == "OK"
        await client.logout()

    asyncio.run(use())
    assert len(server.bodies(account, "Archive")) == 1
