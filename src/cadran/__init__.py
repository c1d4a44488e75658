"""Governed revenue KPIs from CRM, marketing and billing data."""

__version__ = "0.1.0"
