"""Charts as inline SVG, of numbers alone: nothing here knows runs or methods."""
