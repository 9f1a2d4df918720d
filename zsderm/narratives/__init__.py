"""What patients tell beside a photograph: tables of stories, names masked in them, and stories out of answers."""
