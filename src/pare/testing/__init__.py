"""Fakes and conformance suites for each seam; imported by tests only."""
