"""The order in which an address is looked for.

Exact user or alias, then the address without its subaddress (RFC 5233), then the domain's
catch-all; postmaster is always somebody (RFC 5321 §4.5.1).
"""

import re
from collections.abc import Sequence

from mailsuite.accounts import AccountRow, AliasRow, Lookups
from mailsuite.accounts.names import domain_key
from mailsuite.mail import Alias, Envelope, Mailbox, Remote, Route, Unknown
from mailsuite.routing.kept import KeptSenders
from mailsuite.routing.srs import KEPT, Srs

MAX_DEPTH = 10  # aliases that lead to aliases
MAX_VISITED = 1000  # addresses looked at for one question
OTHERS = (
    2  # authors of another domain that an account may sign for: a list takes long to look through
)
OF_THE_HOST = ("postmaster", "mailer-daemon")
"""Who is somebody at the server's own name too: notices come from there (RFC 3464 §2)."""


class Router:
    """Answers where an address leads.

    separator   stands between user and subaddress; "" switches subaddresses off
    postmaster  address that takes postmaster's mail where a domain names nobody for it; without
                one it is the domain's first user, else the first user of all
    hostname    the server's own name
    srs         makes and knows the return addresses of forwarded mail
    kept        keeps senders that these have no room for
    """

    __slots__ = ("_directory", "_hostname", "_kept", "_postmaster", "_separator", "_srs")

    def __init__(
        self,
        directory: Lookups,
        *,
        separator: str = "+",
        postmaster: str | None = None,
        hostname: str = "",
        srs: Srs | None = None,
        kept: KeptSenders | None = None,
    ) -> None:
        self._directory = directory
        self._kept = kept
        self._hostname = _canonical(hostname)
        self._srs = srs
        self._separator = separator
        self._postmaster = postmaster

    def route(self, address: str) -> Route:
        """Where mail for `address` (a path without its brackets) goes.

        The domain may be an A-label or U-label name in any case, with or without a final dot; an
        address literal is always Remote. Raises accounts.DirectoryUnavailable, nothing else.
        """
        local, at, domain = address.rpartition("@")
        if not at:
            # RFC 5321 §4.5.1: <postmaster> without a domain, in any case.
            if _unquoted(address).lower() == "postmaster":
                return self._of_last_resort(None) or Unknown(address)
            return Unknown(address)
        if not self._directory.is_local(domain):
            if _canonical(domain) == self._hostname and _unquoted(local).lower() in OF_THE_HOST:
                return self._of_last_resort(None) or Unknown(address)
            return Remote(_canonical(domain)) if domain else Unknown(address)
        return self._route_local(address, _unquoted(local), domain)

    def _route_local(self, address: str, local: str, domain: str) -> Route:
        found = _as_route(self._directory.lookup(address), "")
        if found is not None:
            return found
        try:
            author = self._author(local)
        except ValueError:
            return Unknown(address)
        if author is not None:
            return Alias(address, (author,))
        base, separator, detail = (
            local.partition(self._separator) if self._separator else (local, "", "")
        )
        if separator and base:
            found = _as_route(self._directory.lookup(f"{base}@{domain}"), detail)
            if found is not None:
                return found
        found = _as_route(self._directory.catch_all(domain), "")
        if found is not None:
            return found
        if base.lower() == "postmaster":
            return self._of_last_resort(domain) or Unknown(address)
        return Unknown(address)

    def _of_last_resort(self, domain: str | None) -> Route | None:
        """Who takes postmaster's mail where nobody by that name is there; None without users."""
        domains = [row.name for row in self._directory.domains()] if domain is None else []
        for name in domains:
            found = _as_route(self._directory.lookup(f"postmaster@{name}"), "")
            if found is not None:
                return found
        if self._postmaster is not None:
            found = _as_route(self._directory.lookup(self._postmaster), "")
            if found is not None:
                return found
            _, at, elsewhere = self._postmaster.rpartition("@")
            if at and not self._directory.is_local(elsewhere):
                return Alias("postmaster", (self._postmaster,))
        for name in domains:
            found = _as_route(self._directory.catch_all(name), "")
            if found is not None:
                return found
        for users in (self._directory.users(domain) if domain else (), self._directory.users()):
            for user in users:
                return Mailbox(user.address)
        return None

    def accept(self, address: str) -> Route:
        """As `route`, but Unknown also for an alias that leads to nobody in the end.

        What is refused when the client names it needs no bounce later. Raises as `route`.
        """
        route = self.route(address)
        seen: set[str] = set()
        level = [route]
        for _ in range(MAX_DEPTH + 1):
            targets: list[str] = []
            for one in level:
                if isinstance(one, Mailbox | Remote):
                    return route
                if isinstance(one, Alias) and one.name not in seen:
                    seen.add(one.name)
                    targets += one.targets
            if not targets or len(seen) + len(targets) > MAX_VISITED:
                break
            level = [self.route(target) for target in targets]
        return Unknown(address)

    def _author(self, local: str) -> str | None:
        """Whose mail went on under this local part; None: nobody's. Raises as `Srs.reverse`."""
        author = None if self._srs is None else self._srs.reverse(local)
        name, _, host = (author or "").rpartition("@")
        if host.lower() != KEPT:
            return author
        author = None if self._kept is None else self._kept.find(name)
        if author is None:
            raise ValueError("this return address has been forgotten")
        return author

    async def forwarded_as(self, sender: str, alias: str) -> str:
        """The sender of mail that the address `alias` of ours passes on to another host.

        It is durable, and a bounce to it finds its way back. `sender` itself where it is one of
        ours, or nobody, or was to be kept and could not be.
        """
        if self._srs is None or self._directory.is_local(sender.rpartition("@")[2]):
            return sender
        _, at, domain = alias.rpartition("@")
        if not at or not self._directory.is_local(domain):
            # A bare <postmaster>, or one at the host's name, where no return address is known.
            domain = self.origin(self._hostname)
        rewritten = self._srs.forward(sender, domain)
        if rewritten is not None:
            return rewritten
        name = self._srs.kept_name(sender)
        if self._kept is None or not await self._kept.keep(name, sender, self._srs.today):
            return sender
        return self._srs.forward_kept(name, domain)

    def origin(self, hostname: str) -> str:
        """The domain that stands behind a bare name such as `root`.

        The host's own name where mail for it is taken here, else the nearest domain above it that
        is ours, else our first one; the host's name where there is none.
        """
        labels = hostname.split(".")
        for start in range(len(labels)):
            domain = ".".join(labels[start:])
            if self._directory.is_local(domain):
                return domain
        return next((row.name for row in self._directory.domains()), hostname)

    def may_send_as(self, account: str, sender: str) -> bool:
        """Whether `account` may give `sender` as its reverse-path (RFC 6409 §6.1).

        It may when mail to `sender` reaches the account, directly or through up to ten aliases
        after one another, a catch-all among them. The null reverse-path "" belongs to everybody:
        a mail client sends its read receipts with it (RFC 8098 §3).
        """
        if not sender:
            return True
        owner = self._directory.lookup(account)
        name = owner.address if owner is not None else account
        seen: set[str] = set()
        level = [sender]
        for _ in range(MAX_DEPTH + 1):
            following: list[str] = []
            for address in level:
                route = self.route(address)
                if isinstance(route, Mailbox) and route.account == name:
                    return True
                if isinstance(route, Alias) and route.name not in seen:
                    seen.add(route.name)
                    following += route.targets
                    if len(seen) + len(following) > MAX_VISITED:
                        return False
            level = following
        return False

    def signing_domain(self, envelope: Envelope, authors: Sequence[str]) -> str:
        """The domain of ours in whose name a message is signed (DKIM), in A-labels; "": none.

        authors  the addresses in its From

        Only what was written here, and where all authors are of one domain of ours: the host's own
        name stands for the domain above it. An account signs for its own domain, and for another
        where it may send under these very addresses, which are OTHERS at most. Raises as `route`.
        """
        account = envelope.submitter
        if account is None and not envelope.internal:
            return ""
        found = {domain_key(author.rpartition("@")[2]) for author in authors}
        domain = self._of_ours(found.pop()) if len(found) == 1 else ""
        if account is None or account.rpartition("@")[2] == domain:
            return domain
        if not domain or len(authors) > OTHERS:
            return ""
        return domain if all(self.may_send_as(account, author) for author in authors) else ""

    def _of_ours(self, domain: str | None) -> str:
        """`domain` where it is ours; of the host's own name the nearest above it; else ""."""
        if domain is None or self._directory.is_local(domain):
            return domain or ""
        if domain == self._hostname:
            labels = domain.split(".")
            for start in range(1, len(labels)):
                above = ".".join(labels[start:])
                if self._directory.is_local(above):
                    return above
        return ""


def _as_route(row: AccountRow | AliasRow | None, detail: str) -> Mailbox | Alias | None:
    if isinstance(row, AccountRow):
        return Mailbox(row.address, detail)
    if isinstance(row, AliasRow):
        return Alias(row.address, row.targets)
    return None


def _unquoted(local: str) -> str:
    """The local part without its quoting (RFC 5321 §4.1.2: both forms are the same mailbox)."""
    if len(local) >= 2 and local[0] == local[-1] == '"':
        return re.sub(r"\\(.)", r"\1", local[1:-1])
    return local


def _canonical(domain: str) -> str:
    """Lower-case A-labels; what can't be one, and an address literal, as it is in lower case."""
    lowered = domain.removesuffix(".").lower()
    if lowered.isascii():
        return lowered
    try:
        return lowered.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return lowered
