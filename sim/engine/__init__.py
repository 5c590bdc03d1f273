"""Running replications: which engine, on which executor, until when; and what must hold of each."""
