"""`mailsuite serve`: the production form.

Binds as root and gives root up, or starts without it. What is missing (a certificate, a full host
name, a domain) is warned of with what to do about it; the server runs all the same.
"""

import asyncio
import ssl
from pathlib import Path

from mailsuite import config as settings
from mailsuite.app.privileges import drop
from mailsuite.app.run import run, serve_until_stopped
from mailsuite.app.server import Server, make_folder, own
from mailsuite.app.sockets import Socket, bind_all
from mailsuite.base import log
from mailsuite.base.errors import UserError
from mailsuite.config import Config
from mailsuite.tls import ServerTls, ensure_dev_tls

logger = log.get_logger("app")


def serve(config: Config, *, config_path: Path | None) -> int:
    """Serve until SIGTERM. `config_path` is read again at SIGHUP. Returns the exit code."""
    log.configure(json=config.log.format == "json", level=config.log.level)
    # Ports below 1024 are root's; everything after this line is the mail user's.
    sockets = bind_all(config.endpoints())
    drop(config.user, config.group, config.data)
    make_folder(config.data)
    lock = own(config.data)
    try:
        return run(_serve(config, config_path, sockets))
    finally:
        lock.release()


async def _serve(config: Config, config_path: Path | None, sockets: list[Socket]) -> int:
    hostname = config.hostname
    if hostname is None:
        hostname = await asyncio.to_thread(settings.system_hostname)
    if "." not in hostname:
        logger.warning(
            "the host name is not fully qualified, other servers may refuse mail from it",
            hostname=hostname,
            remedy="set `hostname` in the settings",
        )
    tls = await asyncio.to_thread(_Certificates, config, hostname)
    server = Server(
        config,
        hostname=hostname,
        sockets=sockets,
        tls=tls.context,
        client_tls=tls.client_contexts,
    )

    def ready() -> None:
        logger.info(
            "ready", listeners=[f"{at.name}={at.host}:{at.port}" for at in server.listening]
        )
        if not server.accounts.domains():
            logger.warning(
                "there is no domain yet, so no mail is taken",
                remedy="mailsuite domain add example.org; mailsuite user add you@example.org",
            )

    async def reload() -> None:
        await _reload(server, tls, config_path)

    return await serve_until_stopped(server, ready=ready, reload=reload)


async def _reload(server: Server, tls: "_Certificates", config_path: Path | None) -> None:
    """Read settings and certificates again; what is wrong leaves the old ones in force."""
    new = server.config
    if config_path is not None:
        loaded = await asyncio.to_thread(settings.load, config_path)
        new = loaded.config
        late = settings.needs_restart(server.config, new)
        if late:
            logger.warning("these settings change at the next start only", keys=late)
        # Sockets and folders stay as they are; only the rest comes into force.
        new = settings.reloaded(server.config, new)
    # First all that may fail.
    relay = await asyncio.to_thread(server.outbound.prepare, new)
    await asyncio.to_thread(tls.reload, new)
    log.configure(json=new.log.format == "json", level=new.log.level)
    server.apply(new, relay)
    logger.info("settings reloaded")


class _Certificates:
    """The operator's certificate, or one of our own while there is none that works."""

    def __init__(self, config: Config, hostname: str) -> None:
        self._hostname = hostname if "." in hostname else None
        own = ensure_dev_tls(config.data / "tls", hostname=hostname, domain=hostname)
        try:
            if config.tls is None:
                raise UserError("tls: no certificate is set")
            self._tls = ServerTls(config.tls.certificate, config.tls.key)
        except UserError as error:
            logger.warning(
                "the server shows a certificate of its own, which clients warn about",
                why=str(error),
                remedy="set tls.certificate and tls.key, then send SIGHUP",
            )
            self._tls = ServerTls(own.certificate, own.key)
        paths = {each.client_ca for each in config.endpoints() if each.client_ca is not None}
        self._clients = {
            path: ServerTls(*self._tls.files, client_ca=path) for path in sorted(paths)
        }
        self._warn()

    @property
    def context(self) -> ssl.SSLContext:
        return self._tls.context

    @property
    def client_contexts(self) -> dict[Path, ssl.SSLContext]:
        """Those that ask clients for certificates, by the file with the authorities."""
        return {path: tls.context for path, tls in self._clients.items()}

    def reload(self, config: Config) -> None:
        """Raises UserError when the new files do not work; the old ones stay in force."""
        if config.tls is None:
            self._tls.reload()
        else:
            self._tls.reload(config.tls.certificate, config.tls.key)
        for tls in self._clients.values():
            tls.reload(*self._tls.files)
        self._warn()

    def _warn(self) -> None:
        for text in self._tls.warnings(self._hostname):
            logger.warning("certificate", what=text)
