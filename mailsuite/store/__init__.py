"""The store: mail kept as plain Maildir++ files, an index as a cache, views shared by sessions.

Knows nothing of any protocol's syntax.
"""

from mailsuite.store import across, metadata, sharing, url_keys
from mailsuite.store.account import AccountStore
from mailsuite.store.acl import ALL_RIGHTS, EVERYBODY, RIGHTS, Acl
from mailsuite.store.attachment import Attachment
from mailsuite.store.errors import (
    CannotChange,
    HasChildren,
    InvalidName,
    LimitReached,
    MailboxExists,
    MessageGone,
    NoSuchMailbox,
    OverQuota,
    StoreError,
    StoreUnavailable,
)
from mailsuite.store.feed import ACTOR, AccountChange
from mailsuite.store.files import SPECIAL_USES
from mailsuite.store.flags import EVERY_FLAG, FlagTable, Scope
from mailsuite.store.fulltext import Candidates, Where
from mailsuite.store.mailbox import Mailbox
from mailsuite.store.message import MessageFile
from mailsuite.store.store import Store
from mailsuite.store.temp import TempMessage
from mailsuite.store.unique_ids import OWN_FORM, Form, UniqueIds
from mailsuite.store.values import (
    SYSTEM_COLUMNS,
    Appended,
    Change,
    Column,
    Copied,
    Derived,
    Facets,
    FlagsStored,
    MailboxInfo,
    NewMessage,
    Quota,
    Row,
    Status,
    Usage,
)

__all__ = [
    "ACTOR",
    "ALL_RIGHTS",
    "EVERYBODY",
    "EVERY_FLAG",
    "OWN_FORM",
    "RIGHTS",
    "SPECIAL_USES",
    "SYSTEM_COLUMNS",
    "AccountChange",
    "AccountStore",
    "Acl",
    "Appended",
    "Attachment",
    "Candidates",
    "CannotChange",
    "Change",
    "Column",
    "Copied",
    "Derived",
    "Facets",
    "FlagTable",
    "FlagsStored",
    "Form",
    "HasChildren",
    "InvalidName",
    "LimitReached",
    "Mailbox",
    "MailboxExists",
    "MailboxInfo",
    "MessageFile",
    "MessageGone",
    "NewMessage",
    "NoSuchMailbox",
    "OverQuota",
    "Quota",
    "Row",
    "Scope",
    "Status",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "TempMessage",
    "UniqueIds",
    "Usage",
    "Where",
    "across",
    "metadata",
    "sharing",
    "url_keys",
]
