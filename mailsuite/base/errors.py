"""The error that is told to a person.

Three kinds of error exist here. The peer's is a protocol reply and never leaves its door. Ours is a
bug or a broken machine: logged with a traceback. The third, below, is the user's or operator's.
"""


class UserError(Exception):
    """A mistake that the person at the terminal can mend.

    Its text is shown as it is, without a traceback, so it names the file, line, key or address and
    says what to do.
    """
