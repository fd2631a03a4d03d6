"""What a context tells, applied to its first result, is what a new search gives (RFC 5267)."""

import asyncio
import re
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from imap_dialogue import Client, Runner
from imap_dialogue import settings as door_settings

from mailsuite.imapd import contexts
from mailsuite.store import NewMessage

PROGRAMS = (
    "ALL", "UNSEEN UNDELETED", "OR FLAGGED SUBJECT a", "NOT KEYWORD $x", "SUBJECT b",
    "UID 3:*", "UID *", "2:3", "NOT 1 UNSEEN", "FUZZY SUBJECT a", "LARGER 40", "RECENT",
)  # fmt: skip
NUMBERED = (" 2:3", " NOT 1 UNSEEN")
ORDERS = ("", "(DATE)", "(REVERSE SUBJECT DATE)", "(SUBJECT)")
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "$x")

uids = st.integers(1, 8)
steps = st.one_of(
    st.tuples(st.just("begin"), st.booleans(), st.sampled_from(ORDERS), st.sampled_from(PROGRAMS)),
    st.tuples(st.just("deliver"), st.sampled_from("ab"), st.integers(1, 9)),
    st.tuples(st.just("deliver"), st.sampled_from("ab"), st.integers(1, 9)),
    st.tuples(st.just("store"), st.sampled_from("AB"), st.sampled_from("+-"), uids,
              st.sampled_from(FLAGS)),
    st.tuples(st.just("store"), st.sampled_from("AB"), st.sampled_from("+-"), uids,
              st.sampled_from(FLAGS)),
    st.tuples(st.just("expunge"), st.sampled_from("AB")),
    st.tuples(st.just("fetch")),
    st.tuples(st.just("noop")),
)  # fmt: skip


def numbers(text: str) -> list[int]:
    """A sequence set, expanded."""
    found: list[int] = []
    for piece in text.split(","):
        first, _, last = piece.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found


class Mirror:
    """A client that does what RFC 5267 §4.3 says with all that it is told."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.results: dict[str, list[int]] = {}
        self.commands: dict[str, str] = {}

    async def command(self, tag: str, text: str) -> None:
        self.client.writer.write(f"{tag} {text}\r\n".encode())
        while not (line := (await self.client.response()).decode()).startswith(f"{tag} "):
            self.follow(line)
        assert line.startswith((f"{tag} OK", f"{tag} NO")), (text, line)

    def follow(self, line: str) -> None:
        if found := re.fullmatch(r"\* (\d+) EXPUNGE", line):
            for tag, results in self.results.items():
                if not self.commands[tag].startswith("UID"):
                    assert int(found[1]) not in results
                    results[:] = [each - (each > int(found[1])) for each in results]
        elif found := re.match(r'\* ESEARCH \(TAG "(\w+)"\)(?: UID)?(.*)', line):
            results = self.results.get(found[1])
            if results is None:
                return
            for name, value in re.findall(r" (ALL|ADDTO|REMOVEFROM) (\([^)]*\)|\S+)", found[2]):
                if name == "ALL":
                    results[:] = numbers(value)
                    continue
                words = value.strip("()").split()
                for place, text in zip(map(int, words[::2]), words[1::2], strict=True):
                    self.change(results, name, place, numbers(text))

    def change(self, results: list[int], name: str, place: int, these: list[int]) -> None:
        if name == "ADDTO":
            assert not set(these) & set(results)
            if place:
                assert place <= len(results) + 1
                results[place - 1 : place - 1] = these
            else:
                results[:] = sorted([*results, *these])
        elif place:
            assert results[place - 1 : place - 1 + len(these)] == these
            del results[place - 1 : place - 1 + len(these)]
        else:
            assert set(these) <= set(results)
            results[:] = [each for each in results if each not in these]


async def check(script: list[tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Runner(Path(folder), None, door_settings()) as runner:
            account = await runner.store.account("alice@example.test")
            for letter, day in (("a", 5), ("b", 5), ("b", 2)):
                await account.append("INBOX", [message(letter, day)])
            mirror = Mirror(await runner.signed_in("A", "SELECT INBOX"))
            other = await runner.signed_in("B", "SELECT INBOX")
            for number, (kind, *rest) in enumerate(script):
                tag = f"t{number}"
                match kind, rest:
                    case "begin", [by_uid, order, program]:
                        name = "UID " * by_uid + ("SORT" if order else "SEARCH")
                        charset = " UTF-8" if order else ""
                        mirror.results[tag] = []
                        mirror.commands[tag] = f"{name} RETURN (%s) {order}{charset} {program}"
                        await mirror.command(
                            tag, (mirror.commands[tag] % "UPDATE ALL").replace("  ", " ")
                        )
                    case "deliver", [letter, day]:
                        await account.append("INBOX", [message(letter, day)])
                    case "store", [who, sign, uid, flag]:
                        text = f"UID STORE {uid} {sign}FLAGS.SILENT ({flag})"
                        if who == "A":
                            await mirror.command(tag, text)
                        else:
                            await other.command(text)
                    case "expunge", [who]:
                        if who == "A":
                            await mirror.command(tag, "EXPUNGE")
                        else:
                            await other.command("EXPUNGE")
                    case "fetch", []:
                        await mirror.command(tag, "FETCH * UID")
                    case _:
                        await compare(mirror, tag)
            await compare(mirror, "last")


async def compare(mirror: Mirror, tag: str) -> None:
    await mirror.command(tag, "NOOP")
    for number, (old, command) in enumerate(list(mirror.commands.items())):
        if command.endswith(NUMBERED):
            continue  # numbers mean something else by now
        new = f"{tag}n{number}"
        mirror.results[new] = []
        mirror.commands[new] = command
        await mirror.command(new, (command % "ALL").replace("  ", " "))
        assert mirror.results.pop(new) == mirror.results[old], (command, old)
        del mirror.commands[new]


def message(letter: str, day: int) -> NewMessage:
    date = f"Date: {day} Jan 2001 12:00:00 +0000\r\n"
    return NewMessage(f"{date}Subject: {letter}\r\n\r\n{'x' * day * 10}".encode())


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(st.lists(steps, max_size=25))
def test_kept_up_to_date(script: list[tuple[str, ...]]) -> None:
    asyncio.run(check(script))


async def test_too_many(tmp_path: Path) -> None:
    async with Runner(tmp_path, None, door_settings()) as runner:
        client = await runner.signed_in("A", "SELECT INBOX")
        for _ in range(contexts.MAX_CONTEXTS):
            assert await client.command("SEARCH RETURN (UPDATE COUNT) ALL") != []
        refusal, result = await client.command("SEARCH RETURN (UPDATE COUNT) ALL")
        assert re.match(rb'\* NO \[NOUPDATE "auto\d+"\] Too many contexts', refusal)
        assert result.endswith(b"COUNT 0")
