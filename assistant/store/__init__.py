"""What is kept between runs and shared by replicas: SQLite in the state folder, or PostgreSQL by URL."""
