"""From the settings file to the relay: which courier, which rule, which password."""

from pathlib import Path

import pytest

from mailsuite.app.outbound import Outbound, relay_settings
from mailsuite.base.clock import SystemClock
from mailsuite.base.errors import UserError
from mailsuite.base.tasks import Threads
from mailsuite.config import Config, parse
from mailsuite.relay import Rule, Smarthost
from mailsuite.sasl import ClientLogin


def config(text: str, folder: Path) -> Config:
    return parse(text, folder / "mailsuite.yaml").config


def outbound(text: str, folder: Path) -> Outbound:
    threads = Threads("test", 1)
    text = f"data: {folder}\ndns: {{nameservers: 127.0.0.1}}\n{text}"
    try:
        given = config(text, folder)
        return Outbound(given, "here.test", own=[], clock=SystemClock(), threads=threads)
    finally:
        threads.close()


@pytest.mark.parametrize(
    ("mode", "held", "courier"),
    [
        ("direct", "true", "on-demand"),
        ("direct", "false", "relay"),
        ("capture", "false", "on-demand"),
        ("allowlist", "false", "on-demand"),
    ],
)
async def test_mail_of_hosts_that_fetch_it(
    tmp_path: Path, mode: str, held: str, courier: str
) -> None:
    atrn = f"{{account: a@here.test, domains: [far.test, .far.test], held: {held}}}"
    found = outbound(f"outbound: {mode}\nrelay: {{atrn: [{atrn}]}}", tmp_path)
    assert found.choose("A@Far.test.") == courier == found.choose("a@x.far.test")
    assert found.choose("a@xfar.test") == ("relay" if mode == "direct" else "capture")
    assert found.choose("a@far.test", released=True) == ("relay" if held == "false" else courier)
    await found.close()


@pytest.mark.parametrize(
    ("text", "courier"),
    [
        ("", "relay"),
        ("outbound: direct", "relay"),
        ("outbound: smarthost\nrelay: {smarthost: {host: 192.0.2.1}}", "relay"),
        ("outbound: capture", "capture"),
        ("outbound: allowlist", "capture"),
        ("outbound: allowlist\nrelay: {allow: far.test}", "relay"),
        ("outbound: allowlist\nrelay: {allow: .test}", "relay"),
        ("outbound: allowlist\nrelay: {allow: .far.test}", "capture"),
        ("outbound: allowlist\nrelay: {allow: a@far.test}", "relay"),
        ("outbound: allowlist\nrelay: {allow: b@far.test}", "capture"),
    ],
)
async def test_who_takes_it(tmp_path: Path, text: str, courier: str) -> None:
    found = outbound(text, tmp_path)
    assert found.choose("A@Far.test.") == courier
    assert found.choose("A@Far.test.", released=True) == "relay"
    await found.close()


def test_rules_with_passwords(tmp_path: Path) -> None:
    file = tmp_path / "words"
    file.write_text("smtp.net alice a b\n192.0.2.1:26 bob c\n")
    file.chmod(0o600)
    text = """
outbound: smarthost
relay:
  credentials: words
  smarthost: {host: SMTP.net, port: 465, tls: implicit}
  tls: require
  port: 26
  destinations:
    - domains: [a.test, .b.test]
      smarthost: {host: 192.0.2.1, port: 26, tls: "off", protocol: lmtp}
    - {domains: c.test, tls: verify}
"""
    found = relay_settings(config(text, tmp_path), "here.test", [("0.0.0.0", 25)])
    all_mail = Smarthost("smtp.net", 465, "verify", True, ClientLogin("alice", "a b"))
    branch = Smarthost("192.0.2.1", 26, "off", False, ClientLogin("bob", "c"), True)
    assert found.rule("x.test") == Rule(all_mail, "require")
    assert found.rule("a.test").smarthost == branch == found.rule("x.y.b.test").smarthost
    assert found.rule("b.test").smarthost == all_mail
    assert found.rule("c.test") == Rule(None, "verify")
    assert found.port == 26 and ("0.0.0.0", 25) in found.own
    direct = relay_settings(config("relay: {smarthost: {host: x.test}}", tmp_path), "h", [])
    assert direct.default == Rule()


def test_files_that_are_not_there_are_the_operators_matter(tmp_path: Path) -> None:
    for text in ("relay: {credentials: none}", "relay: {ca_file: none}"):
        with pytest.raises(UserError, match="none: no such file"):
            outbound(text, tmp_path)


async def test_other_settings_while_it_runs(tmp_path: Path) -> None:
    found = outbound("relay: {port: 26}", tmp_path)
    head = f"data: {tmp_path}\n"
    later = config(f"{head}outbound: allowlist\nrelay: {{allow: far.test, port: 27}}", tmp_path)
    prepared = found.prepare(later)
    assert found.choose("a@elsewhere.test") == "relay", "nothing is in force yet"
    found.apply(prepared)
    assert found.choose("a@elsewhere.test") == "capture"
    assert found.choose("a@far.test") == "relay"
    assert found.courier.settings.port == 27
    with pytest.raises(UserError, match="none: no such file"):
        found.prepare(config(f"{head}relay: {{credentials: none}}", tmp_path))
    assert found.courier.settings.port == 27
    await found.close()
