"""Why runs of a kind cannot be trained by an engine."""


class CannotStack(Exception):
    """There is no array program of them."""


class CannotFuse(Exception):
    """There is no fused kernel for them."""
