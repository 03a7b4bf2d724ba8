"""The report as one page of HTML: `harvester status --html`, and `report.html` of the settings."""
