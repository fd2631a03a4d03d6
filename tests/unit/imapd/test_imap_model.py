"""Random commands from several sessions against a simple model in memory.

Each client keeps what RFC 3501 §7.4.1 lets it keep: a list that grows by EXISTS and shrinks by
EXPUNGE. After a NOOP in every session all lists equal the model, flags included.
"""

import asyncio
import re
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imap_dialogue import Client, Runner
from imap_dialogue import settings as door_settings

FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "$a")
SESSIONS = ("A", "B", "C")
NO_EXPUNGE = ("FETCH", "STORE", "SEARCH")

uids = st.integers(1, 8)
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
scripts = st.lists(st.tuples(st.sampled_from(SESSIONS), operations), max_size=25)


class Model:
    """What the mailbox holds."""

    def __init__(self) -> None:
        self.messages: dict[int, set[str]] = {}
        self.uidnext = 1

    def add(self, flags: set[str]) -> None:
        self.messages[self.uidnext] = set(flags)
        self.uidnext += 1


class Mirror:
    """What one client knows of the mailbox."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.uids: list[int | None] = []

    async def command(self, text: str) -> None:
        """Send it and follow the responses; NO is an answer too."""
        self.client.writer.write(b"t " + text.encode() + b"\r\n")
        while not (response := await self.client.response()).startswith(b"t "):
            self._follow(text, response)
        assert response.startswith((b"t OK", b"t NO")), f"{text}: {response!r}"

    def _follow(self, text: str, response: bytes) -> None:
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


async def play(script: list[tuple[str, tuple[object, ...]]], folder: Path) -> None:
    async with Runner(folder, None, door_settings()) as runner:
        model = Model()
        mirrors = {}
        for name in SESSIONS:
            mirrors[name] = Mirror(await runner.signed_in(name))
            await mirrors[name].command("SELECT INBOX")
        for name, operation in script:
            await step(runner, model, mirrors[name], operation)
        for mirror in mirrors.values():
            await mirror.command("NOOP")
        for mirror in mirrors.values():
            assert len(mirror.uids) == len(model.messages)
            lines = await mirror.client.command("FETCH 1:* (UID FLAGS)") if mirror.uids else []
            assert parsed(lines) == model.messages


async def step(runner: Runner, model: Model, mirror: Mirror, operation: tuple[object, ...]) -> None:
    messages = model.messages
    match operation:
        case ("deliver",):
            await runner.deliver("short")
            model.add(set())
        case ("store", sign, int(uid), str(flag)):
            await mirror.command(f"UID STORE {uid} {sign}FLAGS ({flag})")
            if uid in messages and uid in known(mirror):
                (messages[uid].add if sign == "+" else messages[uid].discard)(flag)
        case ("replace", int(uid), frozenset() as flags):
            await mirror.command(f"UID STORE {uid} FLAGS.SILENT ({' '.join(sorted(flags))})")
            if uid in messages and uid in known(mirror):
                messages[uid] = set(flags)
        case ("expunge",):
            await mirror.command("EXPUNGE")
            for uid in [uid for uid, flags in messages.items() if "\\Deleted" in flags]:
                del messages[uid]
        case ("uid expunge", int(uid)):
            here = uid in known(mirror)
            await mirror.command(f"UID EXPUNGE {uid}")
            if here and "\\Deleted" in messages.get(uid, set()):
                del messages[uid]
        case ("move", int(uid)):
            here = uid in known(mirror)
            await mirror.command(f"UID MOVE {uid} Archive")
            if here:
                messages.pop(uid, None)
        case ("copy", int(uid)):
            here = uid in known(mirror)
            await mirror.command(f"UID COPY {uid} INBOX")
            if here and uid in messages:
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
        await mirror.command("FETCH 1:* UID")


def known(mirror: Mirror) -> list[int | None]:
    return mirror.uids


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
def test_every_view_equals_the_model(script: list[tuple[str, tuple[object, ...]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(script, Path(folder)))
