"""Metrics, and scores with their intervals."""
