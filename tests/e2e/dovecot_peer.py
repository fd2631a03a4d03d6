"""Dovecot, as another mail server: IMAP and POP3 on loopback over a Maildir of the test's.

Needs root, since Dovecot changes its user. Everything lies in one folder.
"""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from e2e_harness import eventually, free_ports

OWNER = "nobody"
USER = "remote@old.test"
PASSWORD = "old-secret"


class Dovecot:
    """``with make_dovecot() as dovecot``; `dovecot.maildir` has its mail, also after the block."""

    def __init__(
        self,
        *,
        certificate: tuple[Path, Path] | None = None,
        users_ca: Path | None = None,
        introspection: str = "",
        uidl_format: str = "",
    ) -> None:
        """
        certificate    PEM files (chain, key), for STARTTLS and TLS on its own ports
        users_ca       who signs the certificates of those who come by EXTERNAL
        introspection  URL at which access tokens are asked about
        uidl_format    of POP3's unique ids, where it is not Dovecot's default
        """
        # Not in a test's folder: its sockets' names have a bound, and others must come down to it.
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.folder.chmod(0o755)
        self.maildir = self.folder / "home" / "Maildir"
        self.imap_port, self.imaps_port, self.pop3_port, self.pop3s_port = free_ports(4)
        self._certificate = certificate
        self._users_ca = users_ca
        self._introspection = introspection
        self._uidl = f"pop3_uidl_format = {uidl_format}" if uidl_format else ""
        self._process: subprocess.Popen[bytes] | None = None
        self.maildir.mkdir(parents=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and return once it answers."""
        account = pwd.getpwnam(OWNER)
        for path in (self.maildir.parent, *self.maildir.parent.rglob("*")):
            shutil.chown(path, account.pw_uid, account.pw_gid)
        settings = self.folder / "dovecot.conf"
        settings.write_text(self._settings())
        self._process = subprocess.Popen(["dovecot", "-F", "-c", str(settings)])
        eventually(self._answers, "Dovecot answers", more=self._log)

    def stop(self) -> None:
        """Stop, and wait for its end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def remove(self) -> None:
        """Stop, and leave nothing."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def imap(self) -> imaplib.IMAP4:
        """A session, signed in."""
        client = imaplib.IMAP4("127.0.0.1", self.imap_port, 20)
        client.login(USER, PASSWORD)
        return client

    def pop3(self) -> poplib.POP3:
        """A session, signed in."""
        client = poplib.POP3("127.0.0.1", self.pop3_port, 20)
        client.user(USER)
        client.pass_(PASSWORD)
        return client

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, imaplib.IMAP4.error, poplib.error_proto):
            self.imap().logout()
            self.pop3().quit()
            return True
        return False

    def _log(self) -> str:
        log = self.folder / "log"
        return log.read_text() if log.exists() else ""

    def _more_ways(self) -> tuple[str, str]:
        """Mechanisms beside passwords, and what they need."""
        mechanisms, settings = "", ""
        if self._introspection:
            file = self.folder / "oauth2.conf"
            file.write_text(
                f"introspection_mode = post\nintrospection_url = {self._introspection}\n"
                "username_attribute = email\nactive_attribute = active\nactive_value = true\n"
            )
            mechanisms += " oauthbearer xoauth2"
            settings += (
                "passdb {\n  driver = oauth2\n  mechanisms = oauthbearer xoauth2\n"
                f"  args = {file}\n}}\n"
            )
        if self._users_ca is not None:
            mechanisms += " external"
            settings += (
                f"ssl_ca = <{self._users_ca}\nssl_verify_client_cert = yes\nssl_require_crl = no\n"
                "auth_ssl_username_from_cert = yes\n"
                "passdb {\n  driver = static\n  mechanisms = external\n  args = nopassword=y\n}\n"
            )
        return mechanisms, settings

    def _settings(self) -> str:
        account = pwd.getpwnam(OWNER)
        tls = "ssl = no"
        if self._certificate is not None:
            chain, key = self._certificate
            tls = f"ssl = yes\nssl_cert = <{chain}\nssl_key = <{key}"
        mechanisms, sources = self._more_ways()
        ports = {
            "imap": (self.imap_port, self.imaps_port),
            "pop3": (self.pop3_port, self.pop3s_port),
        }
        listeners = ""
        for name, (plain, implicit) in ports.items():
            secure = implicit if self._certificate else 0
            listeners += f"""
service {name}-login {{
  chroot =
  inet_listener {name} {{
    address = 127.0.0.1
    port = {plain}
  }}
  inet_listener {name}s {{
    address = 127.0.0.1
    port = {secure}
    ssl = yes
  }}
}}
"""
        return f"""
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = {self.folder}/log
protocols = imap pop3
{self._uidl}
{tls}
disable_plaintext_auth = no
auth_mechanisms = plain login {mechanisms}
default_login_user = {OWNER}
default_internal_user = {OWNER}
default_internal_group = nogroup
mail_location = maildir:{self.maildir}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Gesendet {{
    special_use = \\Sent
  }}
}}
{listeners}
auth_failure_delay = 0
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
{sources}
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={account.pw_uid} gid={account.pw_gid} home={self.maildir.parent}
}}
"""
