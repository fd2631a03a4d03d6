"""The IMAP commands, one or a tight family a file. `mailsuite.imapd.table` lists them.

A handler is `async handler(session, *arguments)`, its arguments those of its parser in
`syntax.grammar`. It writes untagged responses and returns the reply, or raises a Refusal.
"""
