"""What the maintainers run through make."""
