"""How nbval compares what the chapters put out."""


def pytest_collection_modifyitems(items):
    """Leave out plots: their coordinates change with the processor.

    nbval leaves out PNG and JPEG by itself; tests/test_colab.py compares all
    figures, with a tolerance.
    """
    files = {item.parent for item in items}
    for notebook in (file for file in files if hasattr(file, "skip_compare")):
        notebook.skip_compare += ("image/svg+xml",)
