"""What a run leaves on disk: each file's reader beside its writer, free of torch."""
