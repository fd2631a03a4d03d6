"""Signs what is sent (DKIM, RFC 6376): the mail of our domains, and nothing of others.

Promises: mail never waits for a signature; where a key can't be used it goes out without one, and
the log names the file. Computes and blocks on the disk: for threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mailsuite.base.clock import Clock
from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.dkim import Keys
from mailsuite.mail import Envelope, Job
from mailsuite.message.dkim import Unsignable, header_of, signature
from mailsuite.message.traits import Source

log = get_logger("relay")


@dataclass(frozen=True, slots=True)
class Signer:
    """`domain` gives the domain of ours in whose name a message goes out, or "".

    It is told the envelope and the addresses in From; may raise UserError.
    """

    keys: Keys
    domain: Callable[[Envelope, Sequence[str]], str]
    clock: Clock

    def concerns(self, envelope: Envelope) -> bool:
        """Whether its mail may be signed at all: nobody outside has brought it."""
        return envelope.internal or envelope.submitter is not None

    def field(self, job: Job, data: Source, start: int, end: int) -> bytes:
        """The field to put in front of the message from `start` to `end`; b"": none."""
        try:
            header = header_of(data, start, end)
            domain = self.domain(job.envelope, header.authors)
            if not domain:
                return b""
            key = self.keys.signing(domain)
            made = signature(
                data,
                end,
                header,
                domain=domain,
                selector=key.selector,
                now=self.clock.now(),
                rsa=key.sign,
            )
        except Unsignable as error:
            log.info("not signed", id=job.id, why=str(error))
            return b""
        except UserError as error:
            log.warning("not signed", id=job.id, why=str(error))
            return b""
        except Exception as error:
            # Unsigned it arrives; deferred for what will be no other the next time it would not.
            log.error("not signed", id=job.id, exc_info=error)
            return b""
        log.info("signed", id=job.id, domain=domain, selector=key.selector)
        return made
