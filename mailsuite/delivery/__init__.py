"""The delivery agent: couriers that put mail into mailboxes of the store.

Promises: an attempt that is repeated delivers nothing twice; octets of a message are never changed:
trace fields are put before them, and a Return-Path that came along is left out (RFC 5321 §4.4).
Sends nothing: what an alias leads to elsewhere comes back as follow-up mail in the outcome.
"""

from mailsuite.delivery.capture import CaptureCourier
from mailsuite.delivery.expansion import Expansion, expand
from mailsuite.delivery.local import LocalCourier
from mailsuite.delivery.release import RELEASE, Releaser
from mailsuite.delivery.trace import local_prefix

__all__ = [
    "RELEASE",
    "CaptureCourier",
    "Expansion",
    "LocalCourier",
    "Releaser",
    "expand",
    "local_prefix",
]
