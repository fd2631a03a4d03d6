"""POP3 beside Dovecot over the same messages in the same run: `python -m bench.pop3 --help`."""
