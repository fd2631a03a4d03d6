"""Other people's programs at the far ends of mail: a DNS server, Postfix, and a host of the test's.

Each runs on loopback, with its own folder, on ports that were free a moment ago.
"""

import asyncio
import os
import shutil
import smtplib
import socket
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.zone
import trustme
from cryptography.hazmat.primitives.asymmetric import ed25519
from e2e_harness import eventually, free_ports

from tests.next_hop import NextHop, listening


class Dnsmasq:
    """dnsmasq with MX and address records: {"one.test": [(10, "mx.one.test", "127.0.0.1")]}."""

    def __init__(self, folder: Path, domains: dict[str, list[tuple[int, str, str]]]) -> None:
        (self.port,) = free_ports(1)
        self._log = (folder / "dnsmasq.log").open("wb")
        words = ["dnsmasq", "--keep-in-foreground", "--log-facility=-", f"--port={self.port}"]
        words += ["--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts"]
        words += ["--conf-file=/dev/null", "--pid-file=", "--local=/test/"]
        if os.geteuid() == 0:
            words.append("--user=root")
        for domain, hosts in domains.items():
            for rank, name, address in hosts:
                words += [f"--mx-host={domain},{name},{rank}", f"--host-record={name},{address}"]
        self._process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        eventually(self._answers, "dnsmasq answers", 20)

    @property
    def setting(self) -> dict[str, str]:
        """For the key `dns`."""
        return {"nameservers": f"127.0.0.1:{self.port}"}

    def _answers(self) -> bool:
        query = dns.message.make_query("x.test", "A")
        try:
            dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.2)
        except (OSError, dns.exception.DNSException):
            assert self._process.poll() is None, "dnsmasq has ended"
            return False
        return True

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


class Unbound:
    """unbound that validates the zone `test`, which is signed here; records as "name TYPE data"."""

    def __init__(self, folder: Path, records: Sequence[str]) -> None:
        (self.port,) = free_ports(1)
        text = "@ 300 IN SOA ns host 1 2 3 4 300\n@ 300 IN NS ns\nns 300 IN A 127.0.0.1\n"
        for each in records:
            name, kind, data = each.split(None, 2)
            text += f"{name} 300 IN {kind} {data}\n"
        zone = dns.zone.from_text(text, "test.", relativize=False)
        key = ed25519.Ed25519PrivateKey.generate()
        public = dns.dnssec.make_dnskey(key.public_key(), dns.dnssec.Algorithm.ED25519, flags=257)
        dns.dnssec.sign_zone(zone, keys=[(key, public)], lifetime=86_400)
        zone.to_file(str(folder / "test.zone"), relativize=False)
        anchor = dns.dnssec.make_ds("test.", public, "SHA256").to_text()
        (folder / "unbound.conf").write_text(
            f"server:\n interface: 127.0.0.1@{self.port}\n directory: {folder}\n"
            ' username: ""\n chroot: ""\n pidfile: ""\n do-daemonize: no\n use-syslog: no\n'
            ' module-config: "validator iterator"\n local-zone: "test." nodefault\n'
            f' trust-anchor: "test. DS {anchor}"\n'
            'auth-zone:\n name: "test."\n zonefile: "test.zone"\n for-downstream: no\n'
            " for-upstream: yes\n fallback-enabled: no\nremote-control:\n control-enable: no\n"
        )
        self._log = (folder / "unbound.log").open("wb")
        self._process = subprocess.Popen(
            ["unbound", "-d", "-c", str(folder / "unbound.conf")],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        eventually(self._validates, "unbound validates", 20)

    def _validates(self) -> bool:
        query = dns.message.make_query("ns.test", "A", want_dnssec=True)
        assert self._process.poll() is None, "unbound has ended"
        try:
            found = dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.2)
        except (OSError, dns.exception.DNSException):
            return False
        return bool(found.flags & dns.flags.AD)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


