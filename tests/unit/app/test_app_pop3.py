"""From the settings file to what POP3 clients are told by CAPA."""

from pathlib import Path

import pytest

from mailsuite.app.pop3 import pop3_settings
from mailsuite.config import parse
from mailsuite.pop3d import Policies, Policy


def policies(text: str) -> Policies:
    config = parse(text, Path("mailsuite.yaml")).config
    return pop3_settings(config, "mail.example.org", None, plain_auth=False).policies


def test_nothing_said_nothing_expires() -> None:
    found = policies("")
    assert found.capabilities(None) == found.capabilities("a@example.org") == ["EXPIRE NEVER"]


def test_exceptions_hold_for_addresses_in_any_case_the_last_one_first() -> None:
    found = policies(
        "pop3:\n  expire: 30\n  login_delay: 2s\n  exceptions:\n"
        "    - accounts: [Old@Example.ORG, two@example.org]\n      login_delay: 5m\n"
        "    - {accounts: two@example.org, expire: 7}\n"
    )
    assert found.of("else@example.org") == Policy(30, 2)
    assert found.of("old@example.org") == Policy(None, 300)
    assert found.of("two@example.org") == Policy(7, 0)
    assert found.capabilities(None) == ["EXPIRE 7 USER", "LOGIN-DELAY 300 USER"]
    assert found.capabilities("two@example.org") == ["EXPIRE 7", "LOGIN-DELAY 0"]
    assert found.capabilities("old@example.org") == ["EXPIRE NEVER", "LOGIN-DELAY 300"]


@pytest.mark.parametrize("days", [0, 1])
def test_the_same_for_all_needs_no_second_look(days: int) -> None:
    found = policies(f"pop3: {{expire: {days}, login_delay: 60s}}")
    assert found.capabilities(None) == [f"EXPIRE {days}", "LOGIN-DELAY 60"]
