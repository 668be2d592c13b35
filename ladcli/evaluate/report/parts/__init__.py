"""The sections of pages, and the tables, panels and photos in them."""
