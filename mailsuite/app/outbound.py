"""Mail to other domains: which courier takes it, and the relay with all that it needs.

Promises: nothing is sent that `outbound` does not allow. Raises UserError for what the operator can
mend in files that the settings name.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from mailsuite.base.clock import Clock
from mailsuite.base.tasks import Threads
from mailsuite.config import Config, split_nameserver
from mailsuite.config.outgoing import Smarthost as SmarthostSection
from mailsuite.dns import Nameserver, Resolver
from mailsuite.dns import Settings as DnsSettings
from mailsuite.message import among, domain_of
from mailsuite.relay import Contexts, RelayCourier, Rule, Settings, Signer, Smarthost, StsPolicies
from mailsuite.relay.credentials import Credentials, load

RELAY = "relay"
CAPTURE = "capture"
ON_DEMAND = "on-demand"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Settings of the relay with all that was read for them, before they are put in force.

    on_demand  domains whose hosts fetch their mail here
    held       those of them whose mail goes no other way
    """

    mode: str
    allow: frozenset[str]
    on_demand: frozenset[str]
    held: frozenset[str]
    settings: Settings
    contexts: Contexts
    sts: StsPolicies | None


class Outbound:
    """Built once; `prepare` and `apply` put other settings in force.

    Blocks on the disk: certificates, passwords.
    """

    def __init__(
        self,
        config: Config,
        hostname: str,
        *,
        own: Sequence[tuple[str, int]],
        clock: Clock,
        threads: Threads,
        signer: Signer | None = None,
    ) -> None:
        """`own`: addresses and ports where this server itself takes mail."""
        self._hostname = hostname
        self._own = own
        self._clock = clock
        self._threads = threads
        # Whom to ask is settled at the start.
        self._resolver = Resolver(
            DnsSettings(
                tuple(Nameserver(*split_nameserver(each)) for each in config.dns.nameservers),
                config.dns.validating,
            )
        )
        self._now = now = self.prepare(config)
        self.courier = RelayCourier(
            now.settings,
            self._resolver,
            clock=clock,
            threads=threads,
            sts=now.sts,
            contexts=now.contexts,
            signer=signer,
        )

    def prepare(self, config: Config) -> Prepared:
        """What `config` asks for; changes nothing yet. Raises UserError. Blocks on the disk."""
        settings = relay_settings(config, self._hostname, self._own)
        contexts = Contexts(settings.ca_file)
        sts = None
        if settings.mta_sts:
            sts = StsPolicies(
                config.data / "mta-sts",
                self._resolver,
                contexts.verifying,
                threads=self._threads,
                clock=self._clock,
            )
        allow = frozenset(each.lower() for each in config.relay.allow)
        asking = config.relay.atrn
        return Prepared(
            config.outbound,
            allow,
            frozenset(domain for each in asking for domain in each.domains),
            frozenset(domain for each in asking if each.held for domain in each.domains),
            settings,
            contexts,
            sts,
        )

    def apply(self, prepared: Prepared) -> None:
        """Put it in force, for attempts that begin from now on."""
        self._now = prepared
        self.courier.apply(prepared.settings, prepared.contexts, prepared.sts)

    def choose(self, address: str, *, released: bool = False) -> str:
        """The name of the courier for an address of a domain that is not ours.

        What its owner has `released` is sent. Nobody captures the mail of a host that fetches it.
        """
        domain = domain_of(address)
        if among(domain, self._now.held):
            return ON_DEMAND
        if released or self._now.mode in ("direct", "smarthost"):
            return RELAY
        if self._now.mode == "allowlist" and self._allowed(address, domain):
            return RELAY
        return ON_DEMAND if among(domain, self._now.on_demand) else CAPTURE

    def _allowed(self, address: str, domain: str) -> bool:
        local = address.rpartition("@")[0]
        allow = self._now.allow
        return among(domain, allow) or f"{local}@{domain}".lower() in allow

    def retry_now(self, domains: Container[str] | None = None) -> None:
        """Somebody asks for attempts (for `domains`): leave no host alone any longer."""
        self.courier.retry_now(domains)

    async def close(self) -> None:
        """Close the connections to other hosts."""
        await self.courier.close()


def relay_settings(config: Config, hostname: str, own: Sequence[tuple[str, int]]) -> Settings:
    """What the relay is told of the settings. Raises UserError."""
    chosen = config.relay
    credentials = load(chosen.credentials) if chosen.credentials else Credentials({})

    def smarthost(section: SmarthostSection) -> Smarthost:
        implicit = section.tls == "implicit"
        return Smarthost(
            section.host,
            section.port,
            "verify" if section.tls == "implicit" else section.tls,
            implicit,
            credentials.of(section.host, section.port),
            section.protocol == "lmtp",
        )

    rules = {
        domain: Rule(smarthost(each.smarthost) if each.smarthost else None, each.tls)
        for each in chosen.destinations
        for domain in each.domains
    }
    for_all = chosen.smarthost if config.outbound != "direct" else None
    return Settings(
        hostname=hostname,
        own=frozenset(own),
        port=chosen.port,
        rules=rules,
        default=Rule(smarthost(for_all) if for_all else None, chosen.tls),
        mta_sts=chosen.mta_sts,
        dane=chosen.dane,
        dkim=chosen.dkim,
        ca_file=str(chosen.ca_file) if chosen.ca_file else "",
        per_destination=chosen.connections_per_destination,
    )
