"""What an account on another server is signed in to with, as the options say it."""

from __future__ import annotations

import io

import pytest
import typer

from mailsuite.base.errors import UserError
from mailsuite.cli.remote import Given, credential
from mailsuite.remote import (
    Certificate,
    Location,
    Password,
    RefreshToken,
    TokenCommand,
    TokenFile,
)

FAR = Location("imap", "far.test", 993, "implicit", "bob")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("pass", "se cret \n"), ("refresh", " long\n"), ("secret", "hush\r\n")):
        (tmp_path / name).write_text(text)
    return tmp_path


ENDPOINT = "https://id.test/token"


def test_each_way(files):
    refresh = {
        "refresh_token_file": files / "refresh",
        "token_endpoint": ENDPOINT,
        "client_id": "me",
    }
    ways = [
        ({"password_file": files / "pass"}, Password("se cret ")),
        ({"token_file": (files / "t").relative_to(files)}, TokenFile(f"{files}/t")),
        ({"token_command": "pass show x"}, TokenCommand("pass show x")),
        (refresh, RefreshToken(ENDPOINT, "me", "long")),
        (
            refresh | {"client_secret_file": files / "secret", "scope": "mail"},
            RefreshToken(ENDPOINT, "me", "long", "hush", "mail"),
        ),
        ({"certificate": files / "a.pem"}, Certificate()),
        (
            {"certificate": files / "a.pem", "password_file": files / "pass"},
            Password("se cret "),
        ),
    ]
    for options, wanted in ways:
        assert credential(FAR, Given(**options)) == wanted


def test_a_refresh_token_from_the_standard_input(files, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("long\n"))
    given = Given(refresh_token_file="-", token_endpoint=ENDPOINT, client_id="me")
    assert credential(FAR, given) == RefreshToken(ENDPOINT, "me", "long")
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(UserError, match="no refresh token"):
        credential(FAR, given)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"token_file": "a", "token_command": "b"}, "--token-file or --token-command, not both"),
        ({"key": "a"}, "--key needs --certificate"),
        ({"client_id": "me"}, "go with --refresh-token-file"),
        ({"refresh_token_file": "a", "client_id": "me"}, "needs --token-endpoint"),
        (
            {"refresh_token_file": "a", "client_id": "me", "token_endpoint": "http://id.test/"},
            "expected https://",
        ),
    ],
)
def test_what_does_not_go_together(options, words):
    with pytest.raises(typer.BadParameter, match=words):
        credential(FAR, Given(**options))


def test_a_certificate_needs_tls(files):
    where = Location("imap", "localhost", 143, "none", "bob")
    with pytest.raises(typer.BadParameter, match="TLS only"):
        credential(where, Given(certificate=files / "a.pem"))
