"""Pure. The trace fields of the final delivery, put above all others (RFC 5321 §4.4)."""

from mailsuite.mail import Envelope


def return_path(sender: str) -> bytes:
    """The Return-Path field; `sender` "" is the null reverse-path."""
    return b"Return-Path: <" + sender.encode() + b">\r\n"


def trace_fields(sender: str, recipient: str) -> bytes:
    """Return-Path and Delivered-To, which also shows when mail runs in circles."""
    return return_path(sender) + b"Delivered-To: " + recipient.encode() + b"\r\n"


def local_prefix(envelope: Envelope) -> bytes:
    """The trace fields for an envelope with one recipient, known before the message is."""
    return trace_fields(envelope.sender, envelope.recipients[0].address)
