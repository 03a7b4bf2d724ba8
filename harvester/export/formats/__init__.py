"""The formats that can be published."""
