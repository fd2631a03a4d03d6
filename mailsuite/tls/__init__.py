"""TLS for the doors: the server's certificate, reloadable, and a CA of our own for development.

Promises: TLS 1.2 or newer; a certificate that can't be used never replaces one in force. Never
asks for a passphrase, never talks to a CA on the network.
"""

from mailsuite.tls.dev_ca import DevTls, ensure_dev_tls
from mailsuite.tls.peer import bindings_of, certificate_names
from mailsuite.tls.server import ServerTls

__all__ = ["DevTls", "ServerTls", "bindings_of", "certificate_names", "ensure_dev_tls"]
