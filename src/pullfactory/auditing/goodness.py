"""Goodness of fit of an audit: the data beside toys thrown at the fitted point, and findings."""

from collections.abc import Iterator

from pullfactory.auditing.finding import Finding
from pullfactory.auditing.fitted_pool import FittedPool
from pullfactory.auditing.model import AuditModel
from pullfactory.fitting import FitBatch, fit_toys
from pullfactory.inference.goodness import (
    ALL,
    ASSUMED,
    EVENTS,
    Compared,
    Distances,
    Goodness,
    beyond_text,
    is_bad,
    is_fitted,
    judge_fit,
    measure_distances,
    where_text,
)
from pullfactory.inference.judgement import BAD_FIT, PULLED
from pullfactory.numbers import significant


def throw_distances(pool: FittedPool, block: int) -> Distances:
    """Distances of one block of toys from their fits.

    Args:
        pool: What they are drawn from.
        block: Which block, from 0.
    """
    data = pool.draw(block)
    return measure_distances(_compared(pool.model), data, fit_toys(pool.model.likelihood, data))


def data_distance(model: AuditModel, fit: FitBatch) -> Distances:
    """That of the data of an audit.

    Args:
        model: With data among its samples.
        fit: Of the data, all parameters of the likelihood.
    """
    data = model.likelihood.data({n: c[None] for n, c in model.expected.observed.items()})
    return measure_distances(_compared(model), data, fit)


def judge_data(
    model: AuditModel, fit: FitBatch, toys: Distances | None, reason: str | None
) -> Goodness:
    """Whether the model fits the data.

    Args:
        model: With data among its samples.
        fit: Of the data, all parameters of the likelihood.
        toys: Distances of toys thrown at the fitted point; None without.
        reason: Why there are none.
    """
    return judge_fit(_compared(model), fit, data_distance(model, fit), toys, reason)


def pulled_findings(model: AuditModel, fit: FitBatch, *, blind: bool) -> Iterator[Finding]:
    """Warn of constrained parameters that the data pull away.

    Args:
        model: With data among its samples.
        fit: Of the data, all parameters of the likelihood.
        blind: Whether to keep estimates back.
    """
    likelihood = model.likelihood
    if not is_fitted(fit.status[0]):
        return
    for term, k in enumerate(likelihood.aux_index):
        name = likelihood.names[k]
        measured = likelihood.aux_used[term] and model.aux_drawn[term]
        if not measured or name not in model.expected.parameters:
            continue
        expected = fit.estimate[0, k] * likelihood.aux_factor[term]
        away = expected - likelihood.observed[likelihood.n_main + term]
        away = float(away / likelihood.aux_sigma[term])
        if abs(away) > PULLED:
            far = f"more than {PULLED:g}" if blind else f"{away:+.2g}"
            yield Finding(
                level="warn",
                cause="pulled",
                place=f"parameter.{name}",
                text=f"The data pull it {far} widths of its constraint away.",
                remedy="Look whether it takes up something that the model lacks.",
            )


def goodness_findings(goodness: Goodness) -> Iterator[Finding]:
    """What a reader should act on, or know.

    Args:
        goodness: Of a fit.
    """
    mend = "Look at the data beside the fit, bin by bin, and for what the model lacks."
    for row in goodness.rows:
        if is_bad(row):
            yield Finding(
                level="warn",
                cause="goodness",
                place=_place(row.of),
                text=f"Data and fit disagree {where_text(row)} ({beyond_text(row)}).",
                remedy=mend,
            )
        if row.of == ALL and (row.toys - row.beyond + 1) / (row.toys + 1) < BAD_FIT:
            yield Finding(
                level="warn",
                cause="too_good",
                place=_place(row.of),
                text=f"The data are closer to the fit than {row.beyond} of {row.toys} toys.",
                remedy="Were these data simulated, or weighted twice?",
            )
    chi = goodness.chi_square
    if not goodness.rows and chi and chi.p_value is not None and chi.p_value < BAD_FIT:
        yield Finding(
            level="warn",
            cause="goodness",
            place="fit.all",
            text=f"The chi-square of the fit has p = {significant(chi.p_value)}. {ASSUMED}.",
            remedy="Throw toys (toys.n_toys), which know what channels share.",
        )


def _place(of: str) -> str:
    words = {ALL: "fit.all", EVENTS: "fit.events"}
    return words.get(of, f"fit.{of}")


def _compared(model: AuditModel) -> Compared:
    config = model.expected.config
    return Compared(
        likelihood=model.likelihood,
        names=config.observable_names,
        measured=model.aux_drawn,
        counted=config.n_events_law != "fixed",
    )
