"""Types, parameters and errors that all parts of the package share."""
