"""Templates that were compiled stay compiled: half of the time of a small site is Jinja reading its theme."""

from __future__ import annotations

from types import CodeType

from jinja2.bccache import Bucket, BytecodeCache

_Key = tuple[str, str, frozenset[str]]


class Compiled(BytecodeCache):
    """The code of templates, kept in this process alone: nothing on disk has to be trusted.

    Code is found again by the template's name, file, text, and the extensions that had a say in it.
    """

    def __init__(self) -> None:
        self._known: dict[_Key, CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give the code when it is known."""
        bucket.code = self._known.get(_key(bucket))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code."""
        self._known[_key(bucket)] = bucket.code


def _key(bucket: Bucket) -> _Key:
    return bucket.key, bucket.checksum, frozenset(bucket.environment.extensions)


COMPILED = Compiled()
"""For every build of this process."""
