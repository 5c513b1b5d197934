"""Answers that are known from elsewhere, and how far pullfactory is from each of them.

Nothing but `reference.questions` imports pullfactory.
"""
