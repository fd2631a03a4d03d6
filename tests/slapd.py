"""OpenLDAP's server on loopback, over TLS, with some people in it."""

import contextlib
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import trustme

SUFFIX = "dc=example,dc=test"
SEARCHER = f"cn=mail,{SUFFIX}"
CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
sizelimit 3
database mdb
suffix "{suffix}"
rootdn "cn=admin,{suffix}"
rootpw admin
directory {folder}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{searcher}" read by * none
limits dn.exact="{searcher}" size.prtotal=unlimited
"""


def person(uid: str, password: str | None, *mail: str) -> str:
    """An entry in LDIF."""
    lines = [
        f"dn: uid={uid},ou=people,{SUFFIX}", "objectClass: inetOrgPerson", f"uid: {uid}",
        f"cn: {uid}", f"sn: {uid}", *(f"mail: {each}" for each in mail),
    ]  # fmt: skip
    if password is not None:
        lines.append(f"userPassword: {password}")
    return "\n".join(lines) + "\n\n"


BASE = f"""\
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: example
dc: example

dn: ou=people,{SUFFIX}
objectClass: organizationalUnit
ou: people

dn: {SEARCHER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: mail
userPassword: searcher

"""


class Slapd:
    """Stopped and started at will; the port stays."""

    def __init__(self, folder: Path, people: str) -> None:
        self.folder = folder
        (folder / "db").mkdir(parents=True)
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")  # of "localhost" libldap makes our host name
        issued.private_key_and_cert_chain_pem.write_to_path(folder / "cert.pem")
        issued.private_key_pem.write_to_path(folder / "key.pem")
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        self.config = folder / "slapd.conf"
        self.config.write_text(CONFIG.format(folder=folder, suffix=SUFFIX, searcher=SEARCHER))
        (folder / "data.ldif").write_text(BASE + people)
        added = ["slapadd", "-q", "-f", str(self.config), "-l", str(folder / "data.ldif")]
        subprocess.run(added, check=True, capture_output=True)
        with socket.socket() as plain, socket.socket() as secure:
            plain.bind(("127.0.0.1", 0))
            secure.bind(("127.0.0.1", 0))
            self.ports = (plain.getsockname()[1], secure.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.ports[0]}"

    @property
    def secure_url(self) -> str:
        return f"ldaps://127.0.0.1:{self.ports[1]}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        urls = f"ldap://127.0.0.1:{self.ports[0]}/ ldaps://127.0.0.1:{self.ports[1]}/"
        self.process = subprocess.Popen(
            ["slapd", "-d", "0", "-f", str(self.config), "-h", urls],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.ports[1]), 1).close()
                return
            assert self.process.poll() is None, "slapd has ended"
            assert time.monotonic() < deadline, "slapd does not listen"
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None
