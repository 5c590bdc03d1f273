"""What a run leaves behind: rows and their schema, tables in memory or on disk, the Run itself."""
