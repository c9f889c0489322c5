"""AWS's event streams, written: a frame is its length, its headers' length, the checksum of these, the headers, the payload
and the checksum of all.
"""

import binascii
import json
import struct

MEDIA_TYPE = "application/vnd.amazon.eventstream"
# A header's value that is a text.
TEXT = 7


def frame(kind, name, payload):
    """An `event` or an `exception` of this name."""
    headers = {
        f":{kind}-type": name,
        ":content-type": "application/json",
        ":message-type": kind,
    }
    head = b"".join(header(*pair) for pair in headers.items())
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(head) + len(body), len(head))
    prelude += checksum(prelude)
    return prelude + head + body + checksum(prelude + head + body)


def header(name, value):
    name, value = name.encode(), value.encode()
    return struct.pack("!B", len(name)) + name + struct.pack("!BH", TEXT, len(value)) + value


def checksum(data):
    return struct.pack("!I", binascii.crc32(data))
