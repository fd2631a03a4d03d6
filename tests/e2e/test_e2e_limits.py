"""Limits of a running server, as clients see them, before and after a reload."""

import imaplib
import signal
import smtplib
from pathlib import Path

import pytest
from e2e_harness import ProductionServer, eventually, message


def test_limits_hold_and_change_with_a_reload(tmp_path: Path) -> None:
    limits: dict[str, object] = {"connections_per_address": 1, "recipients": 100}
    server = ProductionServer(tmp_path, limits=limits | {"max_message_size": "64 kB"})
    server.manage("domain", "add", "one.test")
    server.manage("user", "add", "ann@one.test", "--password-stdin", stdin=b"ann's secret\n")
    server.start()
    try:
        # Each has gone before the next comes: the server says QUIT's answer, then closes.
        first = eventually(lambda: greeted(server), "a free place")
        first.ehlo()
        assert first.esmtp_features["size"] == "64000"
        assert first.esmtp_features["limits"] == "MAILMAX=10000 RCPTMAX=100"
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            smtplib.SMTP("localhost", server.port("smtp"), timeout=60)
        assert refused.value.smtp_code == 421 and b"Too many" in refused.value.smtp_error
        # Another protocol's connections are counted by themselves.
        imaplib.IMAP4("localhost", server.port("imap")).logout()
        large = message("large", "x" * 990 + "\r\n" + "y\r\n" * 30_000)
        with pytest.raises(smtplib.SMTPSenderRefused) as too_large:
            first.sendmail("eve@elsewhere.test", ["ann@one.test"], large)
        assert too_large.value.smtp_code == 552 and b"5.3.4" in too_large.value.smtp_error
        many = [f"ann+{number}@one.test" for number in range(160)]
        sent = first.sendmail("eve@elsewhere.test", many, message("many"))
        assert len(sent) == 60 and {code for code, _ in sent.values()} == {452}
        server.configure(limits={"connections_per_address": 2, "messages_per_connection": 1})
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: "settings reloaded" in server.log(), "the log line", more=server.log)
        with smtplib.SMTP("localhost", server.port("smtp"), timeout=60) as second:
            second.ehlo()
            assert second.esmtp_features["limits"] == "MAILMAX=1 RCPTMAX=1000"
            second.sendmail("eve@elsewhere.test", ["ann@one.test"], message("one"))
            assert second.mail("eve@elsewhere.test") == (
                421,
                b"4.7.0 localhost Too many messages in one session, reconnect",
            )
        first.close()
    finally:
        server.stop(signal.SIGTERM)
    assert "Traceback" not in server.log(), server.log()


def greeted(server: ProductionServer) -> smtplib.SMTP | None:
    """A session, once those that looked whether the server is ready are forgotten."""
    try:
        return smtplib.SMTP("localhost", server.port("smtp"), timeout=60)
    except smtplib.SMTPConnectError:
        return None
