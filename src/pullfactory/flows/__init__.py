"""A joint density of the observables that is learnt, a triangular flow."""
