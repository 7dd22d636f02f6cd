"""Stored runs as one file that can be handed over: an HTML page, or Markdown for a repository.

`gather` collects what is shown as plain data, `to_html` and `to_markdown` make a document of it,
`write_report` puts it into a file. This package knows what a reader wants to see. It does not
know models, the engine or terminals, and it computes no statistics.
"""

from llprobe.page.data import Page
from llprobe.page.files import check_ending, write_report
from llprobe.page.gather import gather
from llprobe.page.html import to_html
from llprobe.page.markdown import to_markdown

__all__ = ["Page", "check_ending", "gather", "to_html", "to_markdown", "write_report"]
