"""Transfer files to the disk and verify them."""
