r"""Pure. Where the folders of another server go: names, hierarchy, and folders of special use.

A folder is known by its \Special-use attribute (RFC 6154), else by a name that mail clients have
used for it in their languages. It then becomes the account's own folder of that use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

INBOX = "INBOX"
_BAD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

WELL_KNOWN: Mapping[str, tuple[str, ...]] = {
    "\\Sent": (
        *("sent", "sent items", "sent messages", "sent mail", "sent-mail", "gesendet"),
        *("gesendete elemente", "gesendete objekte", "gesendete nachrichten", "envoyés"),
        *("éléments envoyés", "messages envoyés", "enviados", "elementos enviados"),
        *("itens enviados", "inviata", "posta inviata", "inviati", "verzonden"),
        *("verzonden items", "verzonden berichten", "skickat", "skickade objekt", "sendt"),
        *("sendte elementer", "wysłane", "elementy wysłane", "отправленные", "lähetetyt"),
    ),
    "\\Drafts": (
        *("drafts", "draft", "entwürfe", "entwurf", "brouillons", "borradores", "rascunhos"),
        *("bozze", "concepten", "utkast", "kladder", "wersje robocze", "szkice", "черновики"),
        *("luonnokset",),
    ),
    "\\Trash": (
        *("trash", "deleted items", "deleted messages", "deleted", "bin", "papierkorb"),
        *("gelöscht", "gelöschte elemente", "gelöschte objekte", "gelöschte nachrichten"),
        *("corbeille", "éléments supprimés", "papelera", "elementos eliminados", "lixeira"),
        *("cestino", "posta eliminata", "prullenbak", "verwijderde items", "papperskorgen"),
        *("papirkurv", "slettet", "kosz", "elementy usunięte", "корзина", "roskakori"),
    ),
    "\\Junk": (
        *("junk", "spam", "junk e-mail", "junk email", "junk-e-mail", "bulk mail", "junk mail"),
        *("spamverdacht", "unerwünscht", "werbung", "indésirables", "courrier indésirable"),
        *("pourriel", "correo no deseado", "lixo eletrônico", "posta indesiderata"),
        *("ongewenste e-mail", "skräppost", "søppelpost", "wiadomości-śmieci", "спам"),
    ),
    "\\Archive": (
        *("archive", "archives", "archiv", "archivio", "archivo", "archief", "arkiv", "arquivo"),
        *("archiwum", "архив"),
    ),
}
VIRTUAL = frozenset({"\\all", "\\flagged", "\\important"})
"""Attributes of folders that only show what lies in others (RFC 6154, RFC 8457)."""


@dataclass(frozen=True, slots=True)
class Named:
    """A folder over there: its name with "/" between levels, and its attributes in any case."""

    name: str
    attributes: frozenset[str] = frozenset()


def is_virtual(attributes: Iterable[str]) -> bool:
    """It shows messages that lie in other folders."""
    return any(each.lower() in VIRTUAL for each in attributes)


def local_name(name: str, delimiter: str | None) -> str:
    """A name with "/" between levels that the store takes, whatever the other server allows."""
    levels = name.split(delimiter) if delimiter else [name]
    cleaned = [
        _BAD.sub("_", level.replace("/", "_") if delimiter != "/" else level) for level in levels
    ]
    cleaned = [level for level in cleaned if level]
    if not cleaned:
        return "_"
    if cleaned[0].upper() == INBOX:
        cleaned[0] = INBOX
    return "/".join(cleaned)


def shortened(name: str, fits: Callable[[str], bool]) -> str:
    """A name that `fits`, the same each time, and another for each name."""
    if fits(name):
        return name
    mark = "_" + blake2b(name.encode(errors="replace"), digest_size=5).hexdigest()
    kept = name
    while kept:
        kept = kept[:-1].rstrip("/")
        if fits(kept + mark):
            break
    return kept + mark


def without_prefix(name: str, prefix: str) -> str:
    """A name without the prefix of the personal namespace ("INBOX." of Courier, RFC 2342)."""
    if prefix and name.upper() != INBOX and name.upper().startswith(prefix.upper()):
        return name[len(prefix) :] or name
    return name


def assign(folders: Sequence[Named], own: Mapping[str, str]) -> dict[str, str]:
    r"""Source name -> local name, for every folder.

    own  the account's folders of special use: {"\Sent": "Sent", …}

    What lies below a folder of special use goes below the local one.
    """
    chosen: dict[str, str] = {}
    for use, local in own.items():
        found = _of_use(folders, use, chosen)
        if found is not None:
            chosen[found] = local
    return {folder.name: _below(folder.name, chosen) for folder in folders}


def _of_use(folders: Sequence[Named], use: str, taken: Mapping[str, str]) -> str | None:
    free = [folder for folder in folders if folder.name not in taken and folder.name != INBOX]
    for folder in free:
        if any(each.lower() == use.lower() for each in folder.attributes):
            return folder.name
    by_name: dict[str, str] = {}
    for folder in free:
        by_name.setdefault(_plain(folder.name), folder.name)
    for known in WELL_KNOWN.get(use, ()):
        if known in by_name:
            return by_name[known]
    return None


def _plain(name: str) -> str:
    """The name as `WELL_KNOWN` has it: without the level that some providers put above."""
    first, _, rest = name.partition("/")
    if rest and first in (INBOX, "[Gmail]", "[Google Mail]"):
        name = rest
    return name.casefold()


def _below(name: str, chosen: Mapping[str, str]) -> str:
    levels = name.split("/")
    for count in range(len(levels), 0, -1):
        above = "/".join(levels[:count])
        if above in chosen:
            return "/".join([chosen[above], *levels[count:]])
    return name
