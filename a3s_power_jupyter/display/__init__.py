"""Text and HTML that magics, widgets and errors show."""
