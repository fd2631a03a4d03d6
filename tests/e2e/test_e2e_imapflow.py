"""imapflow, a client for Node: QRESYNC, COMPRESS, IDLE, special uses, search, append, move."""

import json
import subprocess
import threading
from pathlib import Path

import pytest
from e2e_harness import CLIENT_TIMEOUT, HOST, Account, Server, environment, message

NODE = Path(__file__).parent / "node"

# `npm install --prefix tests/e2e/node`, which .ci/run does
pytestmark = pytest.mark.client("node", NODE / "node_modules" / "imapflow")


def test_imapflow(server: Server, account: Account, token: str) -> None:
    given = {
        "host": HOST,
        "port": server.port("imaps"),
        "ca": server.ca_file,
        "user": account.address,
        "password": account.password,
        "token": token,
    }
    process = subprocess.Popen(
        ["node", str(NODE / "imapflow_client.js"), json.dumps(given)],
        env=environment(server.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    limit = threading.Timer(CLIENT_TIMEOUT, process.kill)
    limit.start()
    said = []
    try:
        for line in process.stdout:
            said.append(line.strip())
            match said[-1]:
                case "idling":
                    with server.smtp() as client:
                        client.sendmail("eve@elsewhere.test", [account.address], message(token))
                case "flag it":
                    with server.imap(account) as other:
                        other.select()
                        other.store("1", "+FLAGS", r"(\Flagged)")
                case "expunge it":
                    with server.imap(account) as other:
                        other.select("Trash")
                        other.store("1", "+FLAGS", r"(\Deleted)")
                        other.expunge()
        _, errors = process.communicate()
    finally:
        limit.cancel()
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    assert said == ["idling", "flag it", "expunge it", "done"], errors
    assert server.bodies(account, "Drafts") == [b"Subject: draft\r\n\r\nNot yet.\r\n"]
