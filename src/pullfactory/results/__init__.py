"""What a run gives back, what is written of it, and how it is read."""
