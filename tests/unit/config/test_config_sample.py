"""The example files: generated and equal to the schema, and both usable."""

import re
from pathlib import Path

from mailsuite.config import Config, Limits, Listener, Log, Queue, Tls, load, parse
from mailsuite.config.outgoing import Destination, Dns, Relay, Smarthost
from mailsuite.config.sample import sample
from mailsuite.config.schema import extra_of

FOLDER = Path(__file__).parents[3] / "config"


def test_the_sample_says_what_the_defaults_are() -> None:
    assert parse(sample(), Path("sample.yaml")).config == Config()


def test_the_file_in_config_is_the_sample() -> None:
    assert (FOLDER / "complete.yaml").read_text() == sample(), (
        "make it again: mailsuite config sample > config/complete.yaml"
    )


def test_what_is_switched_off_is_right_too() -> None:
    # client_ca is shown at a listener where nobody signs in.
    text = re.sub(r"(?m)^( *)#(?=(?!client_ca)[a-z_]+:)", r"\1", sample())
    text = re.sub(r"(?m)^( *)#(?=  )", r"\1", text)
    config = parse(text, Path("sample.yaml")).config
    assert None not in (config.tls, config.users_file, config.ldap, config.sign_in.openid)
    assert None not in (config.hostname, config.user, config.group, config.postmaster)
    assert config.listeners[0].name is not None
    assert config.relay.smarthost is not None and config.relay.credentials is not None


def test_every_key_is_explained_and_knows_what_it_expects() -> None:
    outgoing = (Relay, Smarthost, Destination, Dns)
    for section in (Config, Limits, Listener, Log, Queue, Tls, *outgoing):
        for name, field in section.model_fields.items():
            assert (field.description or "").endswith("."), name
            assert extra_of(field)["expected"], name


def test_the_minimal_example_is_right() -> None:
    loaded = load(FOLDER / "mailsuite.yaml")
    assert loaded.config.hostname == "mail.example.org"
    assert loaded.config.listeners == Config().listeners
    assert not loaded.warnings
