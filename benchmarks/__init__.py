"""Speed and memory of pullfactory beside the obvious loop, and beside the floor."""
