"""interimap keeps mailboxes the same by QRESYNC, over COMPRESS; imapfilter runs rules over IMAP."""

import re
from pathlib import Path

import pytest
from e2e_harness import Account, Server, message

CONFIG = """\
database = {folder}/state
list-mailbox = INBOX
[local]
type = imap
host = localhost
port = {imap}
STARTTLS = YES
username = {one.address}
password = {one.password}
SSL_CAfile = {ca}
compress = YES
[remote]
type = imaps
host = localhost
port = {imaps}
username = {other.address}
password = {other.password}
SSL_CAfile = {ca}
compress = YES
"""
RULES = """
options.create = true
here = IMAP {{ server = 'localhost', port = {imap}, username = '{account.address}',
  password = '{account.password}' }}
new = here.INBOX:is_unseen() * here.INBOX:contain_subject('{token}')
print('new', #new)
old = new * here.INBOX:arrived_before('02-Jan-2020')
print('old', #old)
old:mark_flagged()
old:move_messages(here['Kept/{token}'])
print('kept', #here['Kept/{token}']:is_flagged(), #here.INBOX:select_all())
"""


def state(server: Server, account: Account) -> set[tuple[str, frozenset[str]]]:
    """Subject and flags of each message in the INBOX."""
    with server.imap(account) as imap:
        imap.select(readonly=True)
        _, rows = imap.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    found = set()
    for row in rows:
        if isinstance(row, tuple):
            flags = re.search(rb"FLAGS \(([^)]*)\)", row[0])
            assert flags is not None
            kept = frozenset(flags[1].decode().split()) - {r"\Recent"}
            found.add((row[1].decode().strip(), kept))
    return found


@pytest.mark.client("interimap")
def test_two_accounts(server: Server, account: Account, friend: Account, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        CONFIG.format(
            folder=tmp_path,
            imap=server.port("imap"),
            imaps=server.port("imaps"),
            one=account,
            other=friend,
            ca=server.ca_file,
        )
    )
    config.chmod(0o600)
    both = (account, friend)
    for number, each in enumerate(both):
        with server.imap(each) as imap:
            for letter in "abc":
                octets = b"Subject: %b%d\r\n\r\nbody\r\n" % (letter.encode(), number)
                imap.append("INBOX", r"(\Flagged)", None, octets)
    server.run("interimap", "--config", config)
    first = state(server, account)
    assert len(first) == 6
    assert state(server, friend) == first
    # Flags and expunges on both sides, and new mail.
    for number, each in enumerate(both, 1):
        with server.imap(each) as imap:
            imap.select()
            imap.store(str(number), "+FLAGS.SILENT", r"(\Deleted)")
            imap.expunge()
            imap.store(str(number + 2), "+FLAGS.SILENT", r"(\Answered $Forwarded)")
            imap.append("INBOX", None, None, b"Subject: new %d\r\n\r\nbody\r\n" % number)
    server.run("interimap", "--config", config)
    second = state(server, account)
    assert len(second) == 6
    assert state(server, friend) == second
    assert {frozenset(), frozenset({r"\Flagged", r"\Answered", "$Forwarded"})} <= {
        flags for _, flags in second
    }
    server.run("interimap", "--config", config)
    assert state(server, account) == state(server, friend) == second


@pytest.mark.client("imapfilter")
def test_rules(server: Server, account: Account, token: str, tmp_path: Path) -> None:
    with server.imap(account) as imap:
        for day in ("01-Jan-2020 23:30:00 -0800", "02-Jan-2020 00:30:00 +0900"):
            imap.append("INBOX", None, f'"{day}"', message(token))
        imap.append("INBOX", None, None, message("another"))
    rules = tmp_path / "rules.lua"
    rules.write_text(RULES.format(imap=server.port("imap"), account=account, token=token))
    done = server.run("imapfilter", "-t", server.ca_file, "-c", rules)
    # The day counts as it was told, whatever the zone (RFC 3501 §6.4.4).
    said = [line for line in done.stdout.decode().splitlines() if line[:3] in ("new", "old", "kep")]
    assert said == ["new\t2", "old\t1", "kept\t1\t2"]
