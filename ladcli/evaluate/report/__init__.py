"""The report of a run, or of several: one HTML file that needs nothing else.

`page.run_page` and `page.comparison_page` put it together from what `content.RunRecord` holds.
"""
