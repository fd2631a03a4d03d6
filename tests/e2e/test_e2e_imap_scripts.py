"""IMAP from the script languages: Perl's Mail::IMAPClient, Ruby's net-imap, and offlineimap."""

from pathlib import Path

import pytest
from e2e_harness import Account, Server, message

PERL = r"""
use strict; use warnings; use Mail::IMAPClient;
my ($port, $ca, $user, $password) = @ARGV;
my $c = Mail::IMAPClient->new(Server => '127.0.0.1', Port => $port, User => $user,
  Password => $password, Uid => 1, Peek => 1, Ssl => ['SSL_ca_file', $ca]) or die $@;
sub say_(@) { print join(' ', map { $_ // 'undef' } @_), "\n" }
$c->create('Perl') or die; $c->select('Perl') or die;
say_ 'uid', $c->append_string('Perl', "Subject: one\r\n\r\nbody\r\n", '\\Seen');
say_ 'uid', $c->append_string('Perl', "Subject: two\r\n\r\nbody two\r\n");
say_ 'count', $c->message_count('Perl'), $c->unseen_count;
my @all = $c->search('ALL'); say_ 'found', @all, '|', $c->search('SUBJECT', \'two');
my $flags = $c->fetch_hash('FLAGS'); say_ 'flags', $flags->{1}{FLAGS};
say_ 'subject', $c->get_header(2, 'Subject'), $c->get_envelope(1)->subject;
say_ 'type', $c->get_bodystructure(1)->bodytype; print $c->body_string(2);
say_ 'sorted', $c->sort('REVERSE SUBJECT', 'UTF-8', 'ALL');
my $idle = $c->idle or die; $c->done($idle) or die;
$c->copy('INBOX', @all) or die; $c->move('Archive', 1) or die;
$c->expunge; say_ 'left', $c->messages;
$c->rename('Perl', 'Pearl') or die; $c->delete('Pearl') or die; $c->logout or die;
"""
RUBY = r"""
require 'net/imap'
port, ca, user, password = ARGV
c = Net::IMAP.new('127.0.0.1', port: port.to_i, ssl: {ca_file: ca})
c.login(user, password)
c.create('Ruby'); c.select('Ruby')
c.append('Ruby', "Subject: one\r\n\r\nbody\r\n", [:Seen], Time.now)
c.append('Ruby', "From: =?utf-8?q?=C3=A4?= <a@b.test>\r\nSubject: two\r\n" \
  "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n" \
  "--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--x--\r\n")
p c.search(['ALL']), c.uid_search('UNSEEN'), c.sort(['REVERSE', 'SUBJECT'], ['ALL'], 'UTF-8')
p c.thread('REFERENCES', ['ALL'], 'UTF-8').map { |one| one.seqno }
one, two = c.fetch(1..2, ['UID', 'FLAGS', 'ENVELOPE', 'BODYSTRUCTURE', 'BODY.PEEK[TEXT]'])
p one.attr['FLAGS'].sort, two.attr['BODYSTRUCTURE'].parts.map { |part| part.media_type }
p two.attr['ENVELOPE'].from.first.mailbox, one.attr['BODY[TEXT]']
p c.list('', 'A%').first.attr.sort, c.namespace.personal.first.delim
p c.getquotaroot('INBOX').size, c.getacl('Ruby').first.user
c.uid_store(1, '+FLAGS', [:Deleted]); c.uid_copy(2, 'INBOX'); c.uid_move(2, 'Archive')
p c.expunge, c.status('Archive', ['MESSAGES'])
c.idle(0.05) {}
c.close; c.delete('Ruby'); c.logout
"""
OFFLINEIMAP = """
[general]
accounts = one
metadata = {folder}/state
ui = basic
[Account one]
localrepository = here
remoterepository = there
[Repository here]
type = Maildir
localfolders = {folder}/mail
[Repository there]
type = IMAP
remotehost = localhost
remoteport = {port}
remoteuser = {account.address}
remotepass = {account.password}
ssl = yes
sslcacertfile = {ca}
folderfilter = lambda name: name in ('INBOX', 'Drafts')
"""


@pytest.mark.client(Path("/usr/share/perl5/Mail/IMAPClient"))
def test_perl(server: Server, account: Account) -> None:
    told = server.run(
        *("perl", "-e", PERL, str(server.port("imaps")), server.ca_file),
        *(account.address, account.password),
    )
    assert told.stdout.decode().splitlines() == [
        *("uid 1", "uid 2", "count 2 1", "found 1 2 | 2", r"flags \Seen \Recent"),
        *("subject two one", "type TEXT", "body two", "sorted 2 1", "left 2"),
    ]


@pytest.mark.client("ruby")
def test_ruby(server: Server, account: Account) -> None:
    told = server.run(
        *("ruby", "-e", RUBY, str(server.port("imaps")), server.ca_file),
        *(account.address, account.password),
    )
    assert told.stdout.decode().splitlines() == [
        *("[1, 2]", "[2]", "[2, 1]", "[1, 2]"),
        *("[:Recent, :Seen]", '["TEXT", "MESSAGE"]', '"a"', r'"body\r\n"'),
        *("[:Archive, :Hasnochildren]", '"/"', "2", f'"{account.address}"'),
        *("[2, 1]", '{"MESSAGES"=>1}'),  # what MOVE took away is told here as well
    ]


@pytest.mark.client("offlineimap")
def test_offlineimap(server: Server, account: Account, token: str, tmp_path: Path) -> None:
    """Both ways: mail comes down, flags and new mail go up."""
    port, ca = server.port("imaps"), server.ca_file
    settings = tmp_path / "offlineimaprc"
    settings.write_text(OFFLINEIMAP.format(folder=tmp_path, port=port, account=account, ca=ca))
    with server.imap(account) as client:
        client.append("INBOX", "", "", message(token))
        server.run("offlineimap", "-c", settings, "-o")
        (fetched,) = (tmp_path / "mail" / "INBOX").glob("[nc]*/*")
        assert fetched.read_bytes().replace(b"\n", b"\r\n").endswith(b"\r\n\r\nHello.\r\n")
        base = fetched.name.partition(":")[0]
        fetched.rename(fetched.parents[1] / "cur" / f"{base}:2,FS")
        draft = tmp_path / "mail" / "Drafts" / "new" / "1.1.here"
        draft.write_bytes(message("draft").replace(b"\r\n", b"\n"))
        server.run("offlineimap", "-c", settings, "-o")
        client.select("INBOX", readonly=True)
        (flags,) = client.fetch("1", "(FLAGS)")[1]
        assert b"\\Flagged" in flags
        assert b"\\Seen" in flags
    assert len(server.bodies(account, "Drafts")) == 1
