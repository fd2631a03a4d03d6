"""Giving up root: after the ports are bound, before any mail is touched.

Never goes on as root when another user was asked for.
"""

import contextlib
import grp
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from mailsuite.base.errors import UserError


def drop(user: str | None, group: str | None, data: Path) -> None:
    """Become `user` (and `group`); the data folder is made for that user where it is missing.

    Without a user nothing changes. Raises UserError when the user or group does not exist, or when
    it is asked for by a process that may not change its user.
    """
    if user is None:
        return
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise UserError(f"user: no such system user: {user}") from None
    try:
        gid = account.pw_gid if group is None else grp.getgrnam(group).gr_gid
    except KeyError:
        raise UserError(f"group: no such system group: {group}") from None
    if os.geteuid() != 0:
        if account.pw_uid == os.geteuid():
            return
        raise UserError(f"user: only root can become {user}; start as root or leave `user` away")
    _own(data, account.pw_uid, gid)
    os.initgroups(user, gid)
    os.setgid(gid)
    os.setuid(account.pw_uid)
    os.environ["HOME"] = account.pw_dir
    os.umask(0o077)


def become(data: Path) -> None:
    """Root becomes the owner of the data folder; nobody else changes. Raises UserError."""
    try:
        status = data.stat()
    except OSError as error:
        raise UserError(f"{data}: {error.strerror}") from error
    if os.geteuid() != 0 or status.st_uid == 0:
        return
    try:
        account = pwd.getpwuid(status.st_uid)
    except KeyError:
        os.setgroups([])
    else:
        os.initgroups(account.pw_name, status.st_gid)
    os.setgid(status.st_gid)
    os.setuid(status.st_uid)
    os.umask(0o077)


@contextlib.contextmanager
def as_user(user: str | None, group: str | None) -> Iterator[None]:
    """Root looks at files as `user` does, for a while. Nothing changes where there is none such."""
    try:
        account = None if user is None or os.geteuid() != 0 else pwd.getpwnam(user)
        gid = -1 if account is None else account.pw_gid
        gid = grp.getgrnam(group).gr_gid if group is not None else gid
    except KeyError:
        account = None
    if account is None:
        yield
        return
    groups, own = os.getgroups(), os.getegid()
    os.initgroups(account.pw_name, gid)
    os.setegid(gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(own)
        os.setgroups(groups)


def _own(data: Path, uid: int, gid: int) -> None:
    """Make the data folder if it is not there, owned by the user that is to write in it."""
    if data.exists():
        return
    try:
        data.mkdir(mode=0o700, parents=True)
        os.chown(data, uid, gid)
    except OSError as error:
        raise UserError(f"data: cannot make {data}: {error.strerror}") from error
