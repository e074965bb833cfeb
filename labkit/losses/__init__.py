"""Losses as pure functions, and the confidence weights they use."""
