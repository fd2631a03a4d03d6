"""Pure. How much of one message the parsers look at.

Past a bound nothing is refused and nothing raises: the rest is kept as it stands, unparsed.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of `scan` and `fields`.

    depth          multiparts and messages inside each other; deeper ones are leaves
    parts          body parts of one message; the last one then reaches to the end
    fields         header fields of one header block; the rest is one unnamed field
    header_octets  octets of one header block that are searched for fields
    value_octets   octets of what such a field says that are read
    params         parameters of one Content-Type or Content-Disposition field
    """

    depth: int = 50
    parts: int = 5000
    fields: int = 2000
    header_octets: int = 4 * 1024 * 1024
    value_octets: int = 256 * 1024
    params: int = 200


DEFAULT = Limits()
