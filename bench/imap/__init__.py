"""IMAP beside Dovecot over the same messages in the same run: `python -m bench.imap --help`."""
