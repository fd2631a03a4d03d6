"""SORT and THREAD over a real store, while the mailbox changes; progress of long commands."""

import asyncio
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from imap_dialogue import Client, Runner
from imap_dialogue import settings as door_settings

from mailsuite.imapd import sort_cache
from mailsuite.imapd.progress import Progress
from mailsuite.store import AccountStore, NewMessage

WORDS = ("alpha", "Beta", "GAMMA", "delta")
PEOPLE = ("ann", "Bob", "carl")
KEYS = ("ARRIVAL", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM", "SIZE", "SUBJECT", "TO")

mails = st.builds(
    lambda word, sender, to, cc, day, arrived, padding: {
        "subject": word, "from": sender, "to": to, "cc": cc, "day": day, "arrived": arrived,
        "padding": padding,
    },
    st.sampled_from(WORDS), st.sampled_from(PEOPLE), st.sampled_from(PEOPLE),
    st.sampled_from(PEOPLE), st.one_of(st.none(), st.integers(1, 5)), st.integers(1, 5),
    st.integers(0, 3),
)  # fmt: skip
programs = st.lists(st.tuples(st.booleans(), st.sampled_from(KEYS)), min_size=1, max_size=3)
steps = st.one_of(
    st.tuples(st.just("add"), mails),
    st.tuples(st.just("expunge"), st.integers(0, 5)),
    st.tuples(st.just("sort"), programs),
)


def octets(mail: dict[str, object]) -> bytes:
    date = f"Date: {mail['day']} Jan 2001 12:00:00 +0000\r\n" if mail["day"] else ""
    return (
        f"{date}From: {mail['from']}@x\r\nTo: {mail['to']}@x\r\nCc: {mail['cc']}@x\r\n"
        f"Subject: Re: {mail['subject']}\r\n\r\n{'x' * int(str(mail['padding']))}\r\n"
    ).encode()


def key(mail: dict[str, object], name: str) -> object:
    """Computed on its own."""
    match name:
        case "ARRIVAL":
            return mail["arrived"]
        case "DATE":
            return 11_000 * 86400 + 43200 + int(str(mail["day"])) if mail["day"] else 0
        case "SIZE":
            return len(octets(mail))
        case "DISPLAYFROM" | "DISPLAYTO":
            return f"{mail[name[7:].lower()]}@x".upper()
        case _:
            return str(mail[name.lower()]).upper()


async def check(script: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Runner(Path(folder), None, door_settings()) as runner:
            client = await runner.signed_in("A", "SELECT INBOX")
            account = await runner.store.account("alice@example.test")
            mail: dict[int, dict[str, object]] = {}
            for kind, what in script:
                if kind == "add":
                    new = NewMessage(octets(what), frozenset(), float(what["arrived"]))
                    (uid,) = (await account.append("INBOX", [new])).uids
                    mail[uid] = what
                    await client.command("NOOP")
                elif kind == "expunge" and mail:
                    uid = sorted(mail)[what % len(mail)]
                    await client.command(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
                    await client.command("EXPUNGE")
                    del mail[uid]
                elif kind == "sort":
                    await compare(client, mail, what)


async def compare(
    client: Client, mail: dict[int, dict[str, object]], program: list[tuple[bool, str]]
) -> None:
    expected = sorted(mail)
    for reverse, name in reversed(program):
        if name == "DATE":  # without a day, the internal date, which is before all others

            def by(uid: int) -> object:
                one = mail[uid]
                return (1, one["day"]) if one["day"] else (0, one["arrived"])

            expected.sort(key=by, reverse=reverse)
        else:
            expected.sort(key=lambda uid: key(mail[uid], name), reverse=reverse)
    criteria = " ".join(f"REVERSE {name}" if reverse else name for reverse, name in program)
    response = (await client.command(f"UID SORT ({criteria}) UTF-8 ALL"))[-1]
    assert [int(each) for each in response.split()[2:]] == expected
    some = (await client.command(f"UID SORT ({criteria}) UTF-8 SUBJECT alpha"))[-1]
    assert [int(each) for each in some.split()[2:]] == [
        uid for uid in expected if mail[uid]["subject"] == "alpha"
    ]
    for algorithm in ("REFERENCES", "ORDEREDSUBJECT"):
        response = (await client.command(f"UID THREAD {algorithm} UTF-8 ALL"))[-1]
        found = [int(each) for each in re.findall(rb"[0-9]+", response)]
        assert sorted(found) == sorted(mail)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(script=st.lists(steps, max_size=25).map(lambda steps: [*steps, ("sort", [(False, "DATE")])]))
def test_like_python_sorts(script: list[tuple[object, ...]]) -> None:
    asyncio.run(check(script))


async def test_many_messages_and_little_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables that are too large are used, but not kept; the answer is the same."""
    async with Runner(tmp_path, None, door_settings()) as runner:
        account = await runner.store.account("alice@example.test")
        new = [NewMessage(b"Subject: %d\r\n\r\n" % (n * 37 % 100)) for n in range(100)]
        await account.append("INBOX", new)
        client = await runner.signed_in("A", "SELECT INBOX")
        expected = [b"* SORT " + b" ".join(b"%d" % (n + 1) for n in order(100))]
        assert await client.command("SORT (SUBJECT) UTF-8 ALL") == expected
        assert len(runner.door.sort_cache._tables) == 1
        monkeypatch.setattr(sort_cache, "MAX_OCTETS", 100)
        monkeypatch.setattr(sort_cache, "ROWS_BATCH", 7)
        assert await client.command("SORT (SUBJECT) UTF-8 ALL") == expected
        assert len(runner.door.sort_cache._tables) == 0
        assert await client.command("SORT (SUBJECT) UTF-8 ALL") == expected


def order(count: int) -> list[int]:
    return sorted(range(count), key=lambda n: str(n * 37 % 100))


async def test_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long command tells that it is still at work, until it is answered; IDLE does not."""
    told = asyncio.Event()
    real = AccountStore.copy

    async def slow(*arguments: object, **options: object) -> object:
        await told.wait()
        return await real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(AccountStore, "copy", slow)
    async with Runner(tmp_path, None, door_settings(progress=0.01)) as runner:
        await runner.deliver("short")
        client = await runner.signed_in("A", "SELECT INBOX")
        client.writer.write(b"x COPY 1 INBOX\r\n")
        for _ in range(2):
            line = await client.response()
            assert line == b'* OK [INPROGRESS ("x" NIL NIL)] Still working'
        told.set()
        while (line := await client.response()).startswith(b"* OK [INPROGRESS"):
            pass
        while not line.startswith(b"x "):
            line = await client.response()
        assert line.startswith(b"x OK [COPYUID")
        told.clear()
        client.writer.write(b"x] COPY 1 INBOX\r\n")
        assert await client.response() == b"* OK [INPROGRESS] Still working"
        told.set()
        while not (line := await client.response()).startswith(b"x] "):
            pass
        client.writer.write(b"y IDLE\r\n")
        assert await client.response() == b"+ idling"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.readline()


async def test_the_goal_is_not_reached_while_the_command_goes_on() -> None:
    """RFC 9585 §4: what is done is less than what there is to do; a tag with "]" is not told."""
    told: asyncio.Queue[bytes] = asyncio.Queue()
    with Progress("a]", 0.001, told.put_nowait) as progress:
        progress.at(3, 10)
        assert await told.get() == b"* OK [INPROGRESS (NIL 3 10)] 30% done\r\n"
        progress.at(10, 10)
        while (line := await told.get()).startswith(b"* OK [INPROGRESS (NIL 3 10)]"):
            pass
        assert line == b"* OK [INPROGRESS (NIL 9 10)] 90% done\r\n"
