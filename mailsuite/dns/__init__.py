"""Questions to the DNS, their answers kept as long as they live, and whether they can be trusted.

Promises: a question takes no longer than `Settings.timeout`; "not there" and "not to be had now"
are told apart; an answer counts as secure only where a resolver that may be believed has validated
it.
"""

from mailsuite.dns.answers import Answer, DnsFailure, Mx, Tlsa
from mailsuite.dns.resolver import Resolver
from mailsuite.dns.settings import Nameserver, Settings

__all__ = ["Answer", "DnsFailure", "Mx", "Nameserver", "Resolver", "Settings", "Tlsa"]
