"""Mail to other hosts: the next hop, the SMTP client, TLS and its policies.

Promises: every recipient ends sent, deferred or bounced, with the other host's words; nothing that
DANE, MTA-STS or the settings demand is given up for a delivery; octets stay as they are but where
the next host can't take them; mail of our domains is signed (DKIM), and no other. Keeps no mail:
the queue does.
"""

from mailsuite.relay.courier import RelayCourier
from mailsuite.relay.on_demand import OnDemandCourier
from mailsuite.relay.settings import Rule, Settings, Smarthost, TlsLevel
from mailsuite.relay.signing import Signer
from mailsuite.relay.sts import StsPolicies
from mailsuite.relay.tls import Contexts
from mailsuite.relay.turned import TurnedCourier
from mailsuite.relay.verdicts import SessionFailed

__all__ = [
    "Contexts",
    "OnDemandCourier",
    "RelayCourier",
    "Rule",
    "SessionFailed",
    "Settings",
    "Signer",
    "Smarthost",
    "StsPolicies",
    "TlsLevel",
    "TurnedCourier",
]
