"""A Postfix of one's own on loopback: for benchmarks that compare with it.

Needs Debian's postfix and root (Postfix changes its users). Everything lies in one folder. What is
not named here is as Postfix has it by default: messages are fsynced before they are answered for,
and again in the Maildir. Logging is to a file, without a syslog daemon in between.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SERVICES = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def available() -> bool:
    """It is installed, with its test programs."""
    return all(map(shutil.which, ("postfix", "smtp-source", "smtp-sink")))


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Postfix:
    """Takes mail for `domain` into the Maildirs `mail`/USER/, and sends that for `far` to a port.

    port             takes mail as port 25 does
    submission_port  STARTTLS and AUTH are demanded (Dovecot's sign-in, at `sign_in`)
    """

    def __init__(
        self,
        folder: Path,
        domain: str,
        users: Sequence[str],
        *,
        far: tuple[str, int],
        certificate: Path,
        sign_in: Path | None = None,
        largest: int = 50_000_000,
    ) -> None:
        self.folder = folder
        self.mail = folder / "mail"
        self.port, self.submission_port = free_ports(2)
        for name in ("conf", "queue", "data", "mail"):
            (folder / name).mkdir(parents=True)
        for path in (folder, *folder.parents):
            if path.stat().st_mode & 0o005 != 0o005:
                path.chmod(path.stat().st_mode | 0o005)
        shutil.chown(folder / "data", "postfix")
        shutil.chown(self.mail, "postfix", "nogroup")
        owner = self.mail.stat()
        boxes = folder / "boxes"
        boxes.write_text("".join(f"{user}@{domain} {user}/\n" for user in users))
        settings = {
            "compatibility_level": "3.6",
            "myhostname": f"mail.{domain}",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "queue_directory": folder / "queue",
            "data_directory": folder / "data",
            "maillog_file": folder / "log",
            "maillog_file_prefixes": folder,
            "virtual_mailbox_domains": domain,
            "virtual_mailbox_base": self.mail,
            "virtual_mailbox_maps": f"texthash:{boxes}",
            "virtual_uid_maps": f"static:{owner.st_uid}",
            "virtual_gid_maps": f"static:{owner.st_gid}",
            "virtual_minimum_uid": 1,
            "virtual_mailbox_limit": 0,
            "relay_domains": far[0],
            "transport_maps": f"inline:{{ {{{far[0]} = smtp:[127.0.0.1]:{far[1]}}} }}",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtp_dns_support_level": "disabled",
            "alias_maps": "",
            "local_recipient_maps": "",
            "message_size_limit": largest,
        }
        self._conf = folder / "conf"
        main = "".join(f"{key} = {value}\n" for key, value in settings.items())
        (self._conf / "main.cf").write_text(main)
        rows = [
            f"127.0.0.1:{self.port} inet n - n - - smtpd",
            f"127.0.0.1:{self.submission_port} inet n - n - - smtpd",
            f"  -o smtpd_tls_security_level=encrypt -o smtpd_tls_chain_files={certificate}",
            f"  -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot"
            f" -o smtpd_sasl_path={sign_in}",
            "  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject",
        ]
        (self._conf / "master.cf").write_text("\n".join(rows) + SERVICES)

    def start(self) -> None:
        """Start, and return once it accepts."""
        self._do("start")
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise SystemExit(f"postfix does not accept; see {self.folder / 'log'}")

    def stop(self) -> None:
        """Stop and wait for its end."""
        self._do("stop")

    def retry(self) -> None:
        """Attempt all that waits."""
        subprocess.run(["postqueue", "-c", str(self._conf), "-f"], check=True)

    def waiting(self) -> int:
        """Messages that have been deferred."""
        deferred = self.folder / "queue" / "deferred"
        return sum(len(list(each.iterdir())) for each in deferred.iterdir() if each.is_dir())

    @property
    def pid(self) -> int:
        """Its first process."""
        return int((self.folder / "queue" / "pid" / "master.pid").read_text())

    def _do(self, word: str) -> None:
        command = ["postfix", "-c", str(self._conf), word]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"postfix {word}: {done.stderr.decode()} (see {self.folder / 'log'})")
