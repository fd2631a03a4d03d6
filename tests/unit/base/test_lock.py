"""One owner at a time, and free again after its release."""

from pathlib import Path

import pytest

from mailsuite.base.errors import UserError
from mailsuite.base.lock import FileLock


def test_the_second_is_told_why(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "lock", "taken")
    with pytest.raises(UserError, match="taken"):
        FileLock(tmp_path / "lock", "taken")
    first.release()
    first.release()
    FileLock(tmp_path / "lock", "taken").release()
