"""The photo catalogue; installed as `helpers.data`."""
