"""The commands and the capabilities of the IMAP door: the one place to add an extension to.

A row names a command's parser, its handler, the states in which it is allowed, and what the
session has to see to (see `row`). A capability is announced when its condition holds, and only
when it is whole.
"""

from __future__ import annotations

import dataclasses

from mailsuite.imapd.commands import (
    acl,
    append,
    compress,
    copy,
    expunge,
    fetch,
    general,
    idle,
    list_,
    login,
    mailboxes,
    metadata,
    multisearch,
    notify,
    quota,
    replace,
    search,
    select,
    sort,
    store,
    thread,
    unauthenticate,
    url_auth,
)
from mailsuite.imapd.row import ANY, SIGNED_IN, Capability, Row, State
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import grammar

SELECTED = State.SELECTED
NOT_AUTHENTICATED = State.NOT_AUTHENTICATED

_ROWS = (
    # RFC 3501 §6.1, any state
    Row("CAPABILITY", grammar.no_arguments, general.capability, ANY),
    Row("NOOP", grammar.no_arguments, general.noop, ANY),
    Row("LOGOUT", grammar.no_arguments, general.logout, ANY),
    Row("ID", grammar.id_, general.id_, ANY),  # RFC 2971
    # §6.2, not authenticated
    Row("STARTTLS", grammar.no_arguments, login.starttls, NOT_AUTHENTICATED),
    Row("AUTHENTICATE", grammar.authenticate, login.authenticate, NOT_AUTHENTICATED),
    Row("LOGIN", grammar.login, login.login, NOT_AUTHENTICATED),
    # §6.3, authenticated
    Row("SELECT", grammar.select, select.select, SIGNED_IN),
    Row("EXAMINE", grammar.select, select.examine, SIGNED_IN),
    Row("CREATE", grammar.create, mailboxes.create, SIGNED_IN),
    Row("DELETE", grammar.mailbox, mailboxes.delete, SIGNED_IN),
    Row("RENAME", grammar.rename, mailboxes.rename, SIGNED_IN),
    Row("SUBSCRIBE", grammar.mailbox, mailboxes.subscribe, SIGNED_IN),
    Row("UNSUBSCRIBE", grammar.mailbox, mailboxes.unsubscribe, SIGNED_IN),
    Row("LIST", grammar.list_, list_.list_, SIGNED_IN),
    Row("LSUB", grammar.lsub, list_.lsub, SIGNED_IN),
    Row("STATUS", grammar.status, mailboxes.status, SIGNED_IN),
    Row("APPEND", grammar.append, append.append, SIGNED_IN, try_create=True, admit=append.admit),
    Row(  # RFC 8508
        "REPLACE",
        grammar.replace,
        replace.replace,
        SELECTED,
        writes=True,
        try_create=True,
        rights="te",
        admit=append.admit,
    ),
    Row(
        "UID REPLACE",
        grammar.replace,
        replace.uid_replace,
        SELECTED,
        writes=True,
        try_create=True,
        rights="te",
        admit=append.admit,
    ),
    Row("COMPRESS", grammar.compress, compress.compress, SIGNED_IN),  # RFC 4978
    Row(  # RFC 8437
        "UNAUTHENTICATE", grammar.no_arguments, unauthenticate.unauthenticate, SIGNED_IN
    ),
    Row("GENURLAUTH", grammar.genurlauth, url_auth.genurlauth, SIGNED_IN),  # RFC 4467
    Row("URLFETCH", grammar.urlfetch, url_auth.urlfetch, SIGNED_IN),
    Row("RESETKEY", grammar.resetkey, url_auth.resetkey, SIGNED_IN),
    Row("ENABLE", grammar.enable, general.enable, SIGNED_IN),  # RFC 5161
    Row("NAMESPACE", grammar.no_arguments, general.namespace, SIGNED_IN),  # RFC 2342
    Row("NOTIFY", grammar.notify, notify.notify, SIGNED_IN),  # RFC 5465
    Row("IDLE", grammar.no_arguments, idle.idle, SIGNED_IN),  # RFC 2177
    Row("GETQUOTA", grammar.getquota, quota.getquota, SIGNED_IN),  # RFC 9208
    Row("GETQUOTAROOT", grammar.mailbox, quota.getquotaroot, SIGNED_IN),
    Row("SETQUOTA", grammar.setquota, quota.setquota, SIGNED_IN),
    Row("SETACL", grammar.setacl, acl.setacl, SIGNED_IN),  # RFC 4314
    Row("DELETEACL", grammar.identified, acl.deleteacl, SIGNED_IN),
    Row("GETACL", grammar.mailbox, acl.getacl, SIGNED_IN),
    Row("LISTRIGHTS", grammar.identified, acl.listrights, SIGNED_IN),
    Row("MYRIGHTS", grammar.mailbox, acl.myrights, SIGNED_IN),
    Row("GETMETADATA", grammar.getmetadata, metadata.getmetadata, SIGNED_IN),  # RFC 5464
    Row("SETMETADATA", grammar.setmetadata, metadata.setmetadata, SIGNED_IN),
    Row("ESEARCH", grammar.esearch, multisearch.esearch, SIGNED_IN),  # RFC 7377
    # As the example in §2 has it.
    Row("UID ESEARCH", grammar.esearch, multisearch.esearch, SIGNED_IN),
    # §6.4, selected
    Row("CHECK", grammar.no_arguments, general.check, SELECTED),
    Row("CLOSE", grammar.no_arguments, select.close, SELECTED),
    Row("UNSELECT", grammar.no_arguments, select.unselect, SELECTED),  # RFC 3691
    Row("EXPUNGE", grammar.no_arguments, expunge.expunge, SELECTED, writes=True, rights="e"),
    Row("UID EXPUNGE", grammar.uid_expunge, expunge.uid_expunge, SELECTED, writes=True, rights="e"),
    Row("SEARCH", grammar.search, search.search, SELECTED, uses_numbers=True),
    Row("UID SEARCH", grammar.search, search.uid_search, SELECTED),
    Row("CANCELUPDATE", grammar.cancel_update, search.cancel_update, SELECTED),  # RFC 5267
    # RFC 5256
    Row("SORT", grammar.sort, sort.sort, SELECTED, uses_numbers=True),
    Row("UID SORT", grammar.sort, sort.uid_sort, SELECTED),
    Row("THREAD", grammar.thread, thread.thread, SELECTED, uses_numbers=True),
    Row("UID THREAD", grammar.thread, thread.uid_thread, SELECTED),
    Row("FETCH", grammar.fetch, fetch.fetch, SELECTED, uses_numbers=True),
    Row("UID FETCH", grammar.fetch, fetch.uid_fetch, SELECTED),
    Row("STORE", grammar.store, store.store, SELECTED, uses_numbers=True, writes=True),
    Row("UID STORE", grammar.store, store.uid_store, SELECTED, writes=True),
    Row("COPY", grammar.copy, copy.copy, SELECTED, try_create=True),
    Row("UID COPY", grammar.copy, copy.uid_copy, SELECTED, try_create=True),
    # RFC 6851
    Row("MOVE", grammar.copy, copy.move, SELECTED, writes=True, try_create=True, rights="te"),
    Row(
        "UID MOVE", grammar.copy, copy.uid_move, SELECTED, writes=True, try_create=True, rights="te"
    ),
)
_LONG = {"SELECT", "EXAMINE", "RENAME", "DELETE", "EXPUNGE", "SEARCH", "SORT", "THREAD", "FETCH"}
_LONG |= {"STORE", "COPY", "MOVE", "ESEARCH"}
"""Commands that may take their time; UID forms too (RFC 9585)."""
COMMANDS = {
    row.name: dataclasses.replace(row, long=row.name.removeprefix("UID ") in _LONG) for row in _ROWS
}


