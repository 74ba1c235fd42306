"""Latency, throughput, memory and energy of an artifact as it is served, one measurement at a time on a machine."""
