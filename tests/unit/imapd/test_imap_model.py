"""Random commands from several sessions against a simple model in memory.

Each client keeps what RFC 3501 §7.4.1 lets it keep: a list that grows by EXISTS and shrinks by
EXPUNGE, or by VANISHED in the session with QRESYNC; one is told by NOTIFY, without asking. After a
NOOP in every session all lists equal the model, flags included.

The session with QRESYNC also keeps flags and the highest mod-sequence as RFC 7162 §6 tells it to.
What it knew after any of its commands is a state that a client may come back with: SELECT with that
state yields the model, and does so again when the index has been lost meanwhile.
"""

import asyncio
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from imap_dialogue import Client, Runner
from imap_dialogue import settings as door_settings

FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "$a")
SESSIONS = ("A", "B", "C", "D")
RESYNC = "C"
NOTIFY = "D"
FIRST = {
    RESYNC: "ENABLE QRESYNC",
    NOTIFY: "NOTIFY SET (selected-delayed (MessageNew (FLAGS) MessageExpunge FlagChange))",
}
NO_EXPUNGE = ("FETCH", "STORE", "SEARCH")

uids = st.integers(1, 6)
flags = st.sampled_from(FLAGS)
operations = st.one_of(
    st.tuples(st.just("deliver")),
    st.tuples(st.just("store"), st.sampled_from("+-"), uids, flags),
    st.tuples(st.just("replace"), uids, st.frozensets(flags)),
    st.tuples(st.just("expunge")),
    st.tuples(st.just("uid expunge"), uids),
    st.tuples(st.just("move"), uids),
    st.tuples(st.just("copy"), uids),
    st.tuples(st.just("numbered"), st.sampled_from(NO_EXPUNGE)),
    st.tuples(st.just("noop")),
)
scripts = st.lists(st.tuples(st.sampled_from(SESSIONS), operations), min_size=5, max_size=30)


class Model:
    """What the mailbox holds."""

    def __init__(self) -> None:
        self.messages: dict[int, set[str]] = {}
        self.uidnext = 1

    def add(self, flags: set[str]) -> None:
        self.messages[self.uidnext] = set(flags)
        self.uidnext += 1


@dataclass
class Known:
    """What a client has written down of a mailbox."""

    modseq: int
    uids: list[int]
    flags: dict[int, set[str]]


