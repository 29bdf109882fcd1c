"""What a key looks like.

    tg_live_<8: public id>_<32: secret, 190 bits><6: CRC-32 of all before it>

The checksum is not a defence; it lets a mistyped or cut key be told from a foreign
one without a query. The database keeps the SHA-256 of the whole: 190 random bits
need no slow hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "tg_live_"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
PUBLIC_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 8, 32, 6
# Also what a secret scanner needs; the checksum rules out chance hits.
PATTERN = re.compile(r"tg_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}")
# Also cut, mistyped, and keys of others: nothing else is so long without a break.
SECRETS = re.compile(
    r"(?i)\b(tg_[a-z]{2,8}_|sk-|sk_|rk_|whsec_|bearer(?: |%20)+)[0-9A-Za-z_.~+/=-]{8,}"
)


def masked(text: str) -> str:
    """Text of a stranger's as it may be logged and answered: of a key only its kind."""
    return SECRETS.sub(r"\1…", text)


def generate(public_id: str = "") -> str:
    """A new key from the system's randomness; with the `public_id` of one that it takes
    the place of, if it does."""
    if not public_id:
        public_id = "".join(secrets.choice(BASE62) for _ in range(PUBLIC_LENGTH))
    secret = "".join(secrets.choice(BASE62) for _ in range(SECRET_LENGTH))
    body = f"{PREFIX}{public_id}_{secret}"
    return body + checksum(body)


def derive(seed: bytes) -> str:
    """The key that belongs to a secret seed: the same for the same one."""
    needed = PUBLIC_LENGTH + SECRET_LENGTH
    # 64 bits a character: what the remainder favours is nothing.
    stream = hashlib.shake_256(seed).digest(8 * needed)
    numbers = (int.from_bytes(stream[at : at + 8]) for at in range(0, len(stream), 8))
    text = "".join(BASE62[number % len(BASE62)] for number in numbers)
    body = f"{PREFIX}{text[:PUBLIC_LENGTH]}_{text[PUBLIC_LENGTH:]}"
    return body + checksum(body)


def checksum(body: str) -> str:
    """CRC-32 as six Base62 digits."""
    number, digits = zlib.crc32(body.encode("ascii")), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(BASE62))
        digits = BASE62[digit] + digits
    return digits


def is_well_formed(text: str) -> bool:
    """Whether `text` can be a key at all. No query, whatever is presented."""
    if PATTERN.fullmatch(text) is None:
        return False
    return checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]


def digest(text: str) -> str:
    """What is stored in the key's place."""
    return hashlib.sha256(text.encode()).hexdigest()


def public_id(text: str) -> str:
    """The part of a key by which people may know it."""
    return text[len(PREFIX) : len(PREFIX) + PUBLIC_LENGTH]
