"""Text of others, fit to be shown.

Names in a workspace, of files and of columns may hold anything: sequences that a terminal obeys,
line breaks, letters that turn the direction of writing. What is shown has none of them.
"""

__all__ = ["printable"]


def printable(text: str) -> str:
    r"""The text with every letter escaped that does not print, such as `\x1b`.

    Args:
        text: Of others.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
