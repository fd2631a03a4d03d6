"""Signs what is sent (DKIM, RFC 6376): the mail of our domains, and nothing of others.

Promises: mail never waits for a signature; where a key can't be used it goes out without one, and
the log names the file. A change of keys counts a second later at the latest.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from mailsuite.base.clock import Clock
from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.dkim import Key, Keys
from mailsuite.mail import Envelope, Job
from mailsuite.message.dkim import Header, Unsignable, header_of, signature
from mailsuite.message.traits import Source
from mailsuite.relay.content import Front, Write

log = get_logger("relay")
FRESH = 1.0  # seconds; to look at the files for each message costs as much as to sign it


@dataclass(frozen=True, slots=True)
class Signer:
    """`domain` gives the domain of ours in whose name a message goes out, or "".

    It is told the envelope and the addresses in From; may raise UserError.
    """

    keys: Keys
    domain: Callable[[Envelope, Sequence[str]], str]
    clock: Clock
    _known: dict[str, tuple[float, Key | UserError]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def concerns(self, envelope: Envelope) -> bool:
        """Whether its mail may be signed at all: nobody outside has brought it."""
        return envelope.internal or envelope.submitter is not None

    def look(self, job: Job, data: Source, start: int, end: int) -> Write | None:
        """What signs the message from `start` to `end`; None: it is not signed.

        Takes microseconds where the header is short.
        """
        with _no_reason_to_wait(job):
            header = header_of(data, start, end)
            domain = self.domain(job.envelope, header.authors)
            return partial(self._front, job, header, domain) if domain else None
        return None

    def _front(
        self, job: Job, header: Header, domain: str, data: Source, start: int, end: int
    ) -> Front:
        with _no_reason_to_wait(job):
            key = self._key(domain)
            made = signature(
                data,
                end,
                header,
                domain=domain,
                selector=key.selector,
                now=self.clock.now(),
                rsa=key.sign,
            )
            return Front(made, key.record_name)
        return Front()

    def _key(self, domain: str) -> Key:
        found = self._fresh(domain)
        if found is None:
            # One makes a key that is missing; the others wait for it, and make none to throw away.
            with self._lock:
                found = self._fresh(domain) or self._asked(domain)
        if isinstance(found, UserError):
            raise UserError(str(found))
        return found

    def _fresh(self, domain: str) -> Key | UserError | None:
        known = self._known.get(domain)
        if known is None or not 0 <= self.clock.monotonic() - known[0] < FRESH:
            return None
        return known[1]

    def _asked(self, domain: str) -> Key | UserError:
        """The key; or why there is none, so that not each message tries to make one."""
        found: Key | UserError
        try:
            found = self.keys.signing(domain)
        except UserError as error:
            found = UserError(str(error))
        self._known[domain] = (self.clock.monotonic(), found)
        return found


@contextmanager
def _no_reason_to_wait(job: Job) -> Iterator[None]:
    """Unsigned a message arrives; one that waits for us to mend something would not."""
    try:
        yield
    except Unsignable as error:
        log.info("not signed", id=job.id, why=str(error))
    except UserError as error:
        log.warning("not signed", id=job.id, why=str(error))
    except Exception as error:
        log.error("not signed", id=job.id, exc_info=error)
