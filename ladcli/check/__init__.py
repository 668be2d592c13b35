"""What a data set is asked beyond the rules of reading it, and how its annotations are mended."""
