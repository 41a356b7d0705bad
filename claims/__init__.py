"""How far the chapters' headline claims hold: measured on many seeds, mosaics and photos, and stored."""
