"""GENURLAUTH, URLFETCH and RESETKEY: URLs that let others read some octets (RFC 4467, RFC 5550),
as they are, or decoded and with their structure (RFC 5524).

URLFETCH tells nothing of why a URL is not valid: NIL, whatever the reason.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from mailsuite.accounts import AccountRow
from mailsuite.imapd import url_auth, urls
from mailsuite.imapd.binary import Binary
from mailsuite.imapd.namespace import Namespace
from mailsuite.imapd.octets import Octets
from mailsuite.imapd.reply import OK, Bad, No, Refusal, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.structures import as_basic, as_sent, is_leaf, part_structure
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.parse_url_auth import UrlRequest
from mailsuite.imapd.syntax.url import MessageUrl, parse_url
from mailsuite.store import StoreError, StoreUnavailable, url_keys

URLMECH = "URLMECH INTERNAL"


async def genurlauth(session: Session, wanted: Sequence[tuple[str, str]]) -> Reply:
    """All are signed, or none; BAD for a URL that cannot be signed, whatever the reason (§7)."""
    made = [await _signed(session, rump, mechanism) for rump, mechanism in wanted]
    texts = b" ".join(response.astring(url.encode()) for url in made)
    session.write(b"* GENURLAUTH " + texts + b"\r\n")
    return OK


async def _signed(session: Session, rump: str, mechanism: str) -> str:
    if mechanism != url_auth.MECHANISM:
        raise Bad("INTERNAL is the only mechanism")
    try:
        url = parse_url(rump)
    except ValueError:
        raise Bad("This is not the URL of a message") from None
    if url.access is None or url.token is not None or url.host is None or url.mailbox is None:
        raise Bad("A whole URL is wanted, up to ;URLAUTH= and who may use it")
    if url.user is None or not session.is_own(url.user, url.host):
        raise Bad("Only URLs of one's own account can be signed")
    try:
        mailboxid = await _mailboxid(session.store, url)
    except StoreUnavailable:
        raise
    except (No, StoreError) as why:
        raise Bad(f"There is no such mailbox: {why}") from None
    return url_auth.signed(rump, await url_keys.make(session.store.own, mailboxid))


async def _mailboxid(store: Namespace, url: MessageUrl) -> str:
    """Of the mailbox that a URL names; it may be read. Raises as `Namespace.open`; No."""
    assert url.mailbox is not None
    mailbox = await store.open(url.mailbox)
    try:
        if url.uidvalidity not in (None, mailbox.uidvalidity):
            raise No("The mailbox is another one by now")
        return mailbox.mailboxid
    finally:
        mailbox.release()


async def urlfetch(session: Session, wanted: Sequence[UrlRequest]) -> Reply:
    for request in wanted:
        name = response.astring(request.url.encode("latin-1"))
        try:
            url = parse_url(request.url)
            named = await _authorized(session, url, structure=request.wanted is not None)
            if request.wanted == ():  # nothing that we know
                named.close()
                raise urls.BadUrl("nothing is wanted of it")
        except (ValueError, urls.BadUrl) as why:
            # Without a part that was asked for, FETCH would say NIL: here it is the empty string
            # (RFC 4467 §8), but NIL in the extended form (RFC 5524 §4).
            empty = isinstance(why, urls.NoSuchPart) and request.wanted is None
            session.write(b"* URLFETCH " + name + (b' ""\r\n' if empty else b" NIL\r\n"))
            continue
        with named:
            session.unfinished = True
            session.write(b"* URLFETCH " + name)
            if request.wanted is None:
                session.write(b" ")
                await Octets(b"", url.section, url.partial).send_value(
                    session, named.file, named.parts
                )
            else:
                await _extended(session, url, named, request.wanted)
            session.write(b"\r\n")
            session.unfinished = False
        await session.breathe()
    return OK


async def _extended(
    session: Session, url: MessageUrl, named: urls.Named, wanted: Sequence[str]
) -> None:
    """What there is to be told of a URL, then its octets (RFC 5524 §3).

    A header or a text has no structure: nothing is told of that (§5, `body`).
    """
    plain = Octets(b"BODY", url.section, url.partial)
    decoded = Binary(b"BINARY", Octets(b"", url.section, None), url.partial, size_only=False)
    if "BODYPARTSTRUCTURE" in wanted:
        threads = session.door.threads  # there may be thousands of parts in it
        structure = None
        if not url.section.text:
            structure = await threads.run(part_structure, named.structure, url.section.part)
        if structure is None:
            if "BINARY" not in wanted and "BODY" not in wanted:
                session.write(b" NIL")
        else:
            if "BINARY" in wanted and is_leaf(named.parts, url.section):
                sent = await decoded.measure(session, named.file, named.parts)
                if sent is not None:
                    structure = as_sent(structure, sent.encoding, sent.size, sent.lines)
            shown = structure if session.utf8 else await threads.run(as_basic, structure)
            session.write(b" (BODYPARTSTRUCTURE " + shown + b")")
    if "BINARY" in wanted:
        session.write(b" (")
        if decoded.possible(named.parts):
            await decoded.send(session, named.file, named.parts)
        else:
            session.write(b"BINARY NIL")
        session.write(b")")
    elif "BODY" in wanted:
        session.write(b" (")
        await plain.send(session, named.file, named.parts)
        session.write(b")")


async def _authorized(session: Session, url: MessageUrl, *, structure: bool) -> urls.Named:
    """What a signed URL names, read with its owner's rights. Raises BadUrl, StoreUnavailable.

    The token is compared even where there is no such mailbox, so that the time that it takes does
    not tell (RFC 4467 §6).
    """
    account = url_auth.owner(url)
    door = session.door
    if account is None or url.mailbox is None or not _is_here(session, url, account):
        raise urls.BadUrl("not a URL of this server")
    if not url_auth.may_use(url, session.account, time.time()):
        raise urls.BadUrl("not for this account, or no longer")
    found = door.directory.lookup(account)
    store = key = None
    if isinstance(found, AccountRow):
        own = await door.store.account(found.address)
        store = Namespace(own, door.store, door.directory)
        try:
            key = await url_keys.get(own, await _mailboxid(store, url))
        except StoreUnavailable:
            raise
        except (Refusal, StoreError):
            key = None
    if not url_auth.is_genuine(url, key) or store is None:
        raise urls.BadUrl("not signed by its owner")
    return await urls.find(store, url.mailbox, url, structure=structure)


def _is_here(session: Session, url: MessageUrl, account: str) -> bool:
    here = session.door.settings.hostname.lower()
    return url.host in (here, account.rpartition("@")[2])


async def resetkey(session: Session, mailbox: str | None, mechanisms: Sequence[str]) -> Reply:
    """One key, or all keys of the account; whoever has such a mailbox selected is told (§7)."""
    if any(mechanism != url_auth.MECHANISM for mechanism in mechanisms):
        raise Bad("INTERNAL is the only mechanism")
    own = session.store.own
    mailboxid = None
    if mailbox is not None:
        opened = await session.store.open(mailbox)
        mailboxid = opened.mailboxid
        opened.release()
    await url_keys.reset(own, mailboxid)
    line = f"* OK [{URLMECH}] Keys have been reset\r\n".encode()
    session.door.announcer.rekeyed(session, mailboxid, line)
    return Reply("All keys are gone") if mailbox is None else Reply(code=URLMECH)
