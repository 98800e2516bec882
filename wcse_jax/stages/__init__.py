"""One file a stage: what determines it, and how it is made."""
