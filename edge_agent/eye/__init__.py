"""From pictures to crossings."""
