"""`mailsuite dev`: a whole mail server on a laptop, without a question asked.

Makes what is missing in its data folder (accounts, CA, certificate), serves on loopback, and tells
what a mail client needs. Never sends mail to the world.
"""

import sys
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from mailsuite.accounts import AliasRow, Directory, names
from mailsuite.app import announce
from mailsuite.app.run import run, serve_until_stopped
from mailsuite.app.server import Server, make_folder, own
from mailsuite.app.sockets import bind_all
from mailsuite.base import log
from mailsuite.base.errors import UserError
from mailsuite.config import Config, Limits, Listener
from mailsuite.config.listeners import Protocol, TlsMode
from mailsuite.config.sign_in import SignIn
from mailsuite.tls import DevTls, ServerTls, ensure_dev_tls

logger = log.get_logger("app")
CATCH_ALL = "everyone"
DEFAULT_USERS = ("alice", "bob", CATCH_ALL)
DEFAULT_BASE = 2000
NEVER = 1_000_000
CONNECTIONS = 10_000

LISTENERS: tuple[tuple[str, Protocol, int, TlsMode], ...] = (
    ("smtp", "smtp", 25, "starttls"),
    ("submission", "submission", 587, "starttls"),
    ("submissions", "submission", 465, "implicit"),
    ("imap", "imap", 143, "starttls"),
    ("imaps", "imap", 993, "implicit"),
    ("pop3", "pop3", 110, "starttls"),
    ("pop3s", "pop3", 995, "implicit"),
)


@dataclass(frozen=True, slots=True)
class DevOptions:
    """What the command line may say.

    data        folder for everything; made where it is missing
    domain      the one that mail is taken for
    users       (address, password) pairs instead of the default accounts
    port_base   added to each service's standard port (25, 587, …); None: 2000, and 2525 for SMTP
    ports_auto  the system chooses every port
    ready_file  written when every listener accepts
    address     where to listen
    json_log    log for programs
    """

    data: Path = Path("data")
    domain: str = "example.test"
    users: tuple[tuple[str, str], ...] = ()
    port_base: int | None = None
    ports_auto: bool = False
    ready_file: Path | None = None
    address: str = "127.0.0.1"
    json_log: bool = False

    def port(self, standard: int) -> int:
        """Where the service of a standard port listens."""
        if self.ports_auto:
            return 0
        if self.port_base is None and standard == 25:
            return 2525
        port = (DEFAULT_BASE if self.port_base is None else self.port_base) + standard
        if not 0 < port < 65536:
            raise UserError(f"--port-base {self.port_base}: port {port} is out of range")
        return port

    def accounts(self) -> tuple[tuple[str, str], ...]:
        """Addresses and passwords."""
        return self.users or tuple((f"{name}@{self.domain}", name) for name in DEFAULT_USERS)


def dev(options: DevOptions) -> int:
    """Serve until Ctrl-C. Returns the exit code; raises UserError."""
    log.configure(json=options.json_log, level="warning")
    data = options.data.resolve()
    _check(options)
    make_folder(data)
    lock = own(data)
    try:
        accounts = options.accounts()
        catch_all = prepare_accounts(data / "accounts.db", options.domain, accounts)
        hostname = f"mail.{options.domain}"
        files = ensure_dev_tls(data / "tls", hostname=hostname, domain=options.domain)
        return run(_serve(options, data, hostname, files, accounts, catch_all))
    finally:
        lock.release()


def _check(options: DevOptions) -> None:
    """Raises UserError for what no server can be made of, before anything is made."""
    names.require_domain(options.domain)
    try:
        ip_address(options.address)
    except ValueError:
        raise UserError(
            f"--address {options.address}: is not an IP address, expected 127.0.0.1 or 0.0.0.0, say"
        ) from None


async def _serve(
    options: DevOptions,
    data: Path,
    hostname: str,
    files: DevTls,
    accounts: tuple[tuple[str, str], ...],
    catch_all: str,
) -> int:
    config = settings(options, data, hostname)
    server = Server(
        config,
        hostname=hostname,
        sockets=bind_all(config.endpoints()),
        tls=ServerTls(files.certificate, files.key).context,
        plain_auth=ip_address(options.address).is_loopback,
    )

    def ready() -> None:
        if options.ready_file is not None:
            announce.write_ready_file(
                options.ready_file,
                server.listening,
                ca_file=files.ca,
                accounts=accounts,
                data=data,
            )
        _show(
            announce.screen(
                server.listening,
                ca_file=files.ca,
                accounts=accounts,
                catch_all=catch_all,
                domain=options.domain,
                data=data,
            )
        )

    return await serve_until_stopped(server, ready=ready)


def _show(screen: str) -> None:
    try:
        sys.stdout.write(screen)
        sys.stdout.flush()
    except OSError as error:
        logger.warning("what clients need can't be shown", why=error.strerror)


def settings(options: DevOptions, data: Path, hostname: str) -> Config:
    """The settings of the production form that make a laptop's server."""
    return Config(
        hostname=hostname,
        data=data,
        outbound="capture",
        listeners=tuple(
            Listener(
                name=name,
                protocol=protocol,
                address=(options.address,),
                port=options.port(standard),
                tls=tls,
            )
            for name, protocol, standard, tls in LISTENERS
        ),
        # On loopback everybody has the same address.
        limits=Limits(connections=CONNECTIONS, connections_per_address=CONNECTIONS),
        # And in a container they all seem to come from its gateway: a few passwords mistyped must
        # not shut everybody out. A wrong one is answered soon.
        sign_in=SignIn(
            first_delay=0.1, longest_delay=1.0, address_failures=NEVER, account_failures=NEVER
        ),
    )


def prepare_accounts(path: Path, domain: str, accounts: tuple[tuple[str, str], ...]) -> str:
    """Make the domains and accounts that are missing, with these passwords.

    Where everyone@domain is among them, it takes the mail of every address that nobody has.
    Returns that catch-all's address, or "". Accounts made by other commands stay as they are.
    """
    directory = Directory(path)
    try:
        known = {row.name for row in directory.domains()}
        for wanted in dict.fromkeys([domain, *(a.rpartition("@")[2] for a, _ in accounts)]):
            if not directory.is_local(wanted) and wanted not in known:
                directory.add_domain(wanted)
        for address, password in accounts:
            if directory.lookup(address) is None:
                directory.add_user(address, password)
            elif directory.check(address, password) is None:
                directory.set_password(address, password)
        everyone = f"{CATCH_ALL}@{domain}"
        found = directory.catch_all(domain)
        if any(address.lower() == everyone.lower() for address, _ in accounts):
            if found is None:
                directory.add_alias(f"@{domain}", [everyone])
            return everyone if found is None else ", ".join(found.targets)
        if isinstance(found, AliasRow) and found.targets == (everyone,):
            directory.remove_alias(f"@{domain}")
        return ""
    finally:
        directory.close()
