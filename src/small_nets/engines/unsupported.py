"""Raised with the reason why an engine cannot train a cohort."""


class CannotStack(Exception):
    """No array program can train the cohort."""


class CannotFuse(Exception):
    """No fused kernel can train the cohort."""
