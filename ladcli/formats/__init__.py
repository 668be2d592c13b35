"""Annotations of other tools: read into one type, and written from it.

A file per format knows how that format says things; nothing else does.  A reader gives a
`ForeignSet`: which images there are and what was drawn on them, in the terms of the tool.
`ladcli.formats.sound` opens the images and turns that into boxes in stored pixels, so every format
meets the same checks; `split`, `names` and `writing` make a data folder of the result.

No library does this for us.  globox reads six of these formats, but gives up a whole data set at
its first odd row, knows images by their name without folders, drops every flag (difficult, crowd,
occluded) and reads XML with entities; what would be left for it is a few lines of arithmetic.
datumaro brings eighteen packages (OpenCV, pandas, pyarrow, shapely, lxml, ...), and needs other
versions of some that we share.  The tests compare with globox.
"""
