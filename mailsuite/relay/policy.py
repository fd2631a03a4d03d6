"""What each host of a destination is asked for in TLS: settings, DANE, MTA-STS, REQUIRETLS.

Promises: nothing that DANE, a policy or the operator demands is ever given up for a delivery; where
it can't be found out, the host is not spoken to (RFC 7672 §2.1.2).
"""

from mailsuite.dns import Answer, DnsFailure, Resolver, Tlsa
from mailsuite.mail import Contact
from mailsuite.relay import dane
from mailsuite.relay.hops import Hops, Host
from mailsuite.relay.plan import LEVELS, Need, Plan
from mailsuite.relay.settings import Rule, Settings
from mailsuite.relay.sts_policy import Policy
from mailsuite.relay.verdicts import SessionFailed


async def plan_for(
    host: Host,
    hops: Hops,
    rule: Rule,
    domain: str,
    *,
    sts: Policy | None,
    require_tls: bool,
    tls_optional: bool,
    resolver: Resolver,
    settings: Settings,
) -> Plan:
    """The plan for one host. Raises SessionFailed where it may not be spoken to.

    domain  of the recipients, or the smarthost's name
    sts     its policy, where it has one
    """
    smarthost = rule.smarthost
    level = smarthost.tls if smarthost else rule.tls
    need = LEVELS[level]
    why = {"opportunistic": "opportunistic"}.get(level, f"setting: {level}")
    implicit = bool(smarthost and smarthost.implicit)
    if need is Need.OFF and not require_tls:
        return Plan(Need.OFF, why)
    if tls_optional and smarthost is None:
        # RFC 8689 §5: the sender prefers delivery to what the recipient's side asks for, and no
        # more than that: the operator's word stands.
        return Plan(need, f"{why}, TLS-Required: No")
    enforced = sts is not None and sts.mode == "enforce"
    # A smarthost was named by the operator, and found by no MX record whose name could be none of
    # the policy's (RFC 8461 §4.1): many a provider has another name for it than for its MX hosts.
    if enforced and sts is not None and smarthost is None and not sts.allows(host.name):
        words = f"{host.name} is not among the hosts of the MTA-STS policy of {domain}"
        raise SessionFailed("4.7.5", words, Contact(host.name, why="MTA-STS"), reached=True)
    # What the operator asks of a host by name is not weakened by the DNS.
    # Names for a certificate by DANE-TA beside the host's (RFC 7672 §3.2.2).
    names = () if smarthost else tuple(filter(None, (domain, hops.name)))
    plan = await _by_dane(host, names, resolver, settings, implicit=implicit)
    if enforced and (plan is None or plan.need < Need.VERIFY):
        plan = Plan(Need.VERIFY, "MTA-STS policy: enforce", implicit)
    if plan is None or (plan.need is not Need.DANE and need > plan.need):
        plan = Plan(need, why, implicit)
    if require_tls:
        plan = _required(plan, host, hops, enforced=enforced, by_name=smarthost is not None)
    if plan.need is Need.MAY and sts is not None and sts.mode == "testing":
        return Plan(plan.need, f"{plan.why}, MTA-STS policy: testing", implicit)
    return plan


def _required(plan: Plan, host: Host, hops: Hops, *, enforced: bool, by_name: bool) -> Plan:
    """RFC 8689 §4.2.1: a host whose name is known for sure, and a certificate that proves it."""
    if not (hops.secure or enforced or by_name):
        words = (
            f"{host.name}: the sender requires TLS, and neither DNSSEC nor MTA-STS vouches for it"
        )
        raise SessionFailed("5.7.30", words, Contact(host.name, why="REQUIRETLS"), reached=True)
    if plan.need >= Need.VERIFY:
        return Plan(plan.need, f"REQUIRETLS, {plan.why}", plan.implicit, plan.tlsa, plan.names)
    return Plan(Need.VERIFY, "REQUIRETLS", plan.implicit)


async def _by_dane(
    host: Host, names: tuple[str, ...], resolver: Resolver, settings: Settings, *, implicit: bool
) -> Plan | None:
    """The plan that the host's TLSA records make; None where it has none (RFC 7672 §2.2)."""
    if not (settings.dane and resolver.validating and host.secure and host.name):
        return None
    found: Answer[Tlsa] | None = None
    base = host.name
    for base in dict.fromkeys((host.base or host.name, host.name)):
        try:
            found = await resolver.tlsa(f"_{host.port}._tcp.{base}")
        except (DnsFailure, ValueError) as error:
            words = f"{host.name}: its TLSA records can't be had now, {error}"
            raise SessionFailed("4.7.5", words, Contact(host.name, why="DANE")) from error
        if found.records and found.secure:
            break
    if found is None or not (found.records and found.secure):
        return None
    names = tuple(dict.fromkeys((base, host.name, *names)))
    usable = dane.usable(found.records)
    if not usable:
        return Plan(Need.MUST, "DANE: no usable TLSA record", implicit, names=names)
    return Plan(Need.DANE, "DANE", implicit, usable, names)
