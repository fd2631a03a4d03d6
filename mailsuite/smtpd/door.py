"""The ESMTP door: one listener with its sessions, started and stopped by `app`.

Promises: no session outlives `stop`; a commit that is running then is waited for; idle clients are
told 421 first.
"""

import asyncio
import contextlib
import socket
from dataclasses import replace
from ssl import SSLContext

from mailsuite.base.clock import Clock, SystemClock
from mailsuite.net import ConnectionLimits, Proxies, Serving, serve
from mailsuite.smtpd import commands, extensions
from mailsuite.smtpd.context import (
    Context,
    Reach,
    Receiver,
    Room,
    Routes,
    SignIn,
    Turner,
    reach_nobody,
    unlimited,
)
from mailsuite.smtpd.counters import Counters
from mailsuite.smtpd.model import Parameter
from mailsuite.smtpd.session import SmtpSession
from mailsuite.smtpd.settings import Settings

COMMANDS = {"lmtp": commands.LMTP, "odmr": commands.ODMR}
LAST_WORDS = 1.0  # seconds that closing connections have at the stop
# A message that another host has and is thinking about would go there twice.
TURNED_GRACE = 4.0  # seconds more, for connections on which the roles have turned


class Smtpd:
    """One listener."""

    def __init__(
        self,
        settings: Settings,
        router: Routes,
        sign_in: SignIn,
        queue: Receiver,
        tls_context: SSLContext | None,
        *,
        limits: ConnectionLimits | None = None,
        clock: Clock | None = None,
        room: Room = unlimited,
        reach: Reach = reach_nobody,
        proxies: Proxies | None = None,
        name: str = "",
        turner: Turner | None = None,
    ) -> None:
        """`room` tells full mailboxes; `proxies` stand before it, where there are any.

        `reach` is asked before a queue run (ETRN). Without a `turner` nobody gets mail by ATRN and
        TURN. `name` is what the log calls it.

        `limits` may be shared with other listeners; without them it has its own.

        Raises ValueError when the settings want implicit TLS and there is no `tls_context`.
        """
        if settings.implicit_tls and tls_context is None:
            raise ValueError("implicit TLS needs a TLS context")
        self._tls = tls_context if settings.implicit_tls else None
        self._name = name or settings.kind
        self._proxies = proxies
        self._server: Serving | None = None
        mail_parameters: dict[str, Parameter] = {}
        rcpt_parameters: dict[str, Parameter] = {}
        for extension in extensions.TABLE:
            mail_parameters.update(extension.mail)
            rcpt_parameters.update(extension.rcpt)
        self._context = Context(
            settings=settings,
            router=router,
            sign_in=sign_in,
            queue=queue,
            limits=limits
            or ConnectionLimits(settings.max_connections, settings.max_connections_per_address),
            clock=clock or SystemClock(),
            starttls=None if settings.implicit_tls else tls_context,
            commands=COMMANDS.get(settings.kind, commands.SMTP),
            extensions=extensions.ODMR if settings.odmr else extensions.TABLE,
            mail_parameters=mail_parameters,
            rcpt_parameters=rcpt_parameters,
            room=room,
            reach=reach,
            turner=turner,
        )

    @property
    def sessions(self) -> int:
        """Connections open now."""
        return len(self._context.sessions)

    @property
    def counters(self) -> Counters:
        """What has been counted since the start."""
        return self._context.counters

    def apply(self, settings: Settings) -> None:
        """New settings for the sessions that begin from now on.

        What belongs to the socket (`kind`, `implicit_tls`) and the bounds on connections stay as
        they are.
        """
        kept = self._context.settings
        self._context = replace(
            self._context,
            settings=replace(settings, kind=kept.kind, implicit_tls=kept.implicit_tls),
        )

    async def start(self, sock: socket.socket) -> None:
        """Accept clients on `sock`, which is bound, from now on."""
        loop = asyncio.get_running_loop()
        self._server = await serve(
            sock,
            lambda origin: SmtpSession(self._context, loop, origin),
            self._context.limits,
            name=self._name,
            tls=self._tls,
            proxies=self._proxies,
        )

    async def stop(self, grace: float = 1.0) -> None:
        """Accept nobody more, say 421 to the idle; others have `grace` seconds to finish.

        Then they are cancelled, but for commits, which are always waited for.
        """
        context = self._context
        context.stopping.set()
        if self._server is not None:
            await self._server.stop()
            self._server = None
        for session in list(context.sessions):
            session.shut_down()
        await context.tasks.wait(grace)
        await context.tasks.cancel()
        await context.turned.wait(TURNED_GRACE if grace else 0.0)
        await context.turned.cancel()
        # The sessions are over; their last words may still be on the way.
        if context.sessions:
            context.empty.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(grace, LAST_WORDS)):
                    await context.empty.wait()
        for session in list(context.sessions):
            session.abort()
