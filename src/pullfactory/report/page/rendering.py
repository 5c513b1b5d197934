"""Pages as HTML, in one file."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from pullfactory.report.page.content import Page
from pullfactory.report.palette import method_label


def render(page: Page) -> str:
    """The page as one HTML file that loads nothing.

    Args:
        page: What stands on it; all its texts are escaped.
    """
    environment = Environment(
        loader=PackageLoader("pullfactory.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["method_label"] = method_label
    return environment.get_template("report.html").render(page=page)
