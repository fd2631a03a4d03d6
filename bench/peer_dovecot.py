"""A Dovecot of one's own, as a plain process on loopback: for benchmarks that compare with it.

Needs Debian's dovecot-imapd or dovecot-pop3d, and root (Dovecot changes its user). Everything lies
in one folder.
"""

import contextlib
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

USER = "bob"
PASSWORD = "secret"
OWNER = "nobody"


def available() -> bool:
    """It is installed."""
    return shutil.which("dovecot") is not None


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def dovecot(folder: Path, home: Path, protocol: str = "imap", each: str = "") -> Iterator[int]:
    """Serve the Maildir `home`/Maildir to USER; gives the port of IMAP, or of POP3.

    `each`: "/%u" where every user has a home of its own below `home`.
    """
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder, *folder.parents):
        if path.stat().st_uid == 0 and path.stat().st_mode & 0o005 != 0o005:
            path.chmod(path.stat().st_mode | 0o005)
    account = pwd.getpwnam(OWNER)
    settings = folder / "dovecot.conf"
    settings.write_text(f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = {protocol}
ssl = no
disable_plaintext_auth = no
default_login_user = {OWNER}
default_internal_user = {OWNER}
default_internal_group = nogroup
mail_max_userip_connections = 10000
mail_location = maildir:{home}{each}/Maildir
namespace inbox {{
  inbox = yes
  separator = /
}}
service {protocol}-login {{
  chroot =
  inet_listener {protocol} {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener {protocol}s {{
    port = 0
  }}
}}
service {protocol} {{
  process_limit = 6000
}}
service auth {{
  client_limit = 10000
}}
service anvil {{
  chroot =
  client_limit = 10000
}}
service stats {{
  chroot =
}}
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={account.pw_uid} gid={account.pw_gid} home={home}{each}
}}
""")
    if home.stat().st_uid != account.pw_uid:
        owner = f"{account.pw_uid}:{account.pw_gid}"
        subprocess.run(["chown", "-R", owner, str(home)], check=True)
    process = subprocess.Popen(["dovecot", "-F", "-c", str(settings)])
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def sign_in(folder: Path, user: str, password: str) -> Iterator[Path]:
    """Check passwords for a Postfix; gives the socket.

    They are not hashed: it costs what a server takes that remembers who signed in a moment ago.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "users").write_text(f"{user}:{{PLAIN}}{password}\n")
    path = folder / "auth"
    settings = folder / "dovecot.conf"
    settings.write_text(f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols =
ssl = no
disable_plaintext_auth = no
default_login_user = {OWNER}
default_internal_user = {OWNER}
default_internal_group = nogroup
auth_mechanisms = plain
service auth {{
  unix_listener {path} {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
""")
    process = subprocess.Popen(["dovecot", "-F", "-c", str(settings)])
    try:
        for _ in range(200):
            if path.exists():
                break
            time.sleep(0.05)
        yield path
    finally:
        process.terminate()
        process.wait(30)
