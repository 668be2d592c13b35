"""How the names of image files end."""

#: Endings of files that folders and patterns are searched for, in lower case.
SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm",
    ".pnm",
)  # fmt: skip
