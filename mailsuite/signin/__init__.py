"""Sign-in, the same at every door: who is it, may it come in, how long must it wait.

A door says who is there (`Client`), takes the mechanisms to announce from `SignIn.mechanisms`, and
runs an exchange or gives a name and password; it gets a `SignedIn` or a `Refused`, and puts that
into its protocol's words. Promises: names are not told apart by answers or by time; guessing gets
slower with each failure and ends in a ban, at all doors at once and over a restart; whoever has the
right password from a network that the account is used from is not locked out by others' guesses.
Never sees a protocol, never writes to a client.
"""

from mailsuite.signin.bans import Ban, Bans
from mailsuite.signin.exchange import Exchange
from mailsuite.signin.model import Client, Outcome, Refused, SignedIn, Why
from mailsuite.signin.provider import Provider
from mailsuite.signin.service import Accounts, SignIn
from mailsuite.signin.settings import Settings
from mailsuite.signin.throttle import Throttle

__all__ = [
    "Accounts",
    "Ban",
    "Bans",
    "Client",
    "Exchange",
    "Outcome",
    "Provider",
    "Refused",
    "Settings",
    "SignIn",
    "SignedIn",
    "Throttle",
    "Why",
]
