"""What a run found, computed from what its stages committed."""
