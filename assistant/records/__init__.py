"""Medical records: text and FHIR in, facts with spans and answers out."""
