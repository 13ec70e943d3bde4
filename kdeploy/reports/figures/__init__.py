"""The plots, one a file: records in, an SVG element that stands inside the page out."""