class Postfix:
    """A Postfix of its own: takes mail for `domain` into Maildirs, and relays to `routes`.

    port         takes everything that Postfix offers
    plain_port   offers neither 8BITMIME nor CHUNKING nor SMTPUTF8 nor STARTTLS
    """

    def __init__(
        self, domain: str, users: Sequence[str], *, routes: dict[str, int | str] | None = None
    ) -> None:
        """`routes`: by domain, a port of this machine, or a transport such as lmtp:unix:/path."""
        self.domain = domain
        # Not the test's own folder: Postfix gives up root, and must get there.
        self.folder = Path(tempfile.mkdtemp(prefix="mailsuite-postfix-"))
        self.folder.chmod(0o755)
        self.port, self.plain_port = free_ports(2)
        self.ca = trustme.CA()
        self.ca_file = self.folder / "ca.pem"
        self.ca.cert_pem.write_to_path(self.ca_file)
        for name in ("conf", "queue", "data", "mail"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        shutil.chown(self.folder / "mail", "postfix", "nogroup")
        self._configure(users, routes or {})

    def _configure(self, users: Sequence[str], routes: dict[str, int | str]) -> None:
        name = f"mx.{self.domain}"
        both = self.folder / "tls.pem"
        self.ca.issue_cert(name, "localhost").private_key_and_cert_chain_pem.write_to_path(both)
        both.chmod(0o600)
        boxes = ", ".join(f"{{{user}@{self.domain} = {user}/}}" for user in users)
        ways = ", ".join(
            f"{{{to} = {way if isinstance(way, str) else f'smtp:[127.0.0.1]:{way}'}}}"
            for to, way in routes.items()
        )
        uid = (self.folder / "mail").stat().st_uid
        gid = (self.folder / "mail").stat().st_gid
        settings = {
            "compatibility_level": "3.6",
            "myhostname": name,
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "queue_directory": self.folder / "queue",
            "data_directory": self.folder / "data",
            "maillog_file": self.folder / "log",
            "maillog_file_prefixes": self.folder,
            "virtual_mailbox_domains": self.domain,
            "virtual_mailbox_base": self.folder / "mail",
            "virtual_mailbox_maps": f"inline:{{ {boxes} }}",
            "virtual_uid_maps": f"static:{uid}",
            "virtual_gid_maps": f"static:{gid}",
            "virtual_minimum_uid": 1,
            "relay_domains": ", ".join(routes),
            "transport_maps": f"inline:{{ {ways} }}" if routes else "",
            "smtpd_tls_chain_files": both,
            "smtpd_tls_security_level": "may",
            "smtpd_tls_received_header": "yes",
            "smtp_tls_security_level": "encrypt",
            "lmtp_tls_security_level": "may",
            "smtp_dns_support_level": "disabled",
            "smtputf8_enable": "yes",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "alias_maps": "",
            "local_recipient_maps": "",
            "message_size_limit": 20_000_000,
        }
        main = "".join(f"{key} = {value}\n" for key, value in settings.items())
        (self.folder / "conf" / "main.cf").write_text(main)
        rows = [
            f"127.0.0.1:{self.port} inet n - n - - smtpd",
            f"127.0.0.1:{self.plain_port} inet n - n - - smtpd"
            "\n  -o smtpd_discard_ehlo_keywords=8bitmime,chunking,smtputf8,starttls",
            "pickup unix n - n 60 1 pickup",
            "cleanup unix n - n - 0 cleanup",
            "qmgr unix n - n 300 1 qmgr",
            "tlsmgr unix - - n 1000? 1 tlsmgr",
            "rewrite unix - - n - - trivial-rewrite",
            "bounce unix - - n - 0 bounce",
            "defer unix - - n - 0 bounce",
            "trace unix - - n - 0 bounce",
            "verify unix - - n - 1 verify",
            "flush unix n - n 1000? 0 flush",
            "proxymap unix - - n - - proxymap",
            "smtp unix - - n - - smtp",
            "relay unix - - n - - smtp",
            "lmtp unix - - n - - lmtp",
            "showq unix n - n - - showq",
            "error unix - - n - - error",
            "retry unix - - n - - error",
            "discard unix - - n - - discard",
            "local unix - n n - - local",
            "virtual unix - n n - - virtual",
            "anvil unix - - n - 1 anvil",
            "scache unix - - n - 1 scache",
            "postlog unix-dgram n - n - 1 postlogd",
        ]
        (self.folder / "conf" / "master.cf").write_text("\n".join(rows) + "\n")

    def _do(self, word: str) -> None:
        done = subprocess.run(
            ["postfix", "-c", str(self.folder / "conf"), word],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert not done.returncode, f"postfix {word}: {done.stderr.decode()}\n{self.log()}"

    def start(self) -> Self:
        self._do("start")
        eventually(lambda: accepts(self.port), "postfix accepts", 30, self.log)
        return self

    def client(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, "client.test", timeout=60)

    def stop(self) -> None:
        self._do("stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def bodies(self, user: str) -> list[bytes]:
        """Messages that have arrived, with CRLF."""
        folder = self.folder / "mail" / user / "new"
        return [path.read_bytes().replace(b"\n", b"\r\n") for path in sorted(folder.glob("*"))]

    def wait_for(self, user: str, token: str) -> bytes:
        def arrived() -> bytes | None:
            found = [body for body in self.bodies(user) if token.encode() in body]
            assert len(found) < 2, f"{token} is there {len(found)} times"
            return found[0] if found else None

        return eventually(arrived, f"{token} at {user}@{self.domain}", 40, self.log)


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


class HostThread:
    """A `NextHop` in a thread of its own, so that a test can block while it serves."""

    def __init__(self, hop: NextHop) -> None:
        self.hop = hop
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async with listening(self.hop):
            self._ready.set()
            await self._stop.wait()
        while self.hop.open:  # noqa: ASYNC110 - the other side of a socket
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.005)  # a closed transport gives its socket back in the next turn

    def __enter__(self) -> NextHop:
        self._thread.start()
        assert self._ready.wait(20)
        return self.hop

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
