"""Notices to senders: what failed, what waits, what has arrived (RFC 3461, RFC 3464, RFC 6533).

Promises: nobody is told by mail of the failure of a notice; the octets of a returned message are
those that came in. Sends nothing: notices go back to the queue as follow-up mail.
"""

from mailsuite.dsn.notifier import DeliveryNotifier

__all__ = ["DeliveryNotifier"]
