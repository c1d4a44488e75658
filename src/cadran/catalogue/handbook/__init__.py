"""The KPI handbook: one Markdown page for each KPI, and an index, in French and in English."""
