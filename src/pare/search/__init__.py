"""The study: which candidates to build, in which order, what became of them, and which of them to prove."""