def _always(session: Session) -> bool:
    return True


def _signed_in(session: Session) -> bool:
    return bool(session.state & SIGNED_IN)


def _signed_out(session: Session) -> bool:
    return not _signed_in(session)


def _may_start_tls(session: Session) -> bool:
    return _signed_out(session) and session.door.tls is not None and not session.connection.tls


def _no_login(session: Session) -> bool:
    return _signed_out(session) and not session.secure


def _may_authenticate(session: Session) -> bool:
    return _signed_out(session) and bool(session.door.sign_in.mechanisms(session.client))


def _mechanisms(session: Session) -> str:
    """A capability for each: AUTH=PLAIN AUTH=LOGIN."""
    return " AUTH=".join(session.door.sign_in.mechanisms(session.client))


def _may_compress(session: Session) -> bool:
    return _signed_in(session) and not session.wire.compressed


def _may_sign_out(session: Session) -> bool:
    return _signed_in(session) and session.door.settings.unauthenticate


def _append_limit(session: Session) -> int:
    """RFC 7889: the same for all mailboxes."""
    return session.door.settings.limits.literal


CAPABILITIES = (
    Capability("IMAP4rev1", _always),
    Capability("IMAP4rev2", _always, can_enable=True),  # RFC 9051
    Capability("STARTTLS", _may_start_tls),
    Capability("LOGINDISABLED", _no_login),
    Capability("AUTH", _may_authenticate, value=_mechanisms),
    Capability("SASL-IR", _signed_out),  # RFC 4959
    Capability("LITERAL+", _always),  # RFC 7888
    Capability("ID", _always),  # RFC 2971
    Capability("ENABLE", _always),  # RFC 5161
    Capability("IDLE", _signed_in),  # RFC 2177
    Capability("NOTIFY", _signed_in),  # RFC 5465
    Capability("NAMESPACE", _signed_in),  # RFC 2342
    Capability("CHILDREN", _signed_in),  # RFC 3348
    Capability("UIDPLUS", _signed_in),  # RFC 4315
    Capability("UNSELECT", _signed_in),  # RFC 3691
    Capability("MOVE", _signed_in),  # RFC 6851
    Capability("SPECIAL-USE", _signed_in),  # RFC 6154
    Capability("CREATE-SPECIAL-USE", _signed_in),
    Capability("LIST-EXTENDED", _signed_in),  # RFC 5258
    Capability("LIST-STATUS", _signed_in),  # RFC 5819
    Capability("LIST-MYRIGHTS", _signed_in),  # RFC 8440
    Capability("ESEARCH", _signed_in),  # RFC 4731
    Capability("SEARCH=FUZZY", _signed_in),  # RFC 6203
    Capability("I18NLEVEL=1", _signed_in),  # RFC 5255
    Capability("SEARCHRES", _signed_in),  # RFC 5182
    Capability("PREVIEW", _signed_in),  # RFC 8970
    Capability("SAVEDATE", _signed_in),  # RFC 8514
    Capability("OBJECTID", _signed_in),  # RFC 8474
    Capability("WITHIN", _signed_in),  # RFC 5032
    Capability("PARTIAL", _signed_in),  # RFC 9394
    Capability("SORT", _signed_in),  # RFC 5256
    Capability("SORT=DISPLAY", _signed_in),  # RFC 5957
    Capability("THREAD=ORDEREDSUBJECT", _signed_in),  # RFC 5256
    Capability("THREAD=REFERENCES", _signed_in),
    Capability("ESORT", _signed_in),  # RFC 5267
    Capability("CONTEXT=SEARCH", _signed_in),
    Capability("CONTEXT=SORT", _signed_in),
    Capability("MULTISEARCH", _signed_in),  # RFC 7377
    Capability("INPROGRESS", _signed_in),  # RFC 9585
    Capability("COMPRESS=DEFLATE", _may_compress),  # RFC 4978
    Capability("UNAUTHENTICATE", _may_sign_out),  # RFC 8437
    Capability("BINARY", _signed_in),  # RFC 3516
    Capability("CATENATE", _signed_in),  # RFC 4469
    Capability("URLAUTH", _signed_in),  # RFC 4467
    Capability("URLAUTH=BINARY", _signed_in),  # RFC 5524
    Capability("URL-PARTIAL", _signed_in),  # RFC 5550
    Capability("REPLACE", _signed_in),  # RFC 8508
    Capability("APPENDLIMIT", _signed_in, value=_append_limit),
    Capability("MULTIAPPEND", _signed_in),  # RFC 3502
    Capability("STATUS=SIZE", _signed_in),  # RFC 8438
    Capability("CONDSTORE", _signed_in, can_enable=True),  # RFC 7162
    Capability("QRESYNC", _signed_in, can_enable=True),
    Capability("UIDONLY", _signed_in, can_enable=True),  # RFC 9586
    Capability("ACL", _signed_in),  # RFC 4314
    Capability("RIGHTS=texk", _signed_in),
    Capability("UTF8=ACCEPT", _signed_in, can_enable=True),  # RFC 9755
    Capability("METADATA", _signed_in, can_enable=True),  # RFC 5464
    Capability("METADATA-SERVER", _signed_in, can_enable=True),
    Capability("LIST-METADATA", _signed_in),  # RFC 9590
    Capability("QUOTA", _signed_in),  # RFC 9208
    Capability("QUOTA=RES-STORAGE", _signed_in),
    Capability("QUOTA=RES-MESSAGE", _signed_in),
)
