"""Pages about runs and about data: HTML files that need nothing else.

`run_page` and `comparison_page` put the report of runs together from what `content.RunRecord`
holds, and `data_page` that of a data set from what `ladcli.data.statistics` measured.
"""
