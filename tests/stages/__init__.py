"""What each stage promises."""
