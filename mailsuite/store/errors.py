"""Pure. What can go wrong in the store, in neutral words; each door maps them to its replies."""

from errno import EACCES, EISDIR, ELOOP, ENOTDIR, EPERM, EROFS

_LASTING = (EACCES, EPERM, EROFS, ENOTDIR, EISDIR, ELOOP)


class StoreError(Exception):
    """Base of all errors that the store raises on purpose; its text is for a log, not a peer."""


class NoSuchMailbox(StoreError):
    """The mailbox does not exist (any more)."""


class MailboxExists(StoreError):
    """A mailbox of this name is there already."""


class InvalidName(StoreError):
    """No mailbox can have this name: control characters, an empty level, or too long."""


class CannotChange(StoreError):
    """The change is not allowed: INBOX deleted, a mailbox renamed into itself, an unknown flag."""


class HasChildren(CannotChange):
    """A mere level above mailboxes cannot be deleted."""


class MessageGone(StoreError):
    """The message has been expunged and its octets are no longer kept."""


class LimitReached(StoreError):
    """A bound of the store: too many keywords, or no UID left."""


class OverQuota(StoreError):
    """The account's quota does not allow so much."""


class StoreUnavailable(StoreError):
    """The disk refused (full, failing, no permission). Nothing was changed; try again later."""

    @property
    def lasts(self) -> bool:
        """Somebody must do something about it: a file is in the way, or may not be opened."""
        return isinstance(self.__cause__, OSError) and self.__cause__.errno in _LASTING
