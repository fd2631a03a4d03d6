"""Pure. Octets into text, whatever the charset is called and whether or not it is true.

Never raises. Names that mail uses for what Python knows under another name are mapped, and to the
superset that senders really mean; charsets outside a fixed list are not looked up.
"""

import codecs
import re
from encodings.aliases import aliases

_SURROGATE = re.compile("[\ud800-\udfff]")
_SEPARATORS = re.compile(r"[^a-z0-9]+")

# Encodings that are no mail charsets, or cost more than linear time.
_REFUSED = {
    "punycode", "idna", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem",
    "base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec",
}  # fmt: skip
_WITHOUT_ALIAS = {
    "cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_r", "koi8_t", "koi8_u",
    "mac_arabic", "mac_croatian", "mac_farsi", "mac_romanian", "utf_8_sig",
}  # fmt: skip
_MEANT = {
    "iso_8859_1": "cp1252",
    "latin_1": "cp1252",
    "us_ascii": "ascii",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x_gbk": "gb18030",
    "euc_kr": "cp949",
    "ks_c_5601": "cp949",
    "windows_949": "cp949",
    "x_windows_949": "cp949",
    "shift_jis": "cp932",
    "x_sjis": "cp932",
    "iso2022_jp": "iso2022_jp_ext",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_9": "cp1254",
    "iso_8859_11": "cp874",
    "tis_620": "cp874",
    "windows_874": "cp874",
    "big5": "big5hkscs",
    "x_big5": "big5hkscs",
    "unicode_1_1_utf_7": "utf_7",
    "unicode_1_1_utf_8": "utf_8",
    "utf8mb4": "utf_8",
    "x_mac_roman": "mac_roman",
    "x_user_defined": "ascii",
}
_CODECS = ({*aliases, *aliases.values(), *_WITHOUT_ALIAS} - _REFUSED) - {
    name for name, codec in aliases.items() if codec in _REFUSED
}


def codec_name(charset: str) -> str | None:
    """Python's codec for a MIME charset name, or None if no such charset is known."""
    name = _SEPARATORS.sub("_", charset[:64].lower()).strip("_")
    codec = _MEANT.get(name, name)
    if codec not in _CODECS and codec.startswith("x_"):
        codec = codec[2:]
    if codec not in _CODECS:
        return None
    codec = aliases.get(codec, codec)
    codec = _MEANT.get(codec, codec)
    try:
        codecs.lookup(codec)
    except LookupError:
        return None
    return codec


def decode_text(octets: bytes, charset: str = "us-ascii") -> str:
    """`octets` in `charset` as text; what can't be decoded becomes U+FFFD.

    Unlabelled, unknown and us-ascii text is taken as UTF-8 where it is that, else as windows-1252.
    """
    codec = codec_name(charset)
    if codec is None or codec in ("ascii", "utf_8"):
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            if codec == "utf_8":
                return octets.decode("utf-8", "replace")
        codec = "cp1252"
    text = octets.decode(codec, "replace")
    return _SURROGATE.sub("\ufffd", text) if codec == "utf_7" else text  # which lets halves by
