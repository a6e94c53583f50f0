"""HTML for Jupyter, which takes what stands between two `$` for mathematics unless it is told not to."""

# JupyterLab's typesetter passes over elements of the first class, MathJax 2 (nbconvert's pages, older Jupyters) over
# those of the second.
UNTYPESET = "mathjax_ignore tex2jax_ignore"


def as_written(html: str, kind: str = "") -> str:
    """The HTML as one element, of the class `kind`, in which every character stays what it is."""
    return f'<div class="{f"{kind} {UNTYPESET}".strip()}">{html}</div>'
