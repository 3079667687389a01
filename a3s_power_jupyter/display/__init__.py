"""Format text and HTML for magics, widgets and errors."""
