"""JSON that says of itself whether it is as it was written: a digest of the rest comes first."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

_HEAD = re.compile(rb'\{"digest": "([0-9a-f]{32})",')


class NotSealed(ValueError):
    """A text that carries no digest where a sealed one has it."""


class Changed(ValueError):
    """A text whose digest is that of another one."""


def digest_of(content: bytes) -> str:
    """32 hexadecimal digits: against chance, not against an enemy, who could write a new one."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def seal(content: Mapping[str, Any], **options: Any) -> str:
    """A mapping as JSON with the digest of its text. options: of json.dumps."""
    text = json.dumps(dict(content), **options)
    return f'{{"digest": "{digest_of(text[1:].encode())}",{text[1:]}'


def unseal(content: bytes) -> dict[str, Any]:
    """What was sealed, to the letter. Raises NotSealed, Changed, ValueError."""
    head = _HEAD.match(content)
    if head is None:
        raise NotSealed("it carries no digest of its content")
    rest = content[head.end() :]
    if digest_of(rest) != head[1].decode():
        raise Changed("it was changed after it was written (its digest is of another content)")
    return read_json(b"{" + rest)


def read_json(content: bytes | str) -> dict[str, Any]:
    """A JSON object. Raises ValueError for anything else, one nested too deep included."""
    try:
        found = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found
