"""From the settings file to the ESMTP doors: who may fetch which mail, and where it is taken."""

from pathlib import Path

import pytest

from mailsuite.app.smtp import smtp_settings
from mailsuite.config import Endpoint, parse
from mailsuite.smtpd import Settings

ATRN = """
relay:
  atrn:
    - {account: Branch@B.test, domains: [a.test, .a.test]}
    - {account: branch@b.test, domains: c.test, held: false}
"""


def settings(protocol: str) -> Settings:
    config = parse(ATRN, Path("/etc/mailsuite/mailsuite.yaml")).config
    endpoint = Endpoint(protocol, protocol, "127.0.0.1", 1, "starttls")
    return smtp_settings(config, "here.test", endpoint, plain_auth=False)


@pytest.mark.parametrize("protocol", ["submission", "odmr"])
def test_hosts_fetch_where_they_sign_in(protocol: str) -> None:
    found = settings(protocol)
    assert found.on_demand == {"branch@b.test": {"a.test", ".a.test", "c.test"}}
    assert not found.relayed and found.sign_in and found.odmr is (protocol == "odmr")


def test_their_mail_is_taken_where_other_servers_bring_it() -> None:
    assert settings("smtp").relayed == {"a.test", ".a.test", "c.test"}
    assert not settings("smtp").on_demand
    # LMTP never relays.
    assert not settings("lmtp").relayed and not settings("lmtp").on_demand
