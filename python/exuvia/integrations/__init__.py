"""What goes with other people's tools; nothing in here is loaded unless the tool asks for it."""
