"""What a toy is fitted with, in JAX: one protocol."""

from pullfactory.likelihoods._likelihood import Expansion, Likelihood, Observation
from pullfactory.likelihoods.binned import BinnedLikelihood
from pullfactory.likelihoods.unbinned import UnbinnedData, UnbinnedLikelihood
from pullfactory.likelihoods.unbinned_joint import JointData, JointLikelihood

__all__ = [
    "BinnedLikelihood",
    "Expansion",
    "JointData",
    "JointLikelihood",
    "Likelihood",
    "Observation",
    "UnbinnedData",
    "UnbinnedLikelihood",
]
