"""What an experiment is: its config, its arms, and who samples how much."""
