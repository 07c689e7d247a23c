"""What makes the kit fast and safe. Nobody outside the package imports from here."""
