"""The tests of a checkout."""

import src  # noqa: F401, which puts its package on the path
