"""What the simulated API answers with."""
