"""Alembic's migrations of the store; they travel with the package and run when the store opens."""
