"""``python -m mailsuite`` is the ``mailsuite`` command."""

from mailsuite.cli import main

main()
