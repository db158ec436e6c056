"""What users of one foreign system import, built from the rooms below."""
