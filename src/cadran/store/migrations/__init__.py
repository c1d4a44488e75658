"""The steps that bring an application database to the tables of this version, for Alembic."""
