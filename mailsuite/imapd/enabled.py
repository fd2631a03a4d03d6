"""Pure. What a client has switched on (RFC 5161), and how it is therefore spoken to."""

from __future__ import annotations


class Enabled(set[str]):
    """Names of capabilities, upper-case."""

    __slots__ = ()

    @property
    def rev2(self) -> bool:
        r"""IMAP4rev2: no RECENT and \Recent, ESEARCH for SEARCH, LIST in SELECT (RFC 9051)."""
        return "IMAP4REV2" in self

    @property
    def utf8(self) -> bool:
        """Mailbox names go out as UTF-8 (RFC 9755, RFC 9051 §5.1)."""
        return bool(self & {"IMAP4REV2", "UTF8=ACCEPT"})

    @property
    def condstore(self) -> bool:
        """Mod-sequences are told with all changes (RFC 7162 §3.1)."""
        return bool(self & {"CONDSTORE", "QRESYNC"})

    @property
    def by_uid(self) -> bool:
        """Changes are told with the message's UID (RFC 7162 §3.2.4, RFC 9051 §7.5.2)."""
        return self.condstore or self.rev2

    @property
    def qresync(self) -> bool:
        """The client may ask for what has vanished (RFC 7162 §3.2.3)."""
        return "QRESYNC" in self

    @property
    def uid_only(self) -> bool:
        """No message numbers, in neither direction (RFC 9586)."""
        return "UIDONLY" in self

    @property
    def vanished(self) -> bool:
        """Expunged messages are told by their UIDs (RFC 7162 §3.2.10.2, RFC 9586 §3.4)."""
        return bool(self & {"QRESYNC", "UIDONLY"})
