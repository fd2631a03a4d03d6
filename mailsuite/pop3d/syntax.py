"""Pure. Command lines taken apart (RFC 1939 §3, RFC 2449 §4)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """keyword in capitals; argument: all after the first space, as it came, or empty."""

    keyword: str
    argument: bytes

    @property
    def arguments(self) -> list[bytes]:
        """The argument as words."""
        return self.argument.split()


def parse(line: bytes) -> Command:
    """Any line is a command, if perhaps one that nobody knows."""
    keyword, _, argument = line.partition(b" ")
    return Command(keyword.decode("ascii", "replace").upper(), argument)


def number(word: bytes) -> int | None:
    """A message number or a count of lines: decimal digits, none else, as many as a line holds."""
    return int(word) if word.isdigit() else None
