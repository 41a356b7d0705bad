"""The photo catalogue, and the times of chapter 11; installed as `helpers.data`."""
