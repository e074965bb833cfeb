"""Measuring filled holes: metrics, sets of pairs, the protocol and its reports."""
