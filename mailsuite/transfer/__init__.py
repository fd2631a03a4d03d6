"""Moving in and out: accounts' mail from and to other servers and their files.

Everything goes through the store of the process that owns the data folder. What has come over is
noted, so that an import may be cut short, and run again for the difference.
"""

from mailsuite.transfer.choice import Choice
from mailsuite.transfer.imap_import import ImapImport
from mailsuite.transfer.maildir_export import MaildirExport
from mailsuite.transfer.maildir_import import MaildirImport
from mailsuite.transfer.mbox_export import MboxExport
from mailsuite.transfer.mbox_import import MboxImport
from mailsuite.transfer.progress import Progress
from mailsuite.transfer.state import State
from mailsuite.transfer.target import Target

__all__ = [
    "Choice",
    "ImapImport",
    "MaildirExport",
    "MaildirImport",
    "MboxExport",
    "MboxImport",
    "Progress",
    "State",
    "Target",
]
