"""What the graders are worth, measured on official and hostile data."""