class Mirror:
    """What one client knows of the mailbox."""

    def __init__(self, client: Client, *, remembers: bool = False) -> None:
        self.client = client
        self.remembers = remembers
        self.uids: list[int | None] = []
        self.flags: dict[int, set[str]] = {}
        self.modseq = 0
        self._code: int | None = None
        self._modseqs: list[int] = []

    async def command(self, text: str) -> None:
        """Send it and follow the responses; NO is an answer too."""
        self.client.writer.write(b"t " + text.encode() + b"\r\n")
        while not (response := await self.client.response()).startswith(b"t "):
            self._follow(text, response)
        assert response.startswith((b"t OK", b"t NO")), f"{text}: {response!r}"
        self._note_code(response)
        # RFC 7162 §6: at each tagged response; a code counts more than what has been seen.
        self.modseq = max([self.modseq, *self._modseqs]) if self._code is None else self._code
        self._code = None
        self._modseqs.clear()

    def _note_code(self, response: bytes) -> None:
        if found := re.search(rb"\[HIGHESTMODSEQ (\d+)\]", response):
            self._code = int(found[1])

    def _follow(self, text: str, response: bytes) -> None:
        self._note_code(response)
        if gone := re.fullmatch(rb"\* VANISHED (\(EARLIER\) )?([0-9:,]+)", response):
            self._vanish(text, numbers(gone[2]), earlier=gone[1] is not None)
            return
        if modseq := re.search(rb"MODSEQ \((\d+)\)", response):
            self._modseqs.append(int(modseq[1]))
        found = re.match(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH)(?: \((?:UID (\d+))?)?", response)
        if found is None:
            return
        number = int(found[1])
        if found[2] == b"EXISTS":
            assert number >= len(self.uids), "only EXPUNGE may shrink a mailbox"
            self.uids += [None] * (number - len(self.uids))
            return
        assert 1 <= number <= len(self.uids), f"{text}: {response!r}"
        if found[2] == b"EXPUNGE":
            assert not text.startswith(NO_EXPUNGE), f"{text}: {response!r}"
            del self.uids[number - 1]
        elif found[3] is not None:
            uid = int(found[3])
            assert self.uids[number - 1] in (None, uid), "a number has changed its message"
            self.uids[number - 1] = uid
            if flags := re.search(rb"FLAGS \((.*?)\)", response):
                self.flags[uid] = set(flags[1].decode().split()) - {"\\Recent"}

    def _vanish(self, text: str, uids: list[int], *, earlier: bool) -> None:
        for uid in uids:
            self.flags.pop(uid, None)
            if not earlier:
                assert not text.startswith(NO_EXPUNGE), f"{text}: {uids}"
                # One that arrived a moment ago has no UID here yet.
                self.uids.remove(uid if uid in self.uids else None)

    def written_down(self) -> Known:
        """A state to come back with."""
        uids = [uid for uid in self.uids if uid is not None]
        return Known(self.modseq, uids, {uid: set(self.flags[uid]) for uid in uids})


def numbers(text: bytes) -> list[int]:
    """A sequence set's."""
    found: list[int] = []
    for piece in text.split(b","):
        first, _, last = piece.partition(b":")
        found += range(int(first), int(last or first) + 1)
    return found


async def play(script: list[tuple[str, tuple[object, ...]]], folder: Path) -> None:
    async with Runner(folder, None, door_settings()) as runner:
        model = Model()
        for flags in (set(), {"\\Deleted"}, set(), {"\\Deleted", "$a"}):
            await runner.deliver("short", frozenset(flags))
            model.add(flags)
        mirrors = {}
        for name in SESSIONS:
            client = await runner.signed_in(name, FIRST.get(name, "NOOP"))
            mirrors[name] = Mirror(client, remembers=name == RESYNC)
            await mirrors[name].command("SELECT INBOX")
            await mirrors[name].command("FETCH 1:* (UID FLAGS)")
        states = [mirrors[RESYNC].written_down()]
        for name, operation in script:
            if name == NOTIFY:  # what it has been told and has not read yet
                await mirrors[name].command("NOOP")
            await step(runner, model, mirrors[name], operation)
            if name == RESYNC:
                states.append(mirrors[RESYNC].written_down())
        for mirror in mirrors.values():
            await mirror.command("NOOP")
        for mirror in mirrors.values():
            assert len(mirror.uids) == len(model.messages)
            lines = await mirror.client.command("FETCH 1:* (UID FLAGS)") if mirror.uids else []
            assert parsed(lines) == model.messages
        await come_back(runner, model, states)
    for path in folder.rglob("index.db*"):
        path.unlink()
    async with Runner(folder, None, door_settings()) as runner:
        await come_back(runner, model, states)


async def come_back(runner: Runner, model: Model, states: list[Known]) -> None:
    """A client with each of these states; it says more or less of what it knows."""
    client = await runner.signed_in("R", "ENABLE QRESYNC")
    (line,) = await client.command("STATUS INBOX (UIDVALIDITY)")
    uidvalidity = line.partition(b"UIDVALIDITY ")[2].rstrip(b")").decode()
    for place, state in enumerate(states):
        uids = ",".join(map(str, state.uids))
        known = ["", f" {uids}", f" {uids} (1:{len(state.uids)} {uids})"][place % 3] if uids else ""
        mirror = Mirror(client)
        mirror.flags = {uid: set(flags) for uid, flags in state.flags.items()}
        await mirror.command(f"SELECT INBOX (QRESYNC ({uidvalidity} {state.modseq}{known}))")
        newer = {uid for uid in model.messages if uid not in state.flags}
        if known:  # it has to ask for what is new
            last = max(state.uids)
            await mirror.command(f"UID FETCH {last + 1}:* (FLAGS)")
            newer = {uid for uid in newer if uid > last}
        assert mirror.flags == {
            uid: flags
            for uid, flags in model.messages.items()
            if uid in newer or uid in state.flags
        }


async def step(runner: Runner, model: Model, mirror: Mirror, operation: tuple[object, ...]) -> None:
    messages = model.messages
    match operation:
        case ("deliver",):
            await runner.deliver("short")
            model.add(set())
        case ("store", sign, int(uid), str(flag)):
            await mirror.command(f"UID STORE {uid} {sign}FLAGS ({flag})")
            if uid in messages:
                (messages[uid].add if sign == "+" else messages[uid].discard)(flag)
        case ("replace", int(uid), frozenset() as flags):
            silent = "" if mirror.remembers else ".SILENT"
            await mirror.command(f"UID STORE {uid} FLAGS{silent} ({' '.join(sorted(flags))})")
            if uid in messages:
                messages[uid] = set(flags)
        case ("expunge",):
            await mirror.command("EXPUNGE")
            for uid in [uid for uid, flags in messages.items() if "\\Deleted" in flags]:
                del messages[uid]
        case ("uid expunge", int(uid)):
            await mirror.command(f"UID EXPUNGE {uid}")
            if "\\Deleted" in messages.get(uid, set()):
                del messages[uid]
        case ("move", int(uid)):
            await mirror.command(f"UID MOVE {uid} Archive")
            messages.pop(uid, None)
        case ("copy", int(uid)):
            await mirror.command(f"UID COPY {uid} INBOX")
            if uid in messages:
                model.add(messages[uid])
        case ("numbered", str(command)):
            count = len(mirror.uids)
            rest = {"FETCH": "FETCH 1:* (UID FLAGS)", "STORE": "STORE 1:* +FLAGS.SILENT ()"}
            if count or command == "SEARCH":
                await mirror.command(rest.get(command, "SEARCH ALL"))
        case ("noop",):
            await mirror.command("NOOP")
        case _:
            raise AssertionError(operation)
    # Learn the UIDs of what is new.
    if None in mirror.uids:
        await mirror.command("FETCH 1:* (UID FLAGS)")


def parsed(lines: list[bytes]) -> dict[int, set[str]]:
    found = {}
    for line in lines:
        fields = re.fullmatch(rb"\* \d+ FETCH \(UID (\d+) FLAGS \((.*)\)\)", line)
        assert fields is not None, line
        found[int(fields[1])] = set(fields[2].decode().split()) - {"\\Recent"}
    return found


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(scripts)
@example(  # also where the command has another code to answer with
    [
        ("A", ("move", 1)),
        ("A", ("replace", 2, frozenset())),
        ("C", ("numbered", "STORE")),
    ]
)
@example(  # what is told of a later change must not hide an expunge that cannot be told yet
    [
        ("A", ("expunge",)),
        ("A", ("store", "+", 1, "\\Seen")),
        ("C", ("numbered", "SEARCH")),
    ]
)
def test_every_view_equals_the_model(script: list[tuple[str, tuple[object, ...]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(script, Path(folder)))
