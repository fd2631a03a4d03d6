"""Pure. Messages: RFC 5322 and MIME over octets, with offsets. No parser here raises on bad mail.

Exceptions to that are the SMTP path grammar and domains, where a wrong form is an answer to the
peer: they raise ValueErrors. Conversion for a next hop is in `mailsuite.message.downgrade`.
"""

from mailsuite.message.address import Address, AddressList, Group, mailboxes, parse_addresses
from mailsuite.message.body import decode_base64, decode_body, decode_quoted_printable
from mailsuite.message.casemap import SEPARATOR, UNICODE_VERSION, fold
from mailsuite.message.charset import codec_name, decode_text
from mailsuite.message.date import format_date, parse_date
from mailsuite.message.decoding import Decoder, decoder
from mailsuite.message.domain import MAX_DOMAIN, among, domain_of, normalise_domain
from mailsuite.message.header import (
    Field,
    Octets,
    fields,
    first_field,
    first_value,
    spaced,
    split_header,
    unfold,
)
from mailsuite.message.limits import Limits
from mailsuite.message.nul import without_nul
from mailsuite.message.parameters import Params, decode_params, join_continuations
from mailsuite.message.part import NO_CHARSET, Part, section
from mailsuite.message.path import (
    MAX_LOCAL,
    MAX_PATH,
    ParameterError,
    PathError,
    address_key,
    parse_mail_argument,
    parse_mailbox,
    parse_path,
    parse_rcpt_argument,
    quote_local,
    split_address,
)
from mailsuite.message.preview import preview
from mailsuite.message.references import message_ids
from mailsuite.message.structure import scan
from mailsuite.message.subject import Subject, base_subject
from mailsuite.message.submission import Submitter, repair_submission
from mailsuite.message.text import TEXT_VERSION, body_text, contains, header_text
from mailsuite.message.trace import (
    address_literal,
    count_received,
    delivered_to,
    protocol,
    received,
    without_return_path,
)
from mailsuite.message.traits import MAX_LINE, LineWatch, Traits, examine
from mailsuite.message.words import decode_words

__all__ = [
    "MAX_DOMAIN",
    "MAX_LINE",
    "MAX_LOCAL",
    "MAX_PATH",
    "NO_CHARSET",
    "SEPARATOR",
    "TEXT_VERSION",
    "UNICODE_VERSION",
    "Address",
    "AddressList",
    "Decoder",
    "Field",
    "Group",
    "Limits",
    "LineWatch",
    "Octets",
    "ParameterError",
    "Params",
    "Part",
    "PathError",
    "Subject",
    "Submitter",
    "Traits",
    "address_key",
    "address_literal",
    "among",
    "base_subject",
    "body_text",
    "codec_name",
    "contains",
    "count_received",
    "decode_base64",
    "decode_body",
    "decode_params",
    "decode_quoted_printable",
    "decode_text",
    "decode_words",
    "decoder",
    "delivered_to",
    "domain_of",
    "examine",
    "fields",
    "first_field",
    "first_value",
    "fold",
    "format_date",
    "header_text",
    "join_continuations",
    "mailboxes",
    "message_ids",
    "normalise_domain",
    "parse_addresses",
    "parse_date",
    "parse_mail_argument",
    "parse_mailbox",
    "parse_path",
    "parse_rcpt_argument",
    "preview",
    "protocol",
    "quote_local",
    "received",
    "repair_submission",
    "scan",
    "section",
    "spaced",
    "split_address",
    "split_header",
    "unfold",
    "without_nul",
    "without_return_path",
]
