"""JSON that begins with a digest of its own content, so that a change is noticed."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

_HEAD = re.compile(rb'\{"digest": "([0-9a-f]{32})",')


class NotSealed(ValueError):
    """A text without a digest at its beginning."""


class Changed(ValueError):
    """A text that does not match its digest."""


def digest_of(content: bytes) -> str:
    """A digest of 32 hexadecimal digits. It reveals accidents, not forgeries."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def seal(content: Mapping[str, Any], **options: Any) -> str:
    """Write a mapping as JSON with the digest of its text. options: keywords of json.dumps."""
    text = json.dumps(dict(content), **options)
    return f'{{"digest": "{digest_of(text[1:].encode())}",{text[1:]}'


def unseal(content: bytes) -> dict[str, Any]:
    """Read what `seal` wrote, and check its digest.

    Raises NotSealed where there is no digest, Changed where it does not match, and ValueError for
    what is not a JSON object.
    """
    head = _HEAD.match(content)
    if head is None:
        raise NotSealed("it carries no digest of its content")
    rest = content[head.end() :]
    if digest_of(rest) != head[1].decode():
        raise Changed("it was changed after it was written (its digest is of another content)")
    return read_json(b"{" + rest)


def read_json(content: bytes | str) -> dict[str, Any]:
    """Read a JSON object. Raises ValueError for anything else, and for one nested too deep."""
    try:
        found = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return found
