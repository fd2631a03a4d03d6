"""The queue's pure parts: schedule, ids, texts of envelopes and outcomes."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.mail import Deferred, DeliverBy, Envelope, Job, QueuedMessage, Recipient
from mailsuite.queue import Settings, codec, schedule
from mailsuite.queue.ids import LENGTH, Ids, is_id
from mailsuite.queue.outcomes import clean, recorded

chances = st.floats(0, 1, exclude_max=True)


PLAIN = Envelope("", (Recipient("a@example.test"),))


class TestSchedule:
    def test_grows_from_minutes_to_hours(self) -> None:
        settings = Settings(jitter=0.0)
        waits = [schedule.wait(number, 0.0, settings) for number in range(1, 40)]
        assert waits[0] == 300 and waits[-1] == 4 * 3600
        for shorter, longer in pairwise(waits):
            assert shorter <= longer <= 1.7 * shorter

    @given(attempts=st.integers(-5, 10**9), chance=chances)
    def test_jitter_stays_in_its_part(self, attempts: int, chance: float) -> None:
        plain = schedule.wait(attempts, 0.5, Settings(jitter=0.0))
        assert 0.9 * plain <= schedule.wait(attempts, chance, Settings()) <= 1.1 * plain

    @given(age=st.floats(0, 10**7), attempts=st.integers(1, 1000), chance=chances)
    def test_the_last_attempt_is_at_the_end(self, age: float, attempts: int, chance: float) -> None:
        settings, received = Settings(), 1.7e9
        now = received + age
        found = schedule.next_attempt(received, PLAIN, attempts, now, chance, settings)
        if found is None:
            assert age >= settings.lifetime - 1e-3
        else:
            assert received + age < found <= received + settings.lifetime

    @given(age=st.floats(0.001, 4 * 86_400), chance=chances)
    def test_an_attempt_is_made_when_a_delay_is_to_be_told(self, age: float, chance: float) -> None:
        """The walk from attempt to attempt meets every time of a notice, and tells it once."""
        settings, received = Settings(), 1.7e9
        envelope = replace(PLAIN, deliver_by=DeliverBy(received + age, "N"))
        now, last, told, count = received + 1.0, None, [], 0
        while True:
            if schedule.delay_is_news(received, envelope, last, now, settings):
                told.append(now)
            count += 1
            last, later = (
                now,
                schedule.next_attempt(received, envelope, count, now, chance, settings),
            )
            if later is None:
                break
            now = later
        assert told == sorted(
            {
                max(received + 1.0, t)
                for t in schedule.notice_times(received, envelope, settings)
                if t > received
            }
        )

    def test_a_message_with_a_time_limit_is_given_up_then(self) -> None:
        envelope = replace(PLAIN, deliver_by=DeliverBy(1.7e9 + 600, "R"))
        settings = Settings()
        assert schedule.next_attempt(1.7e9, envelope, 9, 1.7e9, 0.5, settings) == 1.7e9 + 600
        assert schedule.next_attempt(1.7e9, envelope, 9, 1.7e9 + 600, 0.5, settings) is None


class TestIds:
    @given(st.lists(st.floats(0, 4e9), min_size=2, max_size=50))
    def test_rise_whatever_the_clock_does(self, times: list[float]) -> None:
        clock = iter(times)
        ids = Ids(lambda: next(clock))
        found = [ids.next() for _ in times]
        assert found == sorted(set(found))
        assert all(is_id(each) and len(each) == LENGTH for each in found)

    def test_sort_by_time(self) -> None:
        assert Ids(lambda: 1.0).next() < Ids(lambda: 1.002).next() < Ids(lambda: 3e9).next()

    @pytest.mark.parametrize("text", ["", "0" * 12, "0" * 14, "I" * 13, "é" * 13, "../../../../x"])
    def test_other_names_are_none(self, text: str) -> None:
        assert not is_id(text)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


recipients = st.builds(
    Recipient, texts, st.sampled_from([(), ("NEVER",), ("SUCCESS", "FAILURE")]), texts
)
envelopes = st.builds(
    Envelope,
    sender=texts,
    recipients=st.lists(recipients, max_size=3).map(tuple),
    body=st.sampled_from(["7BIT", "8BITMIME", "BINARYMIME"]),
    smtputf8=st.booleans(),
    submitter=st.none() | texts,
    ret=st.sampled_from(["", "FULL", "HDRS"]),
    envid=texts,
    require_tls=st.booleans(),
    hold_until=st.none() | st.floats(0, 4e9),
    deliver_by=st.none()
    | st.builds(DeliverBy, st.floats(0, 4e9), st.sampled_from("RN"), st.booleans()),
    priority=st.integers(-9, 9),
)


class TestCodec:
    @given(envelopes)
    def test_reads_what_it_wrote(self, envelope: Envelope) -> None:
        again = [
            codec.to_recipient(each.address, codec.recipient_text(each))
            for each in envelope.recipients
        ]
        assert codec.to_envelope(codec.envelope_text(envelope), again) == envelope

    def test_defaults_are_not_written_and_unknown_fields_passed_by(self) -> None:
        assert codec.envelope_text(Envelope("a@b", ())) == '{"sender":"a@b"}'
        assert codec.to_envelope('{"sender":"a@b","later":[1]}', ()) == Envelope("a@b", ())
        assert codec.to_recipient("a@b", '{"later":1}') == Recipient("a@b")

    @pytest.mark.parametrize("text", ["\udc80", "\0", "a\0b"])
    def test_refuses_what_cannot_be_kept(self, text: str) -> None:
        with pytest.raises(ValueError):
            codec.dumps(["x", {"y": text}])

    def test_keeps_what_only_looks_like_nul(self) -> None:
        assert codec.dumps("\\u0000") == '"\\\\u0000"'


@given(st.text(st.characters(), max_size=3000))
def test_words_are_one_bounded_line(text: str) -> None:
    found = clean(text)
    assert len(found) <= 1000 and found.isprintable()
    codec.dumps(found)


def test_what_gives_up_keeps_its_status() -> None:
    envelope = Envelope("a@b", (Recipient("c@d"),))
    job = Job("1", envelope, envelope.recipients, (0,), QueuedMessage("/x", 0, 1), 9, True, 1000.0)
    settings = replace(Settings(), lifetime=86_400.0)
    change = recorded(job, "x", [Deferred("4.4.1", "busy")], 1e6, 0.5, settings)
    (result,) = change.results
    assert (result.state, result.status) == ("bounced", "4.4.1")
    assert result.text == "gave up after 1 day; at last: busy" and change.sole
