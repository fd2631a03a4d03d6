"""The ESMTP door: takes mail from other servers (port 25, LMTP) and from our users (587, 465).

`door` is the listener, `session` one client, `wire` its octets; `commands` and `extensions` are
tables with a file for each row; `reception` brings a message into the queue, `handover` is how the
commands use it. `reply`, `grammar`, `data_reader` and `line_check` are pure.
"""

from mailsuite.smtpd.counters import Counters
from mailsuite.smtpd.door import Smtpd
from mailsuite.smtpd.settings import Settings

__all__ = ["Counters", "Settings", "Smtpd"]
