"""The POP3 commands, a tight family a file. Each takes its arguments and returns a reply."""
