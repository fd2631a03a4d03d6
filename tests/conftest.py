"""What every test shares: when a missing real client is a failure, and hypothesis' settings."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from loop_watch import watched

# Shared and slow machines must not turn an example's run time into a failure.
settings.register_profile(
    "mailsuite", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("mailsuite")


def clients_are_required() -> bool:
    """In CI every real client must be there; on a developer's machine its tests are skipped."""
    return any(
        os.environ.get(name, "").lower() in ("1", "true", "yes")
        for name in ("CI", "MAILSUITE_REQUIRE_CLIENTS")
    )


def is_there(name: str | Path) -> bool:
    """A folder, a program, or (``python:name``) a library."""
    if isinstance(name, Path):
        return name.is_dir()
    if name.startswith("python:"):
        return importlib.util.find_spec(name.removeprefix("python:")) is not None
    return shutil.which(name) is not None


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("client"):
        for name in marker.args:
            if is_there(name):
                continue
            if clients_are_required():
                pytest.fail(f"{name} is not installed, and is required here", pytrace=False)
            pytest.skip(f"{name} is not installed")


@pytest.fixture(autouse=True)
def unconfigured_log() -> Iterator[None]:
    """A test that configures the log leaves no closed stream to the tests after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def unblocked_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """The IMAP door's tests fail when its code blocks the event loop."""
    if Path(request.path).parent.name != "imapd":
        yield
        return
    with watched() as seen:
        yield
    assert not seen, "the event loop was blocked: " + "; ".join(seen)
