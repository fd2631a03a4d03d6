"""Pure. What the operator has decided for POP3: how long mail may stay, how often clients may come.

RFC 2449 §6.5 and §6.7: before sign-in a server tells the strictest value that any account has, with
the word USER where an account's own may be another; after sign-in that account's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Policy:
    """Of one account.

    expire       days that a message stays at the least; one that was fetched with RETR is removed
                 at the end of a session after so many days. 0: at the end of the session that
                 fetched it; None: never
    login_delay  seconds after a sign-in before there may be another
    """

    expire: int | None = None
    login_delay: int = 0


@dataclass(frozen=True, slots=True)
class Policies:
    """`accounts`: those with a policy of their own, by address."""

    default: Policy = Policy()
    accounts: Mapping[str, Policy] = field(default_factory=dict)

    def of(self, account: str) -> Policy:
        """What holds for an account."""
        return self.accounts.get(account, self.default)

    @property
    def longest_delay(self) -> int:
        """The greatest LOGIN-DELAY of all."""
        return max(policy.login_delay for policy in self._all)

    @property
    def _all(self) -> list[Policy]:
        return [self.default, *self.accounts.values()]

    def capabilities(self, account: str | None) -> list[str]:
        """The lines of CAPA about this; `account` None: before sign-in."""
        delay = self.longest_delay
        expires = {policy.expire for policy in self._all}
        if account is not None:
            own = self.of(account)
            found = [f"EXPIRE {_days(own.expire)}"]
            return [*found, f"LOGIN-DELAY {own.login_delay}"] if delay else found
        strictest = min((days for days in expires if days is not None), default=None)
        found = [f"EXPIRE {_days(strictest)}" + (" USER" if len(expires) > 1 else "")]
        if delay:
            differ = len({policy.login_delay for policy in self._all}) > 1
            found.append(f"LOGIN-DELAY {delay}" + (" USER" if differ else ""))
        return found


def _days(expire: int | None) -> str:
    return "NEVER" if expire is None else str(expire)


NO_POLICY = Policies()
