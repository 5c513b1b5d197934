"""Bins: of one observable, of all together, and what falls into them."""
