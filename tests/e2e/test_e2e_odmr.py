"""On-demand mail relay: fetchmail brings a domain's mail from one server to another (RFC 2645)."""

import json
import signal
import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_harness import (
    Account,
    Listener,
    ProductionServer,
    eventually,
    free_ports,
    message,
    without_trace,
)

pytestmark = pytest.mark.client("fetchmail")


class Provider(ProductionServer):
    """Has mail for branch.test, and for what is below it, which the account branch fetches."""

    def __init__(self, folder: Path, tls: str = "none", **settings: object) -> None:
        super().__init__(folder)
        self.account = Account("branch@provider.test", "branch's secret")
        (port,) = free_ports(1)
        self.listeners["odmr"] = Listener("odmr", "127.0.0.1", port, tls)
        door = {"protocol": "odmr", "address": "127.0.0.1", "port": port, "tls": tls}
        self._doors.append(door)
        domains = ["branch.test", ".branch.test"]
        relay = {"atrn": [{"account": self.account.address, "domains": domains}]}
        self.settings: dict[str, object] = {"relay": relay} | settings
        self.configure(**self.settings)
        self.manage("domain", "add", "provider.test")
        password = f"{self.account.password}\n".encode()
        for words in (("user", "add", self.account.address),):
            self.manage(*words, "--password-stdin", stdin=password)
        self.manage(
            *("user", "legacy-auth", self.account.address, "on", "--password-stdin"),
            stdin=password,
        )

    def bring(self, to: str, octets: bytes) -> None:
        """Mail from anybody."""
        with smtplib.SMTP("127.0.0.1", self.port("smtp"), timeout=60) as client:
            client.sendmail("eve@elsewhere.test", [to], octets)

    def queue(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.manage("queue", "list", "--json").stdout)
        return found

    def fetch(
        self, folder: Path, to: int, *domains: str, expect: int | None = 0, security: str = ""
    ) -> str:
        """fetchmail at the branch, whose own server is at the port `to`."""
        config = folder / "fetchmailrc"
        config.write_text(
            f"poll 127.0.0.1 protocol ODMR port {self.port('odmr')}\n"
            f'  user "{self.account.address}" password "{self.account.password}"\n'
            f"  smtphost 127.0.0.1/{to} fetchdomains {' '.join(domains)} {security}\n"
        )
        config.chmod(0o600)
        done = self.run(
            *("fetchmail", "--fetchmailrc", config, "--nodetach", "--nosyslog", "-v", "-v"),
            *("--pidfile", folder / "pid", "--idfile", folder / "ids"),
            expect=expect,
        )
        return (done.stdout + done.stderr).decode(errors="replace")


Make = Callable[..., Provider]


@pytest.fixture
def make_provider(tmp_path: Path) -> Iterator[Make]:
    made: list[Provider] = []

    def make(**settings: Any) -> Provider:
        made.append(Provider(tmp_path / f"provider{len(made)}", **settings).start())
        return made[-1]

    yield make
    for server in made:
        if server.is_running:
            server.stop(signal.SIGTERM)
        assert "Traceback" not in server.log(), server.log()


def test_from_one_server_to_another(make_provider: Make, tmp_path: Path, token: str) -> None:
    provider = make_provider()
    branch = ProductionServer(tmp_path / "branch")
    branch.manage("domain", "add", "branch.test")
    ann = Account("ann@branch.test", "ann's secret")
    branch.manage("user", "add", ann.address, "--password-stdin", stdin=b"ann's secret\n")
    branch.start()
    try:
        assert "You have no mail" in provider.fetch(tmp_path, branch.port("smtp"), "branch.test")
        sent = message(token, "Dear Ann,\r\n.\r\n..dots\r\nGr\r\n")
        provider.bring(ann.address, sent)
        assert "Turnaround now" in provider.fetch(tmp_path, branch.port("smtp"), "branch.test")
        stored = branch.wait_for(ann, token)
        assert without_trace(stored, sent)
        eventually(lambda: not provider.queue(), "handed over", more=provider.log)
    finally:
        branch.stop(signal.SIGTERM)
