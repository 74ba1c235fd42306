"""From a log of a large model to jobs: what each costs, what it answers, and whether a small model could do it."""
