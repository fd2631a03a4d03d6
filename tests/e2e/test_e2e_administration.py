"""Quotas set at the command line while the server runs, and folders that users share."""

import smtplib
from collections.abc import Callable

import pytest
from e2e_harness import Account, Server, eventually, message


def test_a_quota_holds_at_once_at_every_door(
    server: Server, account: Account, friend: Account, token: str
) -> None:
    quota = ("user", "quota", account.address, "--data", str(server.data))
    with server.imap(account) as client:
        assert client.append("INBOX", None, None, message("first"))[0] == "OK"
        done = server.mailsuite(*quota, "--messages", "1")
        assert b"1 messages; in use: " in done.stdout
        answer, found = client.append("INBOX", None, None, message("second"))
        assert (answer, found[0][:11]) == ("NO", b"[OVERQUOTA]")
        answer, (_, limits) = client.getquotaroot("INBOX")
        assert limits == [f'"{account.address}" (MESSAGE 1 1)'.encode()]

        with server.smtp() as sender, pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            sender.sendmail("eve@elsewhere.test", [account.address], message("third"))
        (code, text) = refused.value.recipients[account.address]
        assert (code, text[:5]) == (452, b"4.2.2")

        # Our own users' mail waits in the queue until there is room.
        with server.smtp("submission", friend) as sender:
            sender.sendmail(
                friend.address, [account.address], message(token, sender=friend.address)
            )

        why = f"mailbox of {account.address} is full"
        eventually(lambda: why in server.log(), "the message waits", more=server.log)
        client.select("INBOX")
        client.store("1", "+FLAGS", r"\Deleted")
        client.expunge()
        server.mailsuite("queue", "retry", "--all", "--data", str(server.data))
        server.wait_for(account, token)
        server.mailsuite(*quota, "--none")
        assert client.append("INBOX", None, None, message("fourth"))[0] == "OK"
    shown = server.mailsuite("user", "show", account.address, "--data", str(server.data)).stdout
    assert b"2 messages" in shown


def test_two_users_share_a_folder(
    server: Server, account: Account, friend: Account, token: str
) -> None:
    shared = f'"Other Users/{account.address}/Work"'
    with server.imap(account) as owner, server.imap(friend) as guest:
        owner.create("Work")
        owner.append("Work", None, None, message(token))
        assert guest.select(shared)[0] == "NO"
        assert owner.setacl("Work", friend.address, "lrswi")[0] == "OK"
        assert guest.namespace()[1] == [b'(("" "/")) (("Other Users/" "/")) NIL']
        assert f'(\\HasNoChildren) "/" {shared}'.encode() in guest.list('"Other Users/"', "*")[1]
        assert guest.myrights(shared)[1] == [f"{shared} lrswi".encode()]
        assert guest.select(shared) == ("OK", [b"1"])
        assert guest.copy("1", "INBOX")[0] == "OK"
        guest.store("1", "+FLAGS", r"\Flagged")
        owner.select("Work")
        assert rb"\Flagged" in owner.fetch("1", "(FLAGS)")[1][0]
        assert guest.getacl(shared)[0] == "NO"
        assert owner.deleteacl("Work", friend.address)[0] == "OK"
    assert any(token.encode() in body for body in server.bodies(friend))


def test_shared_folders_outlive_a_crash(make_server: Callable[..., Server]) -> None:
    server = make_server("--user=ann@example.test:1", "--user=ben@example.test:2").start()
    ann, ben = Account("ann@example.test", "1"), Account("ben@example.test", "2")
    shared = f'"Other Users/{ann.address}/Work"'
    with server.imap(ann) as owner, server.imap(ben) as guest:
        owner.create("Work")
        owner.setacl("Work", ben.address, "lrswite")
        assert guest.append(shared, None, None, message("kept"))[0] == "OK"
        guest.select(shared)
        assert guest.copy("1", "Archive")[0] == "OK"
    server.kill()
    for lost in (server.data / "mail").rglob("index.db*"):
        lost.unlink()
    (server.data / "mail" / "mailsuite.sharing").unlink()
    server.start()
    with server.imap(ben) as guest:
        assert guest.select(shared) == ("OK", [b"1"])
    assert len(server.bodies(ben, "Archive")) == 1
    server.stop()
