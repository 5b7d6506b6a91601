"""What a person sees: run folder -> view models -> page, plots and notebook cards. Reads the store, never a network."""
