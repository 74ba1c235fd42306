"""What a plan needs, gathered: a study's winner, models and servers of the catalogue, a log of use, this machine's entry."""
