"""What pages are made of: runs read from the disk, measured and judged; nothing here draws."""
