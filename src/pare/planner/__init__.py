"""What a candidate will weigh and cost, from its anatomy alone: pure functions, no I/O, nothing built."""
