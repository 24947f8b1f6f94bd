"""What stands between a user and harm: red flags first, unsupported sentences withheld."""
