"""Files in and out: MRC stacks and maps, STAR tables, the run folder. Returns and takes model records."""
