"""Verbs that a person types: VERB, VRFY, EXPN, HELP, over a real queue and mailboxes."""

import re

from e2e_harness import Account, Server, message


def test_verb_tells_each_recipients_outcome(server: Server, account: Account, token: str) -> None:
    with server.smtp("submission", account) as client:
        assert client.docmd("VERB")[0] == 250
        assert client.mail(account.address)[0] == 250
        for recipient in (account.address, "far@elsewhere.test"):
            assert client.rcpt(recipient)[0] == 250
        code, text = client.data(message(token, sender=account.address))
    assert code == 250
    lines = text.decode().splitlines()
    assert re.fullmatch(r"2\.0\.0 Ok: queued as \w+", lines[0])
    assert lines[1].startswith(f"2.0.0 <{account.address}> done: delivered to {account.address}")
    assert lines[2].startswith("2.0.0 <far@elsewhere.test> done: ") and len(lines) == 3
    assert server.bodies(account), "it is there when the reply says so"


def test_vrfy_expn_and_help(server: Server, account: Account) -> None:
    name = account.address.partition("@")[0]
    with server.smtp("submission", account) as client:
        assert client.verify(name) == (250, f"2.1.5 <{account.address}>".encode())
        assert client.expn(account.address) == (250, f"2.1.5 <{account.address}>".encode())
        verbs = client.help().decode().split()
        assert {"EXPN", "VERB", "AUTH", "BDAT"} <= set(verbs)
        assert b"Syntax: VERB" in client.help("verb")
    with server.smtp("smtp") as stranger:
        stranger.ehlo()
        assert stranger.verify(name)[0] == 252 and stranger.expn(name)[0] == 502
