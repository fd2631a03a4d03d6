"""What became of each message: the log's lines about it, kept and found again by Message-ID.

Promises: a room that logs does not know that it is kept, and never waits for it. A crash may lose
the last second of it; mail never depends on it.
"""

from mailsuite.history.recorder import Recorder
from mailsuite.history.story import Event, Story, stories

__all__ = ["Event", "Recorder", "Story", "stories"]
