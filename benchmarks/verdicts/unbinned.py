"""The unbinned fit of Gaussian densities whose places and widths are learnt from samples."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.verdicts.lines import Line, N
from benchmarks.verdicts.world import CENTRE, WIDTH

_STEPS = 8
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(12)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DensityFit:
    """Gaussian densities with relative slopes, as an audit learns them from its samples.

    Attributes:
        mu: Location of each observable, shape (observables,).
        sigma: Its width, same shape.
        moves: Relative slopes of the locations, shape (observables, parameters).
        widens: Of the widths, same shape.
        penalty: Information of the constraints, shape (parameters,).
    """

    mu: NDArray[np.float64]
    sigma: NDArray[np.float64]
    moves: NDArray[np.float64]
    widens: NDArray[np.float64]
    penalty: NDArray[np.float64]

    @classmethod
    def of(
        cls, line: Line, tables: Mapping[str, Mapping[str, NDArray[np.float64]]]
    ) -> "DensityFit":
        """Mean and spread of every sample, and half the differences of up and down.

        Args:
            line: Kind of the audit.
            tables: Samples, by role.
        """
        nominal = tables["nominal"]
        mu = np.array([nominal[name].mean() for name in line.names])
        sigma = np.array([nominal[name].std() for name in line.names])
        moves, widens = [], []
        for knob in line.knobs:
            sides = []
            for side, sign in (("up", 1.0), ("down", -1.0)):
                own = tables.get(f"{knob.name}.{side}")
                if own is not None:
                    sides.append([(own[name].mean(), own[name].std()) for name in line.names])
                    continue
                shift = sign * np.array(knob.moves)
                sides.append(list(zip(mu + shift, sigma, strict=True)))
            half = (np.array(sides[0]) - np.array(sides[1])) / 2
            moves.append(half[:, 0] / mu)
            widens.append(half[:, 1] / sigma)
        return cls(
            mu=mu,
            sigma=sigma,
            moves=np.array(moves).T,
            widens=np.array(widens).T,
            penalty=np.array([0.0 if knob.free else 1.0 for knob in line.knobs]),
        )

    @classmethod
    def exact(cls, line: Line) -> "DensityFit":
        """With the densities that two observables are drawn from.

        Args:
            line: Kind of the audit.
        """
        moves, widens = (
            np.array([getattr(knob, key) for knob in line.knobs]).T for key in ("moves", "widens")
        )
        return cls(
            mu=CENTRE[:2],
            sigma=WIDTH[:2],
            moves=moves / CENTRE[:2, None],
            widens=widens,
            penalty=np.array([0.0 if knob.free else 1.0 for knob in line.knobs]),
        )

    @property
    def _shifts(self) -> NDArray[np.float64]:
        """Slopes of the locations in widths, shape (observables, parameters)."""
        return np.asarray(self.moves * (self.mu / self.sigma)[:, None])

    def information(self) -> NDArray[np.float64]:
        """Expected of the data, without the constraints, shape (parameters, parameters)."""
        return np.asarray(N * (self._shifts.T @ self._shifts + 2 * self.widens.T @ self.widens))

    def scores(
        self, line: Line, theta: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and covariance of the score of an event at the nominal point.

        Args:
            line: Kind of the audit, of two observables.
            theta: Truth, shape (parameters,).

        Returns:
            Shapes (parameters,) and (parameters, parameters).
        """
        first, second = np.meshgrid(_NODES, _NODES, indexing="ij")
        weight = np.outer(_WEIGHTS, _WEIGHTS).ravel() / _WEIGHTS.sum() ** 2
        z = np.stack([first, line.rho * first + np.sqrt(1 - line.rho**2) * second])
        moved = np.array([knob.moves[:2] for knob in line.knobs]).T @ theta
        value = (CENTRE[:2] + moved)[:, None] + WIDTH[:2, None] * z.reshape(2, -1)
        pull = (value - self.mu[:, None]) / self.sigma[:, None]
        score = self._shifts.T @ pull + self.widens.T @ (pull**2 - 1)
        mean = score @ weight
        return mean, np.asarray((score * weight) @ score.T - np.outer(mean, mean))

    def fit(self, values: NDArray[np.float64], aux: NDArray[np.float64]) -> NDArray[np.float64]:
        """Most likely masses.

        Args:
            values: Shape (toys, observables, events).
            aux: Auxiliary values, shape (toys, parameters).
        """
        mean, square = values.mean(axis=2), (values**2).mean(axis=2)
        events = values.shape[2]
        theta = np.zeros((len(values), len(self.penalty)))
        for _ in range(_STEPS):
            factor = 1.0 + self.moves * theta[:, None, :]
            wide = 1.0 + self.widens * theta[:, None, :]
            mu, sigma = self.mu * factor.prod(axis=2), self.sigma * wide.prod(axis=2)
            shift = (mu / sigma)[..., None] * self.moves / factor
            widen = self.widens / wide
            pull = (mean - mu) / sigma
            pulls = (square - 2 * mean * mu + mu**2) / sigma**2
            score = np.einsum("to,tok->tk", pull, shift) + np.einsum("to,tok->tk", pulls - 1, widen)
            bend = np.einsum("tok,tol->tkl", shift, shift) + 2 * np.einsum(
                "tok,tol->tkl", widen, widen
            )
            total = events * score + (aux - theta) * self.penalty
            theta += np.linalg.solve(events * bend + np.diag(self.penalty), total[..., None])[
                ..., 0
            ]
        return np.asarray(theta[:, 0])
