"""SMTP beside Postfix in the same run: `python -m bench.smtp --help`."""
