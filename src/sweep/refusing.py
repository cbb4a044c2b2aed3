"""Around a door of Hydra's: what was refused is said without a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from src.check import Refused
from src.errors import InputError


@contextmanager
def refusing(directory: object) -> Iterator[None]:
    """Bad input and a refusing disk become Refused, which Hydra lets by."""
    try:
        yield
    except InputError as error:
        raise Refused(error) from error
    except OSError as error:
        raise Refused(
            InputError(
                f"{error.filename or directory}: {error.strerror or error}\n"
                "What was stored before is whole; the same command goes on from there."
            )
        ) from error
    sys.stdout.flush()
