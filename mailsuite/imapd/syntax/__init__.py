"""Pure. IMAP as octets: the receiver, the grammar of commands, the rendering of responses.

No sockets, files, threads or clock in here: bytes in, values out, and values in, bytes out.

receiver         octets cut anywhere -> whole command lines with their literals
grammar          a command line -> its arguments (`model`)
mutf7            mailbox names on the wire (modified UTF-7)
mailbox_pattern  LIST wildcards
response         values -> octets of responses
"""
