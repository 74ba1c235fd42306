"""What a study found, for people: the report as one HTML file, the frontier in the terminal, one JSON object."""
